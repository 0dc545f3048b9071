/** What to check first when a fault reason is reported: one short hint per condition of `FAULTS`, for explanations. */
import type { FaultName } from './faults.ts';

const ROOT_MEMORY = 'RTADDR_REG.RTA: does the root table lie in RAM?';
const HAW = 'undeclared bits, and address bits at or above the host address width';
const NESTED_MAP = 'the second stage must map the first-stage tables themselves';

export const FAULT_HINTS: Readonly<Record<FaultName, string>> = {
  LRT_1: ROOT_MEMORY,
  LRT_2: 'no context table for this bus: is the device attached, and is RTADDR_REG the table that was meant?',
  LRT_3: `the root entry of this bus: ${HAW}`,

  LCT_1: 'CTP of the root entry: does the context table lie in RAM?',
  LCT_2: 'the device is attached to nothing: P of its context entry, and whether the requester id is the expected one',
  LCT_3: `the context entry: ${HAW}, and DID beyond what CAP_REG.ND allows`,
  LCT_4_1: 'AW of the context entry against CAP_REG.SAGAW',
  LCT_4_2: 'TT of the context entry: 01b needs ECAP_REG.DT, 10b needs ECAP_REG.PT, 11b is reserved',
  LCT_4_3: 'SSPTPTR of the context entry: does the top table lie in RAM?',
  LCT_5: 'the device uses ATS: TT must be 01b, or ATS must be off in the device',

  LSS_1: 'ADDR of the last entry that was read: does the next table lie in RAM?',
  LSS_2: `the last entry that was read: ${HAW}; PS where CAP_REG.SSLPS has no such page; SNP without ECAP_REG.SC`,

  LGN_1_1: 'the address against CAP_REG.MGAW and AW of the context entry: does the IOVA allocator know both limits?',
  LGN_1_2:
    'the device sends a translated address that no completion can have given it: its device-TLB, or its good faith',
  LGN_1_3: 'pass-through addresses are physical: the driver gave the device something else',
  LGN_2:
    'is the page mapped, and for writing? The last entry read, and W of each above it; if a cache hit, was it invalidated?',
  LGN_3:
    'is the page mapped, and for reading? The last entry read, and R of each above it; if a cache hit, was it invalidated?',
  LGN_4: 'the mapping leads to FEE0_0000h-FEEF_FFFFh: no page may be mapped there',

  RTA_1_1: 'RTADDR_REG.TTM: abort-DMA mode needs ECAP_REG.ADMS',
  RTA_1_2: 'RTADDR_REG.TTM: 10b is reserved',
  RTA_1_3: 'RTADDR_REG.TTM: scalable mode needs ECAP_REG.SMTS',
  RTA_1_4: 'RTADDR_REG.SSIRWE: I/O rights exist in scalable mode only',
  RTA_2: 'the device sends a PASID, and legacy mode knows none: its PASID capability, or RTADDR_REG.TTM',
  RTA_3: 'page requests need scalable mode: the device’s PRI capability, or RTADDR_REG.TTM',
  RTA_4: 'RTADDR_REG.TTM is 11b: a kernel blocks all DMA so until its tables are in place',
  RTA_5: 'execute requests are gone since major version 8 (ECAP_REG.ERS is 0): the device’s PASID capability',

  SRT_1: ROOT_MEMORY,
  SRT_2: 'LP serves devices 0 to 15 of the bus, UP devices 16 to 31: is the right half set?',
  SRT_3: `the half of the root entry that was used: ${HAW}`,

  SCT_1: 'LCTP or UCTP of the root entry: does the context table lie in RAM?',
  SCT_2: 'the device is attached to nothing: P of its context entry, and whether the requester id is the expected one',
  SCT_3: `the context entry: ${HAW}, and flags whose capability is 0`,
  SCT_4_1: 'PRE of the context entry needs DTE',
  SCT_4_2: 'RID_PASID of the context entry needs a larger PDTS',
  SCT_4_3: 'EPTR of the context entry needs PASIDE',
  SCT_5: 'the device uses ATS: DTE of the context entry must be 1, or ATS must be off in the device',
  SCT_6: 'the device sends a PASID: PASIDE of the context entry must be 1',
  SCT_7: 'PDTS of the context entry: the PASID directory is too small for this PASID',
  SCT_8: 'the device sends page requests: PRE of the context entry must be 1',
  SCT_9: 'the device uses the PASID that the context entry keeps for requests without one (RID_PASID)',
  SCT_10: 'translated requests with PASID need EPTR of the context entry',

  SPD_1: 'PASIDDIRPTR of the context entry: does the PASID directory lie in RAM?',
  SPD_2: 'no PASID table for this PASID: is it attached? Without a PASID, RID_PASID decides',
  SPD_3: `the PASID-directory entry: ${HAW}`,

  SPT_1: 'SMPTBLPTR of the directory entry: does the PASID table lie in RAM?',
  SPT_2: 'this PASID is attached to nothing: P of its entry; without a PASID, that of RID_PASID',
  SPT_3: `the PASID-table entry: ${HAW}, and fields whose capability is 0`,
  SPT_4_1: 'AW of the PASID-table entry against CAP_REG.SAGAW',
  SPT_4_2: 'PGTT of the PASID-table entry against ECAP_REG.FSTS, SSTS, NEST and PT',
  SPT_4_3: 'FSPM of the PASID-table entry: five levels need CAP_REG.FS5LP',
  SPT_4_4: 'FSPTPTR of the PASID-table entry is a guest address here: it must fit AW and CAP_REG.MGAW',
  SPT_5: 'the device asks to execute, and ECAP_REG.ERS or ERE of the PASID-table entry is 0',
  SPT_6: 'the request is privileged (by the device, or by RID_PRIV): SRE of the PASID-table entry must be 1',
  SPT_9: 'the device’s translated address against HPTSZ of the PASID-table entry',

  SFS_1: 'ADDR of the last first-stage entry that was read: does the next table lie in RAM?',
  SFS_2: 'is the page mapped in the process? A device with PRI would ask for it; others need pinned memory',
  SFS_3: `the last first-stage entry that was read: ${HAW}; PS where there is no such page`,
  SFS_4: 'FSPTPTR of the PASID-table entry: does the top table lie in RAM?',
  SFS_5: 'ADDR of the last first-stage entry is a guest address here: it must fit AW and CAP_REG.MGAW',
  SFS_6: `FSPTPTR: ${NESTED_MAP}, readable`,
  SFS_7: `ADDR of the last first-stage entry: ${NESTED_MAP}, readable`,
  SFS_8: `${NESTED_MAP}, writable: hardware sets A and D in them`,
  SFS_9:
    'A, D or EA must be set: PWSNP of the PASID-table entry must be 1 (ECAP_REG.SMPWCS), or software sets them before',
  SFS_10: 'A, D or EA could not be written: the memory under the first-stage table',

  SSS_1: 'ADDR of the last second-stage entry that was read: does the next table lie in RAM?',
  SSS_2: 'is the page mapped in the second stage? R and W of each entry on the way',
  SSS_3: `the last second-stage entry that was read: ${HAW}; PS where CAP_REG.SSLPS has no such page; SNP without ECAP_REG.SC`,
  SSS_4: 'SSPTPTR of the PASID-table entry: does the top table lie in RAM?',
  SSS_5: 'A or D must be set (SSADE): PWSNP of the PASID-table entry must be 1 (ECAP_REG.SMPWCS)',
  SSS_6: 'A or D could not be written: the memory under the second-stage table',

  SGN_1: 'the upper bits of the address must repeat the highest translated one: FSPM, and whether the pointer is one',
  SGN_2: 'US is 0 in some first-stage entry: the page belongs to the kernel, the request to a user',
  SGN_3: 'XD in some first-stage entry, X missing in some second-stage entry, or SMEP and a page of a user',
  SGN_4_1:
    'the device sends a translated address that no completion can have given it: its device-TLB, or its good faith',
  SGN_4_2: 'pass-through addresses are physical: the driver gave the device something else',
  SGN_5: 'the address against CAP_REG.MGAW and AW of the PASID-table entry: does the IOVA allocator know both limits?',
  SGN_6: 'RW (first stage) and W (second stage) of each entry on the way; WPE for privileged requests; stale caches',
  SGN_7: 'R of each second-stage entry on the way; if a cache hit, was it invalidated?',
  SGN_8_1: 'the mapping leads to FEE0_0000h-FEEF_FFFFh: no page may be mapped there',
  SGN_8_2: 'the mapped page covers FEE0_0000h-FEEF_FFFFh in part: map it with smaller pages',
  SGN_8_3: 'the device sends a translated address in the interrupt range: its device-TLB, or its good faith',
  SGN_10: 'the PASID against ECAP_REG.PSS: the device’s PASID width must be limited to it',

  HPT_1: 'the last host permission entry that was read: does the next table lie in RAM?',
  HPT_2: `the last host permission entry that was read: ${HAW}`,
  HPT_3: 'HPTPTR of the PASID-table entry: does the top table lie in RAM?',
  HPT_4: 'no permission for any page of this address: was the page taken away from the device?',
  HPT_5: 'write permission of the page in the host permission table; was the cache invalidated after a grant?',
  HPT_6: 'read permission of the page in the host permission table; was the cache invalidated after a grant?',

  IR_REQUEST_RESERVED: 'message address and data of the device’s MSI: the remappable format leaves no bit free',
  IR_INDEX: 'handle and subhandle of the message against IRTA_REG.S; IRTA_REG.IRTA against the host address width',
  IR_NOT_PRESENT: 'the interrupt was never allocated, or freed while the device still sends: P of the IRTE',
  IR_READ: 'IRTA_REG.IRTA: does the interrupt remapping table lie in RAM?',
  IR_RESERVED: `the IRTE: ${HAW}, and fields whose capability or mode is off`,
  IR_COMPATIBILITY: 'the device sends the old format: its MSI was not reprogrammed, or GCMD_REG.CFI must be set',
  IR_SOURCE: 'SID, SQ and SVT of the IRTE: another device uses its index, or an alias behind a bridge does',
  IR_PID_ACCESS: 'PDAH and PDAL of the IRTE: does the posted interrupt descriptor lie in RAM?',
  IR_PID_RESERVED: 'the posted interrupt descriptor: undeclared bits',
  IR_INVALID_REQUEST:
    'FEE0_0000h-FEEF_FFFFh takes DWORD writes that are interrupts: an IOVA allocator must leave this range out',
  IR_EIME: 'IRTA_REG.EIME must be 1 on this unit (ECAP_REG.EIMER)',
  IR_OFF: 'GCMD_REG.IRE: this unit lets no interrupt pass before (ECAP_REG.IRREQ)',
};
