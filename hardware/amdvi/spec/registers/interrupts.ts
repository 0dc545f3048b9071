/** The unit's own interrupts: the MSI capability as registers, and the registers for 32-bit destinations. */
import { bit, bits, register } from '../../../bits/index.ts';
import { MISC_INFO_0_FIELDS } from '../capability-block.ts';
import { amdVi } from '../source.ts';

export const MSI_VECTOR_0 = register('MSI Vector 0', 0x0150, 32, amdVi('NV', 'VB'), MISC_INFO_0_FIELDS);

/** Misc Info 1, which software may write here. */
export const MSI_VECTOR_1 = register('MSI Vector 1', 0x0154, 32, amdVi('NV', 'VB'), {
  MsiNumGA: bits(4, 0, 'RW', 'MSI vector of the GA log'),
});

export const MSI_CAPABILITY_HEADER = register('MSI Capability Header', 0x0158, 32, amdVi('VB', 'NV'), {
  CapID: bits(7, 0, 'RO', '05h'),
  CapPtr: bits(15, 8, 'RO', 'Offset of the next capability'),
  MsiEn: bit(16, 'RW', 'The unit sends MSIs'),
  MultMessCap: bits(19, 17, 'RO', 'log2 of the vectors that the unit can use'),
  MultMessEn: bits(22, 20, 'RW', 'log2 of the vectors that it may use'),
  Msi64bit: bit(23, 'RO', 'The message address has 64 bits'),
});

export const MSI_ADDRESS_LOW = register('MSI Address Low', 0x015c, 32, amdVi('VB', 'NV', 'L72'), {
  MsiAddr: bits(31, 2, 'RW', 'Message address bits 31:2'),
});

export const MSI_ADDRESS_HIGH = register('MSI Address High', 0x0160, 32, amdVi('VB', 'NV', 'L72'), {
  MsiAddr: bits(31, 0, 'RW', 'Message address bits 63:32'),
});

export const MSI_DATA = register('MSI Data', 0x0164, 32, amdVi('VB', 'NV', 'L72'), {
  MsiData: bits(15, 0, 'RW', 'Message data; the vector replaces its low bits'),
});

/** A HyperTransport capability, and the kind of it that maps MSIs. */
export const HT_CAPABILITY_ID = 0x08;
export const HT_MSI_MAPPING = 0b10101;

export const MSI_MAPPING = register('MSI Mapping Capability Header', 0x0168, 32, amdVi('VB', 'NV'), {
  CapID: bits(7, 0, 'RO', '08h'),
  CapPtr: bits(15, 8, 'RO', 'Offset of the next capability'),
  En: bit(16, 'RO', 'MSIs are mapped'),
  Fixed: bit(17, 'RO', 'The mapped range is the architectural one'),
  CapType: bits(31, 27, 'RO', 'Kind of HyperTransport capability'),
});

/** Kinds of destination and of delivery in the XT registers. */
export const XtDestMode = { PHYSICAL: 0, LOGICAL: 1 } as const;
export const XtDelivery = { FIXED: 0, ARBITRATED: 1 } as const;

const XT = {
  DestMode: bits(2, 2, 'RW', 'Kind of destination', XtDestMode),
  DestinationLo: bits(31, 8, 'RW', 'Destination bits 23:0'),
  Vector: bits(39, 32, 'RW', 'Vector'),
  DM: bits(40, 40, 'RW', 'Kind of delivery', XtDelivery),
  DestinationHi: bits(63, 56, 'RW', 'Destination bits 31:24'),
};
const XT_SOURCES = amdVi('VB', 'OV', 'XN', 'L72');

/** Events and COMPLETION_WAIT; in effect while IntCapXTEn is 1, as are the two that follow. */
export const XT_GENERAL_INTERRUPT = register('XT General Interrupt Control', 0x0170, 64, XT_SOURCES, XT);
export const XT_PPR_INTERRUPT = register('XT PPR Interrupt Control', 0x0178, 64, XT_SOURCES, XT);
export const XT_GA_INTERRUPT = register('XT GA Interrupt Control', 0x0180, 64, XT_SOURCES, XT);
