/** The configuration header: what every function has, and what a type 0 function has. */
import { bit, bits, layout, register } from '../../../bits/index.ts';

/** Base address registers of a type 0 header, and of a bridge's. */
export const BAR_COUNT = 6;
export const BRIDGE_BAR_COUNT = 2;

const HEADER = 'PCIe: configuration header';

export const IDENTITY = register('Vendor ID and Device ID', 0x00, 32, HEADER, {
  VENDOR_ID: bits(15, 0, 'RO', 'vendor; 0xFFFF is no function'),
  DEVICE_ID: bits(31, 16, 'RO', 'device'),
});

export const COMMAND_STATUS = register('Command and Status', 0x04, 32, HEADER, {
  IO_SPACE: bit(0, 'RO', 'answers I/O requests'),
  MEMORY_SPACE: bit(1, 'RW', 'answers memory requests to its base addresses'),
  BUS_MASTER: bit(2, 'RW', 'may issue memory requests, MSIs among them'),
  PARITY_ERROR_RESPONSE: bit(6, 'RW', 'reports poisoned data'),
  SERR_ENABLE: bit(8, 'RW', 'reports errors upstream'),
  INTX_DISABLE: bit(10, 'RW', 'must not assert INTx'),
  INTX_STATUS: bit(19, 'RO', 'INTx is pending'),
  CAPABILITIES_LIST: bit(20, 'RO', 'the capabilities pointer is valid'),
  MASTER_DATA_PARITY_ERROR: bit(24, 'RW1C', 'sent or received poisoned data'),
  SIGNALED_TARGET_ABORT: bit(27, 'RW1C', 'completed a request with CA'),
  RECEIVED_TARGET_ABORT: bit(28, 'RW1C', 'a request of this function ended with CA'),
  RECEIVED_MASTER_ABORT: bit(29, 'RW1C', 'a request of this function ended with UR'),
  SIGNALED_SYSTEM_ERROR: bit(30, 'RW1C', 'sent an error message'),
  DETECTED_PARITY_ERROR: bit(31, 'RW1C', 'received a poisoned TLP'),
});

export const CLASS_REVISION = register('Revision ID and Class Code', 0x08, 32, HEADER, {
  REVISION_ID: bits(7, 0, 'RO', 'revision'),
  CLASS_CODE: bits(31, 8, 'RO', 'base class, subclass, programming interface'),
});

export const HEADER_TYPE = register('Cache Line Size, Latency Timer, Header Type, BIST', 0x0c, 32, HEADER, {
  CACHE_LINE_SIZE: bits(7, 0, 'RW', 'no effect'),
  LATENCY_TIMER: bits(15, 8, 'RO', 'no effect'),
  LAYOUT: bits(22, 16, 'RO', '0 function, 1 bridge'),
  MULTI_FUNCTION: bit(23, 'RO', 'the device has functions other than 0'),
  BIST: bits(31, 24, 'RO', 'built-in self test'),
});

/** Offset of base address register `index`. */
export function barOffset(index: number): number {
  return 0x10 + index * 4;
}

/** The low word of a memory base address register; with BAR_TYPE 64-bit the next register holds the upper half. */
export const MEMORY_BAR = layout('Memory Base Address Register', 32, HEADER, {
  IO_SPACE: bit(0, 'RO', '1 in an I/O base address register'),
  BAR_TYPE: bits(2, 1, 'RO', 'width of the address', { ADDRESS_32: 0, ADDRESS_64: 2 }),
  PREFETCHABLE: bit(3, 'RO', 'reads have no side effects'),
  ADDRESS: bits(31, 4, 'RW', 'address bits 31:4; those below the size are 0'),
});

export const SUBSYSTEM = register('Subsystem Vendor ID and Subsystem ID', 0x2c, 32, HEADER, {
  SUBSYSTEM_VENDOR_ID: bits(15, 0, 'RO', 'vendor of the board'),
  SUBSYSTEM_ID: bits(31, 16, 'RO', 'board'),
});

export const CAPABILITIES_POINTER = register('Capabilities Pointer', 0x34, 32, HEADER, {
  POINTER: bits(7, 0, 'RO', 'offset of the first capability'),
});

export const INTERRUPT = register('Interrupt Line and Pin', 0x3c, 32, HEADER, {
  LINE: bits(7, 0, 'RW', 'scratch for software'),
  PIN: bits(15, 8, 'RO', '0: uses no INTx'),
});
