/** Version, capabilities, the global command interface and the root table address: VT-d 11.4.1 to 11.4.5. */
import { bit, bits, register } from '../../../bits/index.ts';
import type { ReservedWithout } from '../capability.ts';

export const VER = register('VER_REG', 0x000, 32, 'VT-d 11.4.1', {
  MIN: bits(3, 0, 'RO', 'Minor version of the architecture'),
  MAX: bits(7, 4, 'RO', 'Major version of the architecture'),
});

export const CAP = register('CAP_REG', 0x008, 64, 'VT-d 11.4.2', {
  ND: bits(2, 0, 'RO', 'Domain ids have 4 + 2 * ND bits; 7 is reserved'),
  RWBF: bit(4, 'RO', 'Software must flush write buffers'),
  PLMR: bit(5, 'RO', 'A protected low-memory region exists'),
  PHMR: bit(6, 'RO', 'A protected high-memory region exists'),
  CM: bit(7, 'RO', 'Caching mode: entries that are not present or faulty may be cached'),
  SAGAW: bits(12, 8, 'RO', 'Second-stage depths: bit 1 three levels, bit 2 four, bit 3 five'),
  MGAW: bits(21, 16, 'RO', 'Widest guest address, minus 1'),
  ZLR: bit(22, 'RO', 'Zero-length reads of write-only pages succeed'),
  FRO: bits(33, 24, 'RO', 'Offset of the first fault recording register, in units of 16 bytes'),
  SSLPS: bits(37, 34, 'RO', 'Second-stage large pages: bit 0 2 MiB, bit 1 1 GiB'),
  PSI: bit(39, 'RO', 'The IOTLB can be invalidated by page'),
  NFR: bits(47, 40, 'RO', 'Number of fault recording registers, minus 1'),
  MAMV: bits(53, 48, 'RO', 'Largest address mask for an IOTLB invalidation by page'),
  DWD: bit(54, 'RO', 'IOTLB invalidations can drain writes'),
  DRD: bit(55, 'RO', 'IOTLB invalidations can drain reads'),
  FS1GP: bit(56, 'RO', 'First stage has 1 GiB pages'),
  PI: bit(59, 'RO', 'Interrupts can be posted'),
  FS5LP: bit(60, 'RO', 'First stage has five levels'),
  ECMDS: bit(61, 'RO', 'The enhanced command interface exists'),
  ESIRTPS: bit(62, 'RO', 'SIRTP also flushes the interrupt entry cache'),
  ESRTPS: bit(63, 'RO', 'SRTP also flushes every cache of DMA remapping'),
});

export const ECAP = register('ECAP_REG', 0x010, 64, 'VT-d 11.4.3', {
  C: bit(0, 'RO', 'Accesses to remapping structures are snooped'),
  QI: bit(1, 'RO', 'Queued invalidation'),
  DT: bit(2, 'RO', 'Device-TLBs'),
  IR: bit(3, 'RO', 'Interrupt remapping'),
  EIM: bit(4, 'RO', 'Extended interrupt mode: 32-bit APIC ids'),
  PT: bit(6, 'RO', 'Pass-through translation type'),
  SC: bit(7, 'RO', 'Snoop control: second-stage SNP and PGSNP may be 1'),
  IRO: bits(17, 8, 'RO', 'Offset of the IOTLB registers, in units of 16 bytes'),
  MHMV: bits(23, 20, 'RO', 'Largest index mask for an interrupt entry cache invalidation'),
  MTS: bit(25, 'RO', 'Memory types and MTRRs'),
  NEST: bit(26, 'RO', 'Nested translation'),
  PRS: bit(29, 'RO', 'Page requests'),
  ERS: bit(30, 'RO', 'Execute requests; hardware since revision 4.1 has none'),
  SRS: bit(31, 'RO', 'Supervisor requests'),
  NWFS: bit(33, 'RO', 'The no-write flag of a translation request counts'),
  EAFS: bit(34, 'RO', 'First-stage extended-accessed flag'),
  PSS: bits(39, 35, 'RO', 'Width of a PASID, minus 1'),
  PASID: bit(40, 'RO', 'Requests with PASID'),
  DIT: bit(41, 'RO', 'Device-TLB invalidations are throttled per physical function'),
  PDS: bit(42, 'RO', 'The page-request drain flag of a wait descriptor counts'),
  SMTS: bit(43, 'RO', 'Scalable mode'),
  VCS: bit(44, 'RO', 'Virtual commands: only of units that software emulates'),
  SSADS: bit(45, 'RO', 'Second-stage accessed and dirty flags'),
  SSTS: bit(46, 'RO', 'Second-stage translation'),
  FSTS: bit(47, 'RO', 'First-stage translation'),
  SMPWCS: bit(48, 'RO', 'Scalable-mode walks can be snooped (PWSNP)'),
  RPS: bit(49, 'RO', 'Context entries hold a RID_PASID'),
  TDXCS: bit(50, 'RO', 'TDX Connect'),
  PMS: bit(51, 'RO', 'Performance monitoring'),
  ADMS: bit(52, 'RO', 'Abort-DMA mode'),
  RPRIVS: bit(53, 'RO', 'Context entries hold a RID_PRIV'),
  HPTS: bit(55, 'RO', 'Host permission tables'),
  PTRS: bit(56, 'RO', 'Translated requests may carry a PASID'),
  SSIRWS: bit(57, 'RO', 'Second-stage entries have separate I/O read and write bits'),
  SMS: bit(58, 'RO', 'Stop markers'),
  HPT1GPS: bit(59, 'RO', '1 GiB pages in host permission tables'),
  RDTS: bit(60, 'RO', 'Resource director technology tags'),
  EIMER: bit(61, 'RO', 'Interrupt remapping works in extended interrupt mode only'),
  IRREQ: bit(62, 'RO', 'Interrupts are blocked while interrupt remapping is off'),
});

export const GCMD = register('GCMD_REG', 0x018, 32, 'VT-d 11.4.4.1', {
  CFI: bit(23, 'WO', 'Let compatibility-format interrupts pass'),
  SIRTP: bit(24, 'WO', 'Take over IRTA'),
  IRE: bit(25, 'WO', 'Interrupt remapping on'),
  QIE: bit(26, 'WO', 'Queued invalidation on'),
  WBF: bit(27, 'WO', 'Flush write buffers'),
  SRTP: bit(30, 'WO', 'Take over RTADDR'),
  TE: bit(31, 'WO', 'DMA remapping on'),
});

export const GSTS = register('GSTS_REG', 0x01c, 32, 'VT-d 11.4.4.2', {
  CFIS: bit(23, 'RO', 'Compatibility-format interrupts pass'),
  IRTPS: bit(24, 'RO', 'IRTA has been taken over'),
  IRES: bit(25, 'RO', 'Interrupt remapping is on'),
  QIES: bit(26, 'RO', 'Queued invalidation is on'),
  WBFS: bit(27, 'RO', 'A write-buffer flush is running'),
  RTPS: bit(30, 'RO', 'RTADDR has been taken over'),
  TES: bit(31, 'RO', 'DMA remapping is on'),
});

/** RTADDR_REG.TTM. */
export const TranslationTableMode = {
  LEGACY: 0b00,
  SCALABLE: 0b01,
  ABORT_DMA: 0b11,
} as const;

export const RTADDR = register('RTADDR_REG', 0x020, 64, 'VT-d 11.4.5', {
  SSIRWE: bit(7, 'RW', 'Second stage uses its I/O read and write bits'),
  TTM: bits(11, 10, 'RW', 'Translation table mode; 10b is reserved', TranslationTableMode),
  RTA: bits(63, 12, 'RW', 'Root table, a 4 KiB page'),
});

export const RTADDR_RESERVED_WITHOUT = {
  SSIRWS: ['SSIRWE'],
} as const satisfies ReservedWithout<typeof RTADDR>;
