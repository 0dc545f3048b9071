/** What a type 1 header has in place of base addresses 2 to 5: the buses behind the bridge and what is forwarded to them. */
import { bit, bits, register } from '../../../bits/index.ts';

const HEADER = 'PCIe: type 1 configuration header';

export const BUS_NUMBERS = register('Bus Numbers', 0x18, 32, HEADER, {
  PRIMARY_BUS: bits(7, 0, 'RW', 'the bus above; software only'),
  SECONDARY_BUS: bits(15, 8, 'RW', 'the bus directly below'),
  SUBORDINATE_BUS: bits(23, 16, 'RW', 'the highest bus below'),
  SECONDARY_LATENCY_TIMER: bits(31, 24, 'RO', 'no effect'),
});

export const IO_WINDOW = register('I/O Base, I/O Limit, Secondary Status', 0x1c, 32, HEADER, {
  IO_BASE: bits(7, 0, 'RO', '0 in both: no I/O is forwarded'),
  IO_LIMIT: bits(15, 8, 'RO', '0 in both: no I/O is forwarded'),
  SECONDARY_MASTER_DATA_PARITY_ERROR: bit(24, 'RW1C', 'poisoned data on the bus below'),
  SECONDARY_SIGNALED_TARGET_ABORT: bit(27, 'RW1C', 'completed with CA downstream'),
  SECONDARY_RECEIVED_TARGET_ABORT: bit(28, 'RW1C', 'received a completion with CA from below'),
  SECONDARY_RECEIVED_MASTER_ABORT: bit(29, 'RW1C', 'received a completion with UR from below'),
  SECONDARY_RECEIVED_SYSTEM_ERROR: bit(30, 'RW1C', 'received an error message from below'),
  SECONDARY_DETECTED_PARITY_ERROR: bit(31, 'RW1C', 'received a poisoned TLP from below'),
});

export const MEMORY_WINDOW = register('Memory Base and Limit', 0x20, 32, HEADER, {
  MEMORY_BASE: bits(15, 4, 'RW', 'address bits 31:20 of the first byte forwarded'),
  MEMORY_LIMIT: bits(31, 20, 'RW', 'address bits 31:20 of the last; below the base: nothing is forwarded'),
});

/** What BASE_TYPE and LIMIT_TYPE say of the prefetchable window. */
export const WindowType = { ADDRESS_32: 0, ADDRESS_64: 1 } as const;

export const PREFETCHABLE_WINDOW = register('Prefetchable Memory Base and Limit', 0x24, 32, HEADER, {
  BASE_TYPE: bits(3, 0, 'RO', 'width of the address', WindowType),
  PREFETCHABLE_BASE: bits(15, 4, 'RW', 'address bits 31:20 of the first byte forwarded'),
  LIMIT_TYPE: bits(19, 16, 'RO', 'width of the address', WindowType),
  PREFETCHABLE_LIMIT: bits(31, 20, 'RW', 'address bits 31:20 of the last'),
});

export const PREFETCHABLE_BASE_UPPER = register('Prefetchable Base Upper 32 Bits', 0x28, 32, HEADER, {
  BASE_UPPER: bits(31, 0, 'RW', 'address bits 63:32 of the first byte forwarded'),
});

export const PREFETCHABLE_LIMIT_UPPER = register('Prefetchable Limit Upper 32 Bits', 0x2c, 32, HEADER, {
  LIMIT_UPPER: bits(31, 0, 'RW', 'address bits 63:32 of the last'),
});

/** In the place that it has in both headers, with the upper half that only a bridge has. */
export const BRIDGE_CONTROL = register('Interrupt Line, Interrupt Pin, Bridge Control', 0x3c, 32, HEADER, {
  LINE: bits(7, 0, 'RW', 'scratch for software'),
  PIN: bits(15, 8, 'RO', '0: uses no INTx'),
  SECONDARY_PARITY_ERROR_RESPONSE: bit(16, 'RW', 'reports poisoned data of the bus below'),
  SECONDARY_SERR_ENABLE: bit(17, 'RW', 'forwards error messages from below'),
  MASTER_ABORT_MODE: bit(21, 'RO', 'not of PCI Express'),
  SECONDARY_BUS_RESET: bit(22, 'RW', 'resets everything below while it is 1'),
});
