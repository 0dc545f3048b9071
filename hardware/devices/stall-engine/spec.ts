/**
 * The data sheet of the DMA engine that tells of missing pages in its own way. Base address 0 is that of the DMA engine (its data
 * sheet is beside this one). It keeps translations (ATS), and has no page request interface: where a page has no translation
 * that allows the access, the transfer stops, and registers of the device's own say where. No such device exists outside
 * this simulator.
 *
 * Base address 2 has those registers from 0x000 and the MSI-X table from 0x800. It stands apart because it is for whoever decides
 * about pages, who need not be the one that drives transfers. Registers take aligned accesses of 4 and 8 bytes. MSI-X
 * vector 0 says that a transfer ended, vector 1 that one has stopped.
 *
 * A transfer that is stopped waits for STALL_ANSWER, which names the stop that it answers; what names another does nothing.
 * While STALL_CONTROL.ENABLE is 0 no transfer stops: such an access ends it with NO_TRANSLATION.
 *
 * Not acted on: nothing; what is not declared is reserved, reads 0 and ignores writes.
 */
import { bit, bits, register } from '../../bits/index.ts';

/** Of the same made-up vendor as the DMA engine. */
export const STALL_ENGINE_DEVICE = 0x0004;

/** Index of the base address register, and bytes behind it. */
export const STALL_BAR = 2;
export const STALL_BAR_BYTES = 0x1000;

/** Bytes of registers; the MSI-X table and its pending bits follow. */
export const STALL_REGISTER_BYTES = 0x100;
export const STALL_MSIX_TABLE_AT = 0x800;
export const STALL_MSIX_PENDING_AT = 0x900;

/** MSI-X vectors. */
export const StallEngineVector = { TRANSFER: 0, STOP: 1 } as const;

const SHEET = 'stall engine data sheet';

export const STALL_ID = register('STALL_ID', 0x00, 32, SHEET, {
  MAGIC: bits(31, 8, 'RO', '0x53544C'),
  REVISION: bits(7, 0, 'RO', 'revision of this data sheet'),
});

export const STALL_MAGIC = 0x53_54_4c;
export const STALL_REVISION = 1;

export const STALL_CONTROL = register('STALL_CONTROL', 0x08, 32, SHEET, {
  ENABLE: bit(
    0,
    'RW',
    'a page without a translation stops the transfer; when it is cleared, one that is stopped ends with an error',
  ),
  INTERRUPT_ENABLE: bit(1, 'RW', 'a stop is told by MSI-X'),
});

export const STALL_STATUS = register('STALL_STATUS', 0x0c, 32, SHEET, {
  STOPPED: bit(0, 'RO', 'a transfer waits for STALL_ANSWER; the others of these registers say for what'),
  WRITE: bit(1, 'RO', '1: it writes, 0: it reads'),
  EXECUTE: bit(2, 'RO', 'it asks for execute permission'),
  PRIVILEGED: bit(3, 'RO', 'it asks for privileged mode'),
  NUMBER: bits(31, 16, 'RO', 'of the stop'),
});

export const STALL_ADDRESS = register('STALL_ADDRESS', 0x10, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RO', 'what has no translation'),
});

export const STALL_PASID = register('STALL_PASID', 0x18, 32, SHEET, {
  PASID: bits(19, 0, 'RO', 'process address space id of the access'),
  VALID: bit(31, 'RO', 'it has one'),
});

export const STALL_ANSWER = register('STALL_ANSWER', 0x1c, 32, SHEET, {
  RETRY: bit(0, 'WO', 'the transfer looks again'),
  ABORT: bit(1, 'WO', 'it ends with an error, whatever RETRY says'),
  NUMBER: bits(31, 16, 'WO', 'of the stop'),
});

export const STALL_REGISTERS = [
  STALL_ID,
  STALL_CONTROL,
  STALL_STATUS,
  STALL_ADDRESS,
  STALL_PASID,
  STALL_ANSWER,
] as const;
