/** Message signalled interrupts: the MSI and MSI-X capabilities, and the MSI-X table in memory space. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { CAPABILITY_FIELDS } from './structure.ts';

const MSI = 'PCIe: MSI capability structure';
const MSI_X = 'PCIe: MSI-X capability and table structure';

const MSI_FIELDS = {
  ...CAPABILITY_FIELDS,
  ENABLE: bit(16, 'RW', 'interrupts are sent as MSIs'),
  MULTIPLE_MESSAGE_CAPABLE: bits(19, 17, 'RO', 'log2 of the vectors that the function can use'),
  MULTIPLE_MESSAGE_ENABLE: bits(22, 20, 'RW', 'log2 of the vectors that it may use'),
  ADDRESS_64: bit(23, 'RO', 'the address has 64 bits'),
  PER_VECTOR_MASKING: bit(24, 'RO', 'mask and pending words follow'),
  ADDRESS: bits(63, 34, 'RW', 'message address bits 31:2'),
  ADDRESS_HIGH: bits(95, 64, 'RW', 'message address bits 63:32'),
  DATA: bits(111, 96, 'RW', 'message data; vector n replaces its low bits'),
} as const;

/** MSI capability with a 64-bit address and without per-vector masking. */
export const MSI_CAPABILITY = layout('MSI capability, 64-bit address', 128, MSI, MSI_FIELDS);

export const MASKABLE_MSI_CAPABILITY = layout('MSI capability, 64-bit address, per-vector masking', 192, MSI, {
  ...MSI_FIELDS,
  MASK_BITS: bits(159, 128, 'RW', 'bit n: vector n is not sent'),
  PENDING_BITS: bits(191, 160, 'RO', 'bit n: vector n is to be sent once it is not masked'),
});

export const MSIX_CAPABILITY = layout('MSI-X capability', 96, MSI_X, {
  ...CAPABILITY_FIELDS,
  TABLE_SIZE: bits(26, 16, 'RO', 'entries of the table, less one'),
  FUNCTION_MASK: bit(30, 'RW', 'no vector is sent'),
  ENABLE: bit(31, 'RW', 'interrupts are sent by the table, and not as MSIs'),
  TABLE_BIR: bits(34, 32, 'RO', 'base address register behind which the table stands'),
  TABLE_OFFSET: bits(63, 35, 'RO', 'where it begins there, bits 31:3'),
  PBA_BIR: bits(66, 64, 'RO', 'base address register behind which the pending bits stand'),
  PBA_OFFSET: bits(95, 67, 'RO', 'where they begin there, bits 31:3'),
});

export const MSIX_ENTRY = layout('MSI-X table entry', 128, MSI_X, {
  ADDRESS: bits(31, 2, 'RW', 'message address bits 31:2'),
  ADDRESS_HIGH: bits(63, 32, 'RW', 'message address bits 63:32'),
  DATA: bits(95, 64, 'RW', 'message data'),
  MASK: bit(96, 'RW', 'the vector is not sent'),
});

export const MSIX_ENTRY_BYTES = 16;
/** Pending bits are read in groups of this many. */
export const MSIX_PENDING_GROUP = 64;
