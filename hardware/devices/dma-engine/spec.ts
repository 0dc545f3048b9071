/**
 * The data sheet of the DMA engine, the model device of this project: it copies up to 4 KiB between its data buffer and
 * any address, under any PASID, on command. No such device exists outside this simulator.
 *
 * Base address 0 is 64 bits wide and 16 KiB large: registers from 0x0000, the data buffer of 4 KiB from 0x1000, nothing
 * from 0x2000. Registers take aligned accesses of 4 and 8 bytes, the buffer any. MSI vector 0 says that a transfer ended.
 *
 * To transfer: write ADDRESS, LENGTH and PASID, fill the buffer for a write, write COMMAND with START, wait for
 * STATUS.DONE. START while BUSY is ignored; what else is written
 * while BUSY may or may not change the transfer.
 *
 * Not acted on: nothing; what is not declared is reserved, reads 0 and ignores writes.
 */
import { bit, bits, register } from '../../bits/index.ts';

/** Not an assigned vendor id: a made-up one that no list of PCI ids names, so that no foreign driver binds. */
export const DMA_ENGINE_VENDOR = 0xd3a0;
export const DMA_ENGINE_DEVICE = 0x0001;
/** Of a virtual function: the same registers, no interrupts. */
export const DMA_ENGINE_VIRTUAL_DEVICE = 0x0002;
/** Base class 0x08 (generic system peripheral), subclass 0x01 (DMA controller). */
export const DMA_ENGINE_CLASS = 0x08_01_00;

/** Index and size of the base address register. */
export const DMA_ENGINE_BAR = 0;
export const DMA_ENGINE_BAR_BYTES = 0x4000;
export const REGISTER_BYTES = 0x1000;
export const BUFFER_OFFSET = 0x1000;
/** Bytes of the data buffer, and the longest transfer. */
export const BUFFER_BYTES = 0x1000;

const SHEET = 'DMA engine data sheet';

export const ID = register('ID', 0x00, 32, SHEET, {
  MAGIC: bits(31, 8, 'RO', '0x444D41'),
  REVISION: bits(7, 0, 'RO', 'revision of this data sheet'),
});

export const MAGIC = 0x44_4d_41;
export const REVISION = 1;

export const ADDRESS = register('ADDRESS', 0x08, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RW', 'where the transfer begins'),
});

export const LENGTH = register('LENGTH', 0x10, 32, SHEET, {
  LENGTH: bits(12, 0, 'RW', 'bytes to transfer, 0 to 4096; 0 is one zero-length request'),
});

export const PASID = register('PASID', 0x14, 32, SHEET, {
  PASID: bits(19, 0, 'RW', 'process address space id of the requests'),
  EXECUTE: bit(29, 'RW', 'reads ask for execute permission'),
  PRIVILEGED: bit(30, 'RW', 'requests ask for privileged mode'),
  VALID: bit(31, 'RW', 'requests carry a PASID prefix'),
});

export const COMMAND = register('COMMAND', 0x18, 32, SHEET, {
  START: bit(0, 'WO', 'starts a transfer'),
  WRITE: bit(1, 'RW', '1: buffer to memory, 0: memory to buffer'),
  INTERRUPT_ENABLE: bit(2, 'RW', 'the end of the transfer is told by MSI'),
  REQUEST_PAGES: bit(3, 'RW', 'asks for pages without a translation, if it may, and waits for them'),
  ADDRESS_TYPE: bits(5, 4, 'RW', 'AT field of the requests', { UNTRANSLATED: 0, TRANSLATION: 1, TRANSLATED: 2 }),
});

export const ErrorCode = {
  NONE: 0,
  /** A read was completed with UR. */
  UNSUPPORTED_REQUEST: 1,
  /** A read was completed with CA. */
  COMPLETER_ABORT: 2,
  /** Bus Master Enable was 0. */
  NOT_MASTER: 3,
  /** LENGTH was above 4096. */
  BAD_LENGTH: 4,
  /** A read was not completed in time. */
  TIMED_OUT: 5,
  /** A page has no translation that allows the access, or was refused: FAULT_ADDRESS says which. Only with ATS. */
  NO_TRANSLATION: 6,
} as const;

export const STATUS = register('STATUS', 0x1c, 32, SHEET, {
  BUSY: bit(0, 'RO', 'a transfer is going on'),
  DONE: bit(1, 'RW1C', 'the transfer has ended: all reads completed, all writes on the link'),
  ERROR: bit(2, 'RW1C', 'it ended with an error; writes that fail beyond the link are not known here'),
  ERROR_CODE: bits(7, 4, 'RO', 'the first error of the transfer', ErrorCode),
});

export const TRANSFERRED = register('TRANSFERRED', 0x20, 32, SHEET, {
  BYTES: bits(12, 0, 'RO', 'bytes read without error, or written to the link'),
});

export const FAULT_ADDRESS = register('FAULT_ADDRESS', 0x28, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RO', 'where the last transfer found no translation'),
});

export const DMA_ENGINE_REGISTERS = [ID, ADDRESS, LENGTH, PASID, COMMAND, STATUS, TRANSFERRED, FAULT_ADDRESS] as const;
