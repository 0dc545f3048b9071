/** What the unit says that it can do. */
import { bit, bits, type FieldSpec, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

export const EFR = register('Extended Feature', 0x0030, 64, amdVi('VB', 'XN', 'OV', 'L72'), {
  PreFSup: bit(0, 'RO', 'PREFETCH_IOMMU_PAGES'),
  PPRSup: bit(1, 'RO', 'Peripheral page requests'),
  XTSup: bit(2, 'RO', '32-bit interrupt destinations'),
  NXSup: bit(3, 'RO', 'Execute permission of guest tables'),
  GTSup: bit(4, 'RO', 'Guest translation'),
  GAPPISup: bit(5, 'RO', 'Guest APIC physical processor interrupts'),
  IASup: bit(6, 'RO', 'INVALIDATE_IOMMU_ALL'),
  GASup: bit(7, 'RO', 'Guest virtual APIC'),
  HESup: bit(8, 'RO', 'Hardware event registers'),
  PCSup: bit(9, 'RO', 'Performance counters, and 512 KiB of registers'),
  HATS: bits(11, 10, 'RO', 'Levels of host tables, minus 4; 3: none'),
  GATS: bits(13, 12, 'RO', 'Levels of guest tables, minus 4'),
  GLXSup: bits(15, 14, 'RO', 'Levels of GCR3 tables, minus 1; 3 is reserved'),
  SmiFSup: bits(17, 16, 'RO', 'SMI filter'),
  SmiFRC: bits(20, 18, 'RO', 'log2 of the number of SMI filter registers'),
  GAMSup: bits(23, 21, 'RO', 'Guest APIC modes; bit 0 virtual APIC'),
  DualPprLogSup: bits(25, 24, 'RO', 'Second PPR log; 2 with automatic swap'),
  DualEventLogSup: bits(29, 28, 'RO', 'Second event log; 2 with automatic swap'),
  SATSSup: bit(31, 'RO', 'Secure ATS'),
  PASMax: from('L72', bits(36, 32, 'RO', 'Bits of a PASID, minus 1')),
  USSup: bit(37, 'RO', 'User and supervisor rights of guest tables'),
  DevTblSegSup: bits(39, 38, 'RO', 'log2 of the most segments that the device table may have'),
  PprOvrflwEarlySup: bit(40, 'RO', 'Early warning before a PPR log is full'),
  PPRAutoRspSup: bit(41, 'RO', 'Automatic answers to page requests'),
  MarcSup: bits(43, 42, 'RO', 'Memory access routing and control'),
  BlkStopMrkSup: bit(44, 'RO', 'Stop markers can be blocked'),
  PerfOptSup: bit(45, 'RO', 'Performance optimization'),
  MsiCapMmioSup: bit(46, 'RO', 'The MSI capability can be reached through these registers'),
  SnoopAttrSup: from('OV', bit(47, 'RO', 'Snoop attributes')),
  GIoSup: bit(48, 'RO', 'Guest translation of requests without PASID'),
  HASup: bit(49, 'RO', 'Accessed bits of host tables'),
  EPHSup: bit(50, 'RO', 'Enhanced handling of peripheral page requests'),
  AttrFWSup: bit(51, 'RO', 'Attributes of a device table entry are forwarded'),
  HDSup: bit(52, 'RO', 'Dirty bits of host tables'),
  V2HDDisSup: from('OV', bit(53, 'RO', 'Dirty bits of guest tables can be left alone')),
  InvIotlbTypeSup: bit(54, 'RO', 'Type of INVALIDATE_IOTLB_PAGES'),
  vIommuSup: bit(55, 'RO', 'Virtual IOMMUs'),
  VMGuardIoSup: bit(56, 'RO', 'Guest I/O protection'),
  VMTableSize: from('XN', bits(60, 57, 'RO', 'Size of the table of virtual machines')),
  GAUpdateDisSup: from(['VB', 'XN'], bit(61, 'RO', 'Accessed bits of guest tables can be left alone')),
  ForcePhyDestSup: bit(62, 'RO', 'Physical destination mode can be forced'),
  SNPSup: bit(63, 'RO', 'Secure nested paging'),
});

export const EFR2 = register('Extended Feature 2', 0x01a0, 64, amdVi('L72', 'FB'), {
  SEVSNPIOSup: from('L72', bit(1, 'RO', 'SEV trusted I/O')),
  TMPMSup: from('FB', bit(2, 'RO', 'Tiered-memory page migration')),
  GCR3TRPModeSup: bit(3, 'RO', 'GCR3 table roots may be guest addresses'),
  GAPPIDisSup: from('FB', bit(4, 'RO', 'Guest APIC physical processor interrupts can be switched off')),
  SNPAVICSup: bits(7, 5, 'RO', 'Virtual APIC with SNP'),
  NumIntRemapSup: bits(9, 8, 'RO', 'Interrupts of one function: 0 for 512, 1 for 2048'),
  HtRangeIgnore: bit(11, 'RO', 'The HyperTransport ranges are ordinary guest addresses'),
});

const vendorSpecific = (
  access: 'RO' | 'RW',
  what: string,
): { Impl: FieldSpec; RevMinor: FieldSpec; RevMajor: FieldSpec } => ({
  Impl: bits(23, 0, access, `Device-specific ${what}`),
  RevMinor: bits(27, 24, access, 'Minor revision'),
  RevMajor: bits(31, 28, access, 'Major revision'),
});

export const DSFX = register('DSFX', 0x0138, 64, amdVi('VB', 'NV'), vendorSpecific('RO', 'features'));
export const DSCX = register('DSCX', 0x0140, 64, amdVi('VB', 'NV'), vendorSpecific('RW', 'control'));
export const DSSX = register('DSSX', 0x0148, 64, amdVi('VB', 'NV'), vendorSpecific('RW', 'status'));
