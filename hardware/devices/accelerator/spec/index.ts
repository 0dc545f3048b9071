/**
 * The data sheet of the accelerator: the register map, descriptors and records of Intel's Data Streaming Accelerator, names as
 * in its Linux driver. What a driver knows of the device stands here.
 *
 * Base address 0 has registers and tables, base address 2 the portals: four pages for each work queue, in each of which any
 * place aligned to 64 bytes takes a descriptor.
 *
 * Not acted on: read buffers, progress limits, traffic classes, occupancy interrupts, performance monitoring, interrupt
 * message storage, batch identifiers, FAULT_INFO, OPERAND_ID, cache control (there is no cache to control),
 * GENCFG.USER_INT_EN, GENCTRL.HALT_INT_EN: the device does not halt.
 */
export * from './descriptor.ts';
export * from './opcodes.ts';
export * from './registers.ts';
export * from './tables.ts';

export const ACCELERATOR_VENDOR = 0x8086;
/** DSA of Sapphire Rapids. */
export const ACCELERATOR_DEVICE = 0x0b25;
/** Base class 0x08 (generic system peripheral), subclass 0x80 (other). */
export const ACCELERATOR_CLASS = 0x08_80_00;

export const REGISTER_BAR = 0;
export const REGISTER_BAR_BYTES = 0x1_0000;
export const PORTAL_BAR = 2;

/** Where this device has its tables. */
export const Table = { GRPCFG: 0x400, WQCFG: 0x1000, MSIX: 0x6000, MSIX_PENDING: 0x7000, MSIXPERM: 0x8000 } as const;

export const PORTAL_BYTES = 0x1000;
/** Pages of one work queue. */
export const Portal = { UNLIMITED: 0, LIMITED: 1, UNLIMITED_IMS: 2, LIMITED_IMS: 3 } as const;
export const PORTALS_PER_WQ = 4;

/** Where the portals of a work queue begin. */
export function portalOf(workQueue: number, portal: number = Portal.UNLIMITED): number {
  return (workQueue * PORTALS_PER_WQ + portal) * PORTAL_BYTES;
}
