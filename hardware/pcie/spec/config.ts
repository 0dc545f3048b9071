/**
 * The configuration space of a type 0 function as the specification writes it: the header and its capabilities, as
 * little-endian words at byte offsets.
 *
 * Not acted on: I/O space, ROM, INTx, power management and the error bits of Status other than the received aborts are storage.
 */
import { bit, bits, layout, register } from '../../bits/index.ts';

/** Bytes of a function's extended configuration space. */
export const CONFIG_BYTES = 4096;
export const BAR_COUNT = 6;

const HEADER = 'PCIe: type 0 configuration header';

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

/** Capability IDs of the list that starts at the capabilities pointer. */
export const CapabilityId = {
  POWER_MANAGEMENT: 0x01,
  MSI: 0x05,
  VENDOR: 0x09,
  PCI_EXPRESS: 0x10,
  MSI_X: 0x11,
} as const;

/** The first word of every capability. */
export const CAPABILITY = layout('Capability header', 32, 'PCIe: capability structure', {
  CAPABILITY_ID: bits(7, 0, 'RO', 'which capability', CapabilityId),
  NEXT: bits(15, 8, 'RO', 'offset of the next one, 0 at the end'),
});

const MSI = 'PCIe: MSI capability structure';

/** MSI capability with a 64-bit address and without per-vector masking. */
export const MSI_CAPABILITY = layout('MSI capability, 64-bit address', 128, MSI, {
  CAPABILITY_ID: bits(7, 0, 'RO', '0x05', CapabilityId),
  NEXT: bits(15, 8, 'RO', 'offset of the next capability'),
  ENABLE: bit(16, 'RW', 'interrupts are sent as MSIs'),
  MULTIPLE_MESSAGE_CAPABLE: bits(19, 17, 'RO', 'log2 of the vectors that the function can use'),
  MULTIPLE_MESSAGE_ENABLE: bits(22, 20, 'RW', 'log2 of the vectors that it may use'),
  ADDRESS_64: bit(23, 'RO', 'the address has 64 bits'),
  PER_VECTOR_MASKING: bit(24, 'RO', 'mask and pending words follow'),
  ADDRESS: bits(63, 34, 'RW', 'message address bits 31:2'),
  ADDRESS_HIGH: bits(95, 64, 'RW', 'message address bits 63:32'),
  DATA: bits(111, 96, 'RW', 'message data; vector n replaces its low bits'),
});

/** Maximum sizes of payload and read request: code n is 128 << n bytes. */
export const SizeCode = { B128: 0, B256: 1, B512: 2, B1024: 3, B2048: 4, B4096: 5 } as const;

export const PCIE_CAPABILITY = layout('PCI Express capability', 0x3c * 8, 'PCIe: PCI Express capability structure', {
  CAPABILITY_ID: bits(7, 0, 'RO', '0x10', CapabilityId),
  NEXT: bits(15, 8, 'RO', 'offset of the next capability'),
  VERSION: bits(19, 16, 'RO', '2'),
  PORT_TYPE: bits(23, 20, 'RO', 'what kind of function this is', { ENDPOINT: 0, ROOT_PORT: 4, INTEGRATED_ENDPOINT: 9 }),
  PAYLOAD_SUPPORTED: bits(34, 32, 'RO', 'largest payload that the function can handle', SizeCode),
  EXTENDED_TAG_SUPPORTED: bit(37, 'RO', '8-bit tags'),
  ROLE_BASED_ERRORS: bit(47, 'RO', 'role-based error reporting'),
  FLR_SUPPORTED: bit(60, 'RO', 'function-level reset'),
  MAX_PAYLOAD: bits(71, 69, 'RW', 'largest payload that the function may send or receive', SizeCode),
  EXTENDED_TAG_ENABLE: bit(72, 'RW', 'may use 8-bit tags'),
  MAX_READ_REQUEST: bits(78, 76, 'RW', 'largest read that the function may request', SizeCode),
  MAX_LINK_SPEED: bits(99, 96, 'RO', 'generation'),
  MAX_LINK_WIDTH: bits(105, 100, 'RO', 'lanes'),
  READ_COMPLETION_BOUNDARY: bit(131, 'RW', '0: 64 bytes, 1: 128 bytes'),
  LINK_SPEED: bits(147, 144, 'RO', 'current generation'),
  LINK_WIDTH: bits(153, 148, 'RO', 'current lanes'),
  PREFIX_SUPPORTED: bit(0x24 * 8 + 21, 'RO', 'end-end TLP prefixes'),
});
