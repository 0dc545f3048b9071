/**
 * The data sheet of the DMA engine with an MMU of its own. Base address 0 is that of the DMA engine (its data sheet is beside
 * this one); what a transfer gives as its address is first translated here. No such device exists outside this simulator.
 *
 * Base address 2 has the MMU's registers from 0x000 and its MSI-X table from 0x800; base address 4 is its table memory, whose
 * size says how much there is. Registers take aligned accesses of 4 and 8 bytes, table memory any. MSI-X vector 0 says that a
 * transfer ended, vector 1 that the MMU has recorded a fault.
 *
 * The MMU translates 32-bit I/O virtual addresses to bus addresses of 41 bits, in pages of 4 KiB, by two levels of tables in
 * table memory, each a page of 1024 entries: bits 31:22 find a directory entry, bits 21:12 a page entry. What it has found
 * it keeps until it is told to forget, and goes on using; that an entry is not valid it does not keep. While it is off,
 * addresses go out as they are. Nobody is protected from this device by its own MMU: whoever reaches these registers can
 * send it anywhere, which is what the platform's IOMMU is for.
 *
 * An access that it does not allow is not sent. The first is recorded, others meanwhile are counted in OVERFLOW alone. A
 * page that is missing can stop the transfer instead (MMU_CONTROL.STALL), until MMU_ANSWER says what becomes of it.
 *
 * Not acted on: nothing; what is not declared is reserved, reads 0 and ignores writes.
 */
import { bit, bits, layout, register } from '../../bits/index.ts';

/** Of the same made-up vendor as the DMA engine. */
export const MMU_ENGINE_DEVICE = 0x0003;

/** Indexes of the base address registers, and bytes behind the second. */
export const MMU_BAR = 2;
export const MMU_BAR_BYTES = 0x1000;
export const TABLE_MEMORY_BAR = 4;

/** Bytes of registers; the MSI-X table and its pending bits follow. */
export const MMU_REGISTER_BYTES = 0x100;
export const MMU_MSIX_TABLE_AT = 0x800;
export const MMU_MSIX_PENDING_AT = 0x900;

/** MSI-X vectors. */
export const MmuEngineVector = { TRANSFER: 0, FAULT: 1 } as const;

/** Entries of a table, which is a page, and bytes of each. */
export const TABLE_ENTRIES = 1024;
export const ENTRY_BYTES = 4;
/** Pages that can have an I/O virtual address, and a bus address. */
export const IOVA_PAGES = 2 ** 20;
export const BUS_PAGES = 2 ** 29;

const SHEET = 'MMU engine data sheet';

export const DIRECTORY_ENTRY = layout('DIRECTORY_ENTRY', 32, SHEET, {
  V: bit(0, 'RW', 'there is a table'),
  TABLE: bits(31, 12, 'RW', 'its page in table memory'),
});

export const PAGE_ENTRY = layout('PAGE_ENTRY', 32, SHEET, {
  V: bit(0, 'RW', 'the page is there'),
  R: bit(1, 'RW', 'it may be read'),
  W: bit(2, 'RW', 'it may be written'),
  PAGE: bits(31, 3, 'RW', 'its page number on the bus'),
});

export const MMU_ID = register('MMU_ID', 0x00, 32, SHEET, {
  MAGIC: bits(31, 8, 'RO', '0x4D4D55'),
  REVISION: bits(7, 0, 'RO', 'revision of this data sheet'),
});

export const MMU_MAGIC = 0x4d_4d_55;
export const MMU_REVISION = 1;

export const MMU_CONTROL = register('MMU_CONTROL', 0x08, 32, SHEET, {
  ENABLE: bit(0, 'RW', 'addresses are translated; when it is cleared, transfers that are stopped end with an error'),
  STALL: bit(1, 'RW', 'an access to a page that is missing stops the transfer'),
  INTERRUPT_ENABLE: bit(2, 'RW', 'a fault that is recorded is told by MSI-X'),
});

export const MMU_DIRECTORY = register('MMU_DIRECTORY', 0x0c, 32, SHEET, {
  PAGE: bits(31, 12, 'RW', 'page of table memory where the directory is'),
});

export const MMU_COMMAND = register('MMU_COMMAND', 0x10, 32, SHEET, {
  FLUSH: bit(
    0,
    'WO',
    'forgets every translation, and waits until what was translated before is on the link or answered',
  ),
  CLEAR: bit(1, 'WO', 'makes table memory read 0'),
  BUSY: bit(31, 'RO', 'a command is going on; meanwhile no other is taken'),
});

export const MmuFaultReason = {
  /** The address has more than 32 bits. */
  ADDRESS: 1,
  /** The directory entry is not valid, or it or the directory is outside table memory. */
  NO_TABLE: 2,
  /** The page entry is not valid. */
  NO_PAGE: 3,
  NOT_READABLE: 4,
  NOT_WRITABLE: 5,
} as const;

export const MMU_FAULT_STATUS = register('MMU_FAULT_STATUS', 0x18, 32, SHEET, {
  VALID: bit(0, 'RW1C', 'a fault is recorded'),
  OVERFLOW: bit(1, 'RW1C', 'there were others, which are not'),
  STALLED: bit(2, 'RO', 'a transfer waits for MMU_ANSWER; its fault is the one that is recorded'),
  WRITE: bit(3, 'RO', '1: of a write, 0: of a read'),
  REASON: bits(7, 4, 'RO', 'why', MmuFaultReason),
});

export const MMU_ANSWER = register('MMU_ANSWER', 0x1c, 32, SHEET, {
  RETRY: bit(0, 'WO', 'the transfer that is stopped looks again'),
  ABORT: bit(1, 'WO', 'it ends with an error, whatever RETRY says'),
});

export const MMU_FAULT_ADDRESS = register('MMU_FAULT_ADDRESS', 0x20, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RO', 'I/O virtual address of the access'),
});

export const MMU_REGISTERS = [
  MMU_ID,
  MMU_CONTROL,
  MMU_DIRECTORY,
  MMU_COMMAND,
  MMU_FAULT_STATUS,
  MMU_ANSWER,
  MMU_FAULT_ADDRESS,
] as const;
