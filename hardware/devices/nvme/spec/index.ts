/**
 * An NVM Express controller with one namespace, of no particular maker: what its driver sees.
 *
 * Base address 0 is 64 bits wide and 16 KiB large: registers from 0x0000, doorbells from 0x1000 without stride, MSI-X table
 * from 0x2000, pending bits from 0x3000. Registers take aligned accesses of 4 and 8 bytes, doorbells of 4.
 *
 * Names, offsets and codes are those of NVM Express Base 1.4 with the NVM command set. Its text was not at hand: sections
 * are cited from memory, layouts agree with two published sets of definitions.
 *
 * Not acted on: QPRIO (round robin is the only arbitration), interrupt coalescing (each completion interrupts),
 * metadata, SGLs, protection information, fused operations (a command that asks for one of the last three fails).
 * What is not declared reads 0.
 */
export * from './commands.ts';
export * from './identify.ts';
export * from './registers.ts';
export * from './status.ts';

/** Of the same made-up vendor as the DMA engine. A driver binds by class. */
export const NVME_VENDOR = 0xd3a0;
export const NVME_DEVICE = 0x0010;
export const NVME_REVISION = 1;
/** Base class 0x01 (mass storage), subclass 0x08 (non-volatile memory), interface 0x02 (NVM Express I/O controller). */
export const NVME_CLASS = 0x01_08_02;

export const NVME_BAR = 0;
export const NVME_BAR_BYTES = 0x4000;
export const MSIX_TABLE_AT = 0x2000;
export const MSIX_PENDING_AT = 0x3000;

/** The only namespace. */
export const NAMESPACE = 1;
