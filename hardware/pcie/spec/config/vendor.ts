/** Capabilities by which a function says who it is: its serial number, and what a vendor has designated. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { at, EXTENDED_CAPABILITY_FIELDS } from './structure.ts';

export const SERIAL_NUMBER_CAPABILITY = layout(
  'Device serial number extended capability',
  96,
  'PCIe: device serial number extended capability',
  {
    ...EXTENDED_CAPABILITY_FIELDS,
    ...at(0x04, { SERIAL_NUMBER: bits(63, 0, 'RO', 'EUI-64') }),
  },
);

const DVSEC_FIELDS = {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    DVSEC_VENDOR_ID: bits(15, 0, 'RO', 'who designated it'),
    DVSEC_REVISION: bits(19, 16, 'RO', 'version of what follows'),
    DVSEC_LENGTH: bits(31, 20, 'RO', 'bytes of the whole capability'),
  }),
  ...at(0x08, { DVSEC_ID: bits(15, 0, 'RO', 'which one of that vendor') }),
} as const;

/** What every designated vendor-specific capability begins with. */
export const DVSEC_CAPABILITY = layout(
  'Designated vendor-specific extended capability',
  96,
  'PCIe: DVSEC extended capability',
  DVSEC_FIELDS,
);

export const INTEL_VENDOR = 0x8086;
/** Intel's DVSEC ID of Scalable I/O Virtualization. */
export const SIOV_DVSEC_ID = 5;

export const SIOV_CAPABILITY = layout('Scalable I/O virtualization DVSEC', 0x18 * 8, 'Intel Scalable IOV: DVSEC', {
  ...DVSEC_FIELDS,
  ...at(0x0c, { SUPPORTED_PAGE_SIZES: bits(31, 0, 'RO', 'bit n: 4 KiB << n') }),
  ...at(0x10, { SYSTEM_PAGE_SIZE: bits(31, 0, 'RW', 'one of the supported ones') }),
  ...at(0x14, { IMS_SUPPORTED: bit(0, 'RO', 'has an interrupt message store') }),
});
