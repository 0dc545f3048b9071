/**
 * What translates the requests of a requester, or of a requester and PASID: the checked content of a legacy context
 * entry or of a scalable-mode PASID-table entry, in one form.
 */
import { FAULTS, type Fault, PasidTranslationType } from './spec/index.ts';

/** PASID_ENTRY.PGTT; a legacy context entry is SECOND_STAGE or PASS_THROUGH. */
export const Kind = PasidTranslationType;

export interface SecondStageTable {
  /** Top table, as an address and as halves. */
  readonly table: number;
  readonly tableHi: number;
  readonly tableLo: number;
  readonly levels: number;
  /** Width of the addresses that may come in. */
  readonly addressBits: number;
  /** SSEE: executing needs X. */
  readonly executePermission: boolean;
  /** SSADE: accessed and dirty flags are kept. */
  readonly flags: boolean;
  /** Walks are snooped, so that flags may be updated. */
  readonly coherent: boolean;
  readonly domain: number;
}

export interface FirstStageTable {
  /** Top table, as an address and as halves; a guest physical address when nested. */
  readonly table: number;
  readonly tableHi: number;
  readonly tableLo: number;
  readonly levels: number;
  /** NXE is 0 though execute requests exist, so that XD may not be set. */
  readonly reservesXd: boolean;
  /** SMEP. */
  readonly executePrevention: boolean;
  /** WPE and EAFE. */
  readonly writeProtect: boolean;
  readonly extendedAccessed: boolean;
  readonly coherent: boolean;
}

export interface HostPermissions {
  readonly table: number;
  /** Width of the translated addresses that the top table covers. */
  readonly addressBits: number;
  readonly domain: number;
}

export interface Space {
  /** The condition that makes the entry unusable for every request, or `null`. */
  readonly fault: Fault | null;
  readonly faultDisable: boolean;
  readonly kind: number;
  readonly domain: number;
  /** PASID by which it is invalidated; -1 in legacy mode. */
  readonly pasid: number;
  readonly second: SecondStageTable | null;
  readonly first: FirstStageTable | null;
  /** Width of a pass-through address. */
  readonly addressBits: number;
  /** PGSNP: accesses to the page snoop. */
  readonly pageSnoop: boolean;
  /** SRE and ERE. */
  readonly supervisor: boolean;
  readonly execution: boolean;
  readonly permissions: HostPermissions | null;
  readonly reasons: Reasons;
}

/** The conditions that both modes know under different names. */
export interface Reasons {
  readonly topReadError: Fault;
  readonly readError: Fault;
  readonly reserved: Fault;
  /** `null` where an absent entry is judged as a page without rights. */
  readonly notPresent: Fault | null;
  readonly outOfRange: Fault;
  readonly passThroughOutOfRange: Fault;
  readonly translatedOutOfRange: Fault;
  readonly noWrite: Fault;
  readonly noRead: Fault;
  /** Output in the interrupt range, by address type. */
  readonly interruptOutput: readonly [untranslated: Fault, translation: Fault, translated: Fault];
}

export const LEGACY: Reasons = {
  topReadError: FAULTS.LCT_4_3,
  readError: FAULTS.LSS_1,
  reserved: FAULTS.LSS_2,
  notPresent: null,
  outOfRange: FAULTS.LGN_1_1,
  passThroughOutOfRange: FAULTS.LGN_1_3,
  translatedOutOfRange: FAULTS.LGN_1_2,
  noWrite: FAULTS.LGN_2,
  noRead: FAULTS.LGN_3,
  interruptOutput: [FAULTS.LGN_4, FAULTS.LGN_4, FAULTS.LGN_4],
};

export const SCALABLE: Reasons = {
  topReadError: FAULTS.SSS_4,
  readError: FAULTS.SSS_1,
  reserved: FAULTS.SSS_3,
  notPresent: FAULTS.SSS_2,
  outOfRange: FAULTS.SGN_5,
  passThroughOutOfRange: FAULTS.SGN_4_2,
  translatedOutOfRange: FAULTS.SGN_4_1,
  noWrite: FAULTS.SGN_6,
  noRead: FAULTS.SGN_7,
  interruptOutput: [FAULTS.SGN_8_1, FAULTS.SGN_8_2, FAULTS.SGN_8_3],
};
