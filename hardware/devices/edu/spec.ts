/**
 * The data sheet of the educational device `edu`: a factorial unit, a way to raise interrupts, and a DMA engine between
 * memory and a buffer of 4 KiB. The recorded cases of another implementation of IOMMUs were made with it, so its registers
 * are as there.
 *
 * Base address 0 has 32 bits and is 1 MiB large. Registers below 0x80 take accesses of 4 bytes, those from 0x80 on of 4 or 8,
 * and 4 bytes written there clear the upper half. Any other read gives ones, any other write is ignored. The buffer is
 * not in the range: its addresses mean something only as the device's side of a DMA.
 *
 * Not acted on: INTx, which has no pin here; without MSI the device interrupts nobody.
 */
import { bit, bits, register } from '../../bits/index.ts';

export const EDU_VENDOR = 0x1234;
export const EDU_DEVICE = 0x11e8;
export const EDU_REVISION = 0x10;
/** Base class 0x00: none of the others. */
export const EDU_CLASS = 0x00_ff_00;

export const EDU_BAR = 0;
export const EDU_BAR_BYTES = 0x10_0000;
export const REGISTER_BYTES = 0xa0;
/** Registers from here on may be accessed with 8 bytes. */
export const WIDE_REGISTERS = 0x80;

/** Where DMA commands find the buffer. */
export const BUFFER_AT = 0x4_0000;
export const BUFFER_BYTES = 0x1000;

const SHEET = 'edu data sheet';

export const ID = register('ID', 0x00, 32, SHEET, {
  MAGIC: bits(15, 0, 'RO', '0x00ED'),
  MINOR: bits(23, 16, 'RO', 'minor version: 0'),
  MAJOR: bits(31, 24, 'RO', 'major version: 1'),
});

export const MAGIC = 0x00ed;
export const MAJOR = 1;

export const LIVENESS = register('LIVENESS', 0x04, 32, SHEET, {
  VALUE: bits(31, 0, 'RW', 'reads the inverse of what was written'),
});

export const FACTORIAL = register('FACTORIAL', 0x08, 32, SHEET, {
  VALUE: bits(31, 0, 'RW', 'a number whose factorial takes its place, modulo 2^32; ignored while COMPUTING'),
});

export const STATUS = register('STATUS', 0x20, 32, SHEET, {
  COMPUTING: bit(0, 'RO', 'a factorial is being computed'),
  INTERRUPT_ON_FACTORIAL: bit(7, 'RW', 'the end of a computation raises an interrupt'),
});

/** Bits of INTERRUPT_STATUS that the device sets itself. */
export const InterruptCause = { FACTORIAL: 0x001, DMA: 0x100 } as const;

export const INTERRUPT_STATUS = register('INTERRUPT_STATUS', 0x24, 32, SHEET, {
  CAUSES: bits(31, 0, 'RO', 'what was raised and not acknowledged', InterruptCause),
});

export const INTERRUPT_RAISE = register('INTERRUPT_RAISE', 0x60, 32, SHEET, {
  CAUSES: bits(31, 0, 'WO', 'sets bits of INTERRUPT_STATUS and interrupts'),
});

export const INTERRUPT_ACKNOWLEDGE = register('INTERRUPT_ACKNOWLEDGE', 0x64, 32, SHEET, {
  CAUSES: bits(31, 0, 'WO', 'clears bits of INTERRUPT_STATUS'),
});

export const DMA_SOURCE = register('DMA_SOURCE', 0x80, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RW', 'where the bytes come from; ignored while RUN'),
});

export const DMA_DESTINATION = register('DMA_DESTINATION', 0x88, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RW', 'where the bytes go; ignored while RUN'),
});

export const DMA_COUNT = register('DMA_COUNT', 0x90, 64, SHEET, {
  BYTES: bits(63, 0, 'RW', 'how many; ignored while RUN'),
});

export const DMA_COMMAND = register('DMA_COMMAND', 0x98, 64, SHEET, {
  RUN: bit(0, 'RW', 'starts a DMA, and stays until it is done; what is written without it is ignored'),
  TO_MEMORY: bit(1, 'RW', '1: buffer to memory, 0: memory to buffer'),
  INTERRUPT: bit(2, 'RW', 'the end raises an interrupt'),
});

export const EDU_REGISTERS = [
  ID,
  LIVENESS,
  FACTORIAL,
  STATUS,
  INTERRUPT_STATUS,
  INTERRUPT_RAISE,
  INTERRUPT_ACKNOWLEDGE,
  DMA_SOURCE,
  DMA_DESTINATION,
  DMA_COUNT,
  DMA_COMMAND,
] as const;
