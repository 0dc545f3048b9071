/** The PCI capability of the unit's function (0Fh, "secure device"), by which software finds its registers. */
import { type AnyLayout, bit, bits, layout } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

/** Identity of the function. */
export const IOMMU_CLASS_CODE = 0x08_06_00;
export const IOMMU_CAPABILITY_ID = 0x0f;
export const IOMMU_CAPABILITY_TYPE = 0b011;
export const IOMMU_CAPABILITY_REVISION = 1;

export const CAPABILITY_HEADER = layout('Capability Header', 32, amdVi('VB', 'OV', 'XN', 'Q10'), {
  CapID: bits(7, 0, 'RO', '0Fh'),
  CapPtr: bits(15, 8, 'RO', 'Offset of the next capability'),
  CapType: bits(18, 16, 'RO', '011b'),
  CapRev: bits(23, 19, 'RO', '00001b'),
  IotlbSup: bit(24, 'RO', 'ATS, and the commands for IOTLBs of devices'),
  HtTunnel: bit(25, 'RO', 'HyperTransport tunnel translation'),
  NpCache: bit(26, 'RO', 'Entries that are not present may be cached'),
  EFRSup: bit(27, 'RO', 'The Extended Feature register exists'),
  CapExt: bit(28, 'RO', 'Misc Info 1 exists'),
});

export const BASE_ADDRESS_LOW = layout('Base Address Low', 32, amdVi('VB', 'OV', 'XN'), {
  Enable: bit(0, 'RW1S', 'The registers are reachable, and their address is locked'),
  BaseAddressLo: bits(31, 14, 'RW', 'Address of the registers, bits 31:14; takes writes until Enable is 1'),
});

export const BASE_ADDRESS_HIGH = layout('Base Address High', 32, amdVi('VB', 'OV'), {
  BaseAddressHi: bits(31, 0, 'RW', 'Address of the registers, bits 63:32; takes writes until Enable is 1'),
});

export const RANGE = layout('Range', 32, amdVi('VB', 'OV', 'L72'), {
  UnitID: bits(4, 0, 'RO', 'HyperTransport unit'),
  RngValid: bit(7, 'RO', 'The range below is valid'),
  BusNumber: bits(15, 8, 'RO', 'Bus of the range'),
  FirstDevice: bits(23, 16, 'RO', 'First device and function that the unit serves'),
  LastDevice: bits(31, 24, 'RO', 'Last device and function that the unit serves'),
});

/** Code points of Misc Info 0. */
export const GVAsize = { BITS_48: 0b010, BITS_57: 0b100 } as const;

/** The fields of Misc Info 0, of which MSI Vector 0 is a copy. */
export const MISC_INFO_0_FIELDS = {
  MsiNum: bits(4, 0, 'RO', 'MSI vector of event log and COMPLETION_WAIT'),
  GVAsize: bits(7, 5, 'RO', 'Width of a guest virtual address', GVAsize),
  PAsize: bits(14, 8, 'RO', 'Bits of a physical address'),
  VAsize: bits(21, 15, 'RO', 'Bits of a virtual address'),
  HtAtsResv: from('MEM', bit(22, 'RO', 'The HyperTransport address translation range is reserved')),
  MsiNumPPR: bits(31, 27, 'RO', 'MSI vector of the PPR log'),
};

export const MISC_INFO_0 = layout('Misc Info 0', 32, amdVi('VB', 'OV', 'Q10', 'CB'), MISC_INFO_0_FIELDS);

export const MISC_INFO_1 = layout('Misc Info 1', 32, amdVi('VB', 'NV'), {
  MsiNumGA: bits(4, 0, 'RO', 'MSI vector of the GA log'),
});

/** The words of the capability in their order. The last one exists when the header says CapExt. */
export const CAPABILITY_BLOCK: readonly AnyLayout[] = [
  CAPABILITY_HEADER,
  BASE_ADDRESS_LOW,
  BASE_ADDRESS_HIGH,
  RANGE,
  MISC_INFO_0,
  MISC_INFO_1,
];
