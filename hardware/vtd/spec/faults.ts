/**
 * Every fault reason: VT-d 7.1.3 (table 30) for requests to memory, 5.1.4.1 (table 15) for interrupts. One row is one
 * condition; several conditions may share a code. Where table 30 gives no answer for a kind of request, the condition
 * cannot arise for it, and the row says `null`.
 *
 * X in an address limit is the smaller of CAP.MGAW + 1 and the entry's address width; HAW is the host address width.
 */
import { mutants } from '../../bits/index.ts';

/** What the sender of a request gets. */
export type Answer =
  /** Blocked and recorded. An untranslated write has no answer on the wire; its data is dropped. */
  | 'UR'
  | 'CA'
  /** Translation completion Success with R=W=U=S=0. Recoverable, so it is not recorded. */
  | 'no rights'
  /** The same, and recorded all the same. */
  | 'no rights, recorded'
  /** Translation completion Success with the rights that remain. Not recorded. */
  | 'effective rights'
  /** Page group response Invalid Request, and recorded. */
  | 'invalid request'
  /** No answer, but recorded. */
  | 'drop';

/** Indexed by 0 (request without PASID) or 1 (with PASID). */
export type ByPasid = readonly [withoutPasid: Answer | null, withPasid: Answer | null];

/** Indexed by 0 (no response required) or 1 (last page in group: response required). */
export type ByResponse = readonly [noResponse: Answer | null, response: Answer | null];

export interface Answers {
  readonly untranslated: ByPasid;
  readonly translation: ByPasid;
  readonly translated: ByPasid;
  readonly pageRequest: ByResponse;
}

export type FaultMode = 'any' | 'legacy' | 'scalable' | 'interrupt';

/** The heading of table 30 under which a condition stands. */
export type FaultStage =
  | 'root-table address'
  | 'root entry'
  | 'context entry'
  | 'pasid directory'
  | 'pasid entry'
  | 'first stage'
  | 'second stage'
  | 'general'
  | 'host permission table'
  | 'interrupt';

export interface Fault {
  /** FRCD_REG.FR. */
  readonly code: number;
  /** The specification's name of the condition; for an interrupt, which has none, its code. */
  readonly name: string;
  readonly meaning: string;
  /** FPD = 1 in an entry met on the way keeps the fault from being recorded. */
  readonly qualified: boolean;
  readonly mode: FaultMode;
  readonly stage: FaultStage;
  readonly answer: Answers;
}

const NEVER: ByPasid = [null, null];
const UR: ByPasid = ['UR', 'UR'];
const CA: ByPasid = ['CA', 'CA'];
const UR_ALONE: ByPasid = ['UR', null];
const CA_ALONE: ByPasid = ['CA', null];
const UR_WITH_PASID: ByPasid = [null, 'UR'];
const NO_RIGHTS: ByPasid = ['no rights', 'no rights'];
const EFFECTIVE_RIGHTS: ByPasid = ['effective rights', 'effective rights'];
const REFUSED: ByResponse = ['drop', 'invalid request'];

// The answers of table 30, each combination once.

/** Legacy mode, an entry that every kind of request uses: absent, or in error. */
const LEGACY_ABSENT: Answers = {
  untranslated: UR_ALONE,
  translation: UR_ALONE,
  translated: UR_ALONE,
  pageRequest: NEVER,
};
const LEGACY_ERROR: Answers = { ...LEGACY_ABSENT, translation: CA_ALONE };
/** Legacy mode, second-stage tables: translated requests do not come here. */
const LEGACY_WALK: Answers = { ...LEGACY_ERROR, translated: NEVER };
const LEGACY_OUT_OF_RANGE: Answers = { ...LEGACY_WALK, translation: ['no rights', null] };
const LEGACY_RIGHTS: Answers = { ...LEGACY_WALK, translation: ['effective rights', null] };
const LEGACY_DEVICE_TLB: Answers = { ...LEGACY_ABSENT, untranslated: NEVER };
const LEGACY_UNTRANSLATED: Answers = { ...LEGACY_ABSENT, translation: NEVER, translated: NEVER };
const LEGACY_TRANSLATED: Answers = { ...LEGACY_ABSENT, untranslated: NEVER, translation: NEVER };

/** Scalable mode, an entry that every kind of request uses. */
const ABSENT: Answers = { untranslated: UR, translation: UR, translated: UR, pageRequest: REFUSED };
const ERROR: Answers = { ...ABSENT, translation: CA };
const PASID_TABLE_ABSENT: Answers = { ...ABSENT, translation: NO_RIGHTS };
const PASID_TABLE_ERROR: Answers = { ...ABSENT, translation: CA, translated: CA };
/** Requests with PASID only. */
const PASID_REFUSED: Answers = {
  ...ABSENT,
  untranslated: UR_WITH_PASID,
  translation: UR_WITH_PASID,
  translated: UR_WITH_PASID,
};
const PASID_REQUEST_REFUSED: Answers = { ...PASID_REFUSED, pageRequest: NEVER };
/** Page tables: translated requests and page requests do not come here. */
const WALK: Answers = { untranslated: UR, translation: NO_RIGHTS, translated: NEVER, pageRequest: NEVER };
const WALK_ERROR: Answers = { ...WALK, translation: CA };
const RIGHTS: Answers = { ...WALK, translation: EFFECTIVE_RIGHTS };
/** A revision without execute requests has no row for these; the completion says what may be executed (4.2.3, EXE). */
const EXECUTION: Answers = { ...RIGHTS, untranslated: UR_WITH_PASID, translation: [null, 'effective rights'] };
const UPDATE_FAILED: Answers = { ...WALK, translation: ['no rights, recorded', 'no rights, recorded'] };
const UNTRANSLATED: Answers = { ...WALK, translation: NEVER };
const TRANSLATION_ERROR: Answers = { ...WALK_ERROR, untranslated: NEVER };
const TRANSLATED: Answers = { untranslated: NEVER, translation: NEVER, translated: UR, pageRequest: NEVER };
const TRANSLATED_ERROR: Answers = { ...TRANSLATED, translated: CA };
const TRANSLATED_WITH_PASID: Answers = { ...TRANSLATED, translated: UR_WITH_PASID };
const DEVICE_TLB: Answers = { ...TRANSLATED, translation: UR };
const PAGE_REQUEST: Answers = { ...TRANSLATED, translated: NEVER, pageRequest: REFUSED };
const INTERRUPT: Answers = LEGACY_UNTRANSLATED;

const lrt = rowsOf('legacy', 'root entry');
const lct = rowsOf('legacy', 'context entry');
const lss = rowsOf('legacy', 'second stage');
const lgn = rowsOf('legacy', 'general');
const rta = rowsOf('any', 'root-table address');
const legacyRta = rowsOf('legacy', 'root-table address');
const srt = rowsOf('scalable', 'root entry');
const sct = rowsOf('scalable', 'context entry');
const spd = rowsOf('scalable', 'pasid directory');
const spt = rowsOf('scalable', 'pasid entry');
const sfs = rowsOf('scalable', 'first stage');
const sss = rowsOf('scalable', 'second stage');
const sgn = rowsOf('scalable', 'general');
const hpt = rowsOf('scalable', 'host permission table');
const interrupt = rowsOf('interrupt', 'interrupt');

export const FAULTS = {
  LRT_1: lrt.unqualified(0x08, 'LRT.1', LEGACY_ERROR, 'the root entry could not be read'),
  LRT_2: lrt.unqualified(0x01, 'LRT.2', LEGACY_ABSENT, 'the root entry is not present'),
  LRT_3: lrt.unqualified(0x0a, 'LRT.3', LEGACY_ERROR, 'the root entry has reserved bits set'),

  LCT_1: lct.unqualified(0x09, 'LCT.1', LEGACY_ERROR, 'the context entry could not be read'),
  LCT_2: lct.qualified(0x02, 'LCT.2', LEGACY_ABSENT, 'the context entry is not present'),
  LCT_3: lct.qualified(0x0b, 'LCT.3', LEGACY_ERROR, 'the context entry has reserved bits set'),
  LCT_4_1: lct.qualified(0x03, 'LCT.4.1', LEGACY_ERROR, 'AW is not a supported address width'),
  LCT_4_2: lct.qualified(0x03, 'LCT.4.2', LEGACY_ERROR, 'TT is not a supported translation type'),
  LCT_4_3: lct.qualified(0x03, 'LCT.4.3', LEGACY_WALK, 'the entry that SSPTPTR leads to could not be read'),
  LCT_5: lct.qualified(0x0d, 'LCT.5', LEGACY_DEVICE_TLB, 'TT blocks translation and translated requests'),

  LSS_1: lss.qualified(0x07, 'LSS.1', LEGACY_WALK, 'a second-stage entry below the top could not be read'),
  LSS_2: lss.qualified(0x0c, 'LSS.2', LEGACY_WALK, 'a second-stage entry with R or W has reserved bits set'),

  LGN_1_1: lgn.qualified(0x04, 'LGN.1.1', LEGACY_OUT_OF_RANGE, 'the address is above 2 ** X - 1'),
  LGN_1_2: lgn.qualified(0x04, 'LGN.1.2', LEGACY_TRANSLATED, 'the translated address is above HAW'),
  LGN_1_3: lgn.qualified(0x04, 'LGN.1.3', LEGACY_UNTRANSLATED, 'the pass-through address is above HAW'),
  LGN_2: lgn.qualified(0x05, 'LGN.2', LEGACY_RIGHTS, 'no write permission'),
  LGN_3: lgn.qualified(0x06, 'LGN.3', LEGACY_RIGHTS, 'no read permission'),
  LGN_4: lgn.qualified(0x0e, 'LGN.4', LEGACY_ERROR, 'the output address lies in the interrupt range'),

  RTA_1_1: rta.unqualified(0x30, 'RTA.1.1', ERROR, 'TTM is 11b without abort-DMA mode'),
  RTA_1_2: rta.unqualified(0x30, 'RTA.1.2', ERROR, 'TTM is 10b'),
  RTA_1_3: rta.unqualified(0x30, 'RTA.1.3', ERROR, 'TTM is 01b without scalable mode'),
  RTA_1_4: legacyRta.unqualified(0x30, 'RTA.1.4', LEGACY_ERROR, 'SSIRWE is set in legacy mode'),
  RTA_2: legacyRta.unqualified(0x31, 'RTA.2', PASID_REQUEST_REFUSED, 'a request with PASID in legacy mode'),
  RTA_3: legacyRta.unqualified(0x32, 'RTA.3', PAGE_REQUEST, 'a page request in legacy mode'),
  RTA_4: rta.unqualified(0x33, 'RTA.4', ABSENT, 'any request in abort-DMA mode'),
  RTA_5: rta.unqualified(
    0x34,
    'RTA.5',
    PASID_REQUEST_REFUSED,
    'execute requested without support, major version 8 or above',
  ),

  SRT_1: srt.unqualified(0x38, 'SRT.1', ERROR, 'the root entry could not be read'),
  SRT_2: srt.unqualified(0x39, 'SRT.2', ABSENT, 'the half of the root entry that is used is not present'),
  SRT_3: srt.unqualified(0x3a, 'SRT.3', ERROR, 'the half of the root entry that is used has reserved bits set'),

  SCT_1: sct.unqualified(0x40, 'SCT.1', ERROR, 'the context entry could not be read'),
  SCT_2: sct.qualified(0x41, 'SCT.2', ABSENT, 'the context entry is not present'),
  SCT_3: sct.qualified(0x42, 'SCT.3', ERROR, 'the context entry has reserved bits set'),
  SCT_4_1: sct.qualified(0x43, 'SCT.4.1', ERROR, 'PRE is set but DTE is not'),
  SCT_4_2: sct.qualified(0x43, 'SCT.4.2', ERROR, 'RID_PASID is above what PDTS allows'),
  SCT_4_3: sct.qualified(
    0x43,
    'SCT.4.3',
    { untranslated: UR_ALONE, translation: CA_ALONE, translated: UR, pageRequest: REFUSED },
    'EPTR is set but PASIDE is not',
  ),
  SCT_5: sct.qualified(0x44, 'SCT.5', DEVICE_TLB, 'DTE blocks translation and translated requests'),
  SCT_6: sct.qualified(0x45, 'SCT.6', { ...PASID_REFUSED, translated: NEVER }, 'PASIDE blocks requests with PASID'),
  SCT_7: sct.qualified(0x46, 'SCT.7', PASID_REFUSED, 'the PASID is above what PDTS allows'),
  SCT_8: sct.qualified(0x47, 'SCT.8', PAGE_REQUEST, 'PRE blocks page requests'),
  SCT_9: sct.qualified(0x48, 'SCT.9', PASID_REFUSED, 'the PASID of the request equals RID_PASID'),
  SCT_10: sct.qualified(0x49, 'SCT.10', TRANSLATED_WITH_PASID, 'EPTR blocks translated requests with PASID'),

  SPD_1: spd.unqualified(0x50, 'SPD.1', PASID_TABLE_ERROR, 'the PASID-directory entry could not be read'),
  SPD_2: spd.qualified(0x51, 'SPD.2', PASID_TABLE_ABSENT, 'the PASID-directory entry is not present'),
  SPD_3: spd.qualified(0x52, 'SPD.3', PASID_TABLE_ERROR, 'the PASID-directory entry has reserved bits set'),

  SPT_1: spt.unqualified(0x58, 'SPT.1', PASID_TABLE_ERROR, 'the PASID-table entry could not be read'),
  SPT_2: spt.qualified(0x59, 'SPT.2', PASID_TABLE_ABSENT, 'the PASID-table entry is not present'),
  SPT_3: spt.qualified(0x5a, 'SPT.3', PASID_TABLE_ERROR, 'the PASID-table entry has reserved bits set'),
  SPT_4_1: spt.qualified(0x5b, 'SPT.4.1', PASID_TABLE_ERROR, 'AW is not a supported address width'),
  SPT_4_2: spt.qualified(0x5b, 'SPT.4.2', PASID_TABLE_ERROR, 'PGTT is not a supported translation type'),
  SPT_4_3: spt.qualified(0x5b, 'SPT.4.3', PASID_TABLE_ERROR, 'FSPM is not a supported paging mode'),
  SPT_4_4: spt.qualified(0x5b, 'SPT.4.4', PASID_TABLE_ERROR, 'nested: FSPTPTR is above 2 ** X - 1'),
  SPT_5: spt.qualified(
    0x5c,
    'SPT.5',
    { ...WALK, untranslated: UR_WITH_PASID, translation: [null, 'no rights'] },
    'execute requested, but ERE is 0 or there is no support (major version 7 or below)',
  ),
  SPT_6: spt.qualified(0x5d, 'SPT.6', WALK, 'SRE blocks supervisor requests'),
  SPT_9: spt.qualified(0x60, 'SPT.9', TRANSLATED, 'the translated address is above what HPTSZ allows'),

  SFS_1: sfs.qualified(0x70, 'SFS.1', WALK, 'a first-stage entry below the top could not be read'),
  SFS_2: sfs.qualified(0x71, 'SFS.2', WALK, 'a first-stage entry is not present'),
  SFS_3: sfs.qualified(0x72, 'SFS.3', WALK, 'a first-stage entry has reserved bits set'),
  SFS_4: sfs.qualified(0x73, 'SFS.4', WALK, 'the entry that FSPTPTR leads to could not be read'),
  SFS_5: sfs.qualified(0x74, 'SFS.5', WALK, 'nested: ADDR of a first-stage entry is above 2 ** X - 1'),
  SFS_6: sfs.qualified(0x75, 'SFS.6', WALK, 'nested: the second stage forbids reading the top first-stage entry'),
  SFS_7: sfs.qualified(0x76, 'SFS.7', WALK, 'nested: the second stage forbids reading a lower first-stage entry'),
  SFS_8: sfs.qualified(0x77, 'SFS.8', WALK, 'nested: the second stage forbids updating flags of a first-stage entry'),
  SFS_9: sfs.qualified(0x90, 'SFS.9', WALK, 'a first-stage flag needs an update, but walks are not snooped'),
  SFS_10: sfs.qualified(0x91, 'SFS.10', UPDATE_FAILED, 'the update of a first-stage flag failed'),

  SSS_1: sss.qualified(0x78, 'SSS.1', WALK_ERROR, 'a second-stage entry below the top could not be read'),
  SSS_2: sss.qualified(0x79, 'SSS.2', WALK, 'a second-stage entry has R=W=0, or neither right is left on the way'),
  SSS_3: sss.qualified(0x7a, 'SSS.3', WALK_ERROR, 'a second-stage entry with R or W has reserved bits set'),
  SSS_4: sss.qualified(0x7b, 'SSS.4', WALK_ERROR, 'the entry that SSPTPTR leads to could not be read'),
  SSS_5: sss.qualified(0x7c, 'SSS.5', WALK_ERROR, 'a second-stage flag needs an update, but walks are not snooped'),
  SSS_6: sss.qualified(0x7d, 'SSS.6', WALK_ERROR, 'the update of a second-stage flag failed'),

  SGN_1: sgn.qualified(0x80, 'SGN.1', WALK, 'the address for the first stage is not canonical'),
  SGN_2: sgn.qualified(0x81, 'SGN.2', WALK, 'a user request met U/S=0'),
  SGN_3: sgn.qualified(0x82, 'SGN.3', EXECUTION, 'no execute permission'),
  SGN_4_1: sgn.qualified(0x83, 'SGN.4.1', TRANSLATED, 'the translated address is above HAW'),
  SGN_4_2: sgn.qualified(0x83, 'SGN.4.2', WALK, 'the pass-through address is above HAW'),
  SGN_5: sgn.qualified(0x84, 'SGN.5', WALK, 'the address for the second stage is above 2 ** X - 1'),
  SGN_6: sgn.qualified(0x85, 'SGN.6', RIGHTS, 'no write permission'),
  SGN_7: sgn.qualified(0x86, 'SGN.7', RIGHTS, 'no read permission'),
  SGN_8_1: sgn.qualified(0x87, 'SGN.8.1', UNTRANSLATED, 'the output address lies in the interrupt range'),
  SGN_8_2: sgn.qualified(
    0x87,
    'SGN.8.2',
    TRANSLATION_ERROR,
    'the output range, not of pass-through, meets the interrupt range',
  ),
  SGN_8_3: sgn.qualified(0x87, 'SGN.8.3', TRANSLATED, 'the translated address lies in the interrupt range'),
  SGN_10: sgn.qualified(0x89, 'SGN.10', PASID_REQUEST_REFUSED, 'the PASID is wider than ECAP.PSS allows'),

  HPT_1: hpt.qualified(0xa0, 'HPT.1', TRANSLATED_ERROR, 'an entry below the top could not be read'),
  HPT_2: hpt.qualified(0xa1, 'HPT.2', TRANSLATED_ERROR, 'an entry has reserved bits set'),
  HPT_3: hpt.qualified(0xa2, 'HPT.3', TRANSLATED_ERROR, 'the entry that HPTPTR leads to could not be read'),
  HPT_4: hpt.qualified(0xa3, 'HPT.4', TRANSLATED, 'the walk for a zero-length read found no permission'),
  HPT_5: hpt.qualified(0xa4, 'HPT.5', TRANSLATED, 'no write permission'),
  HPT_6: hpt.qualified(0xa5, 'HPT.6', TRANSLATED, 'no read permission'),

  IR_REQUEST_RESERVED: interrupt.unqualified(0x20, '20h', INTERRUPT, 'the request has reserved bits set'),
  IR_INDEX: interrupt.unqualified(0x21, '21h', INTERRUPT, 'the index is beyond the table, or the entry above HAW'),
  IR_NOT_PRESENT: interrupt.qualified(0x22, '22h', INTERRUPT, 'the IRTE is not present'),
  IR_READ: interrupt.unqualified(0x23, '23h', INTERRUPT, 'the IRTE could not be read'),
  IR_RESERVED: interrupt.qualified(0x24, '24h', INTERRUPT, 'the IRTE has reserved bits set'),
  IR_COMPATIBILITY: interrupt.unqualified(0x25, '25h', INTERRUPT, 'compatibility format is blocked'),
  IR_SOURCE: interrupt.qualified(0x26, '26h', INTERRUPT, 'the IRTE is not for this source id'),
  IR_PID_ACCESS: interrupt.qualified(0x27, '27h', INTERRUPT, 'the posted interrupt descriptor could not be accessed'),
  IR_PID_RESERVED: interrupt.qualified(0x28, '28h', INTERRUPT, 'the posted interrupt descriptor has reserved bits set'),
  IR_INVALID_REQUEST: interrupt.unqualified(
    0x29,
    '29h',
    INTERRUPT,
    'a request to the interrupt range that is no interrupt',
  ),
  IR_EIME: interrupt.unqualified(0x2a, '2Ah', INTERRUPT, 'extended interrupt mode is required but not enabled'),
  IR_OFF: interrupt.unqualified(0x2b, '2Bh', INTERRUPT, 'interrupt remapping is required but not enabled'),
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

/** Codes of earlier revisions that 5.10 no longer lists. Of 88h (SGN.9) only the name has come down to us. */
export const FORMER_FAULT_CODES = { SGN_3: 0x82, SGN_9: 0x88 } as const;

/** The conditions that FRCD_REG.FR = `code` may stand for, in the order of table 30. */
export function faultsWithCode(code: number): readonly Fault[] {
  return Object.values<Fault>(FAULTS).filter((fault) => fault.code === code);
}

/** Of a condition that is switched off the code is lost. */
function rowsOf(mode: FaultMode, stage: FaultStage) {
  const row =
    (qualified: boolean) =>
    (code: number, name: string, answer: Answers, meaning: string): Fault => ({
      code: mutants.off.has(name) ? 0 : code,
      name,
      meaning,
      qualified,
      mode,
      stage,
      answer,
    });
  return { qualified: row(true), unqualified: row(false) };
}
