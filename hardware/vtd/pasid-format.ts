/** The PASID-table entry (VT-d 9.6): which of its bits are reserved under which capabilities, and what it says. */
import { anyBut, fieldBits, highHalf, lowHalf, reserve, reservedBits } from '../bits/index.ts';
import type { Capabilities } from './capabilities.ts';
import { Kind, SCALABLE, type Space } from './space.ts';
import {
  FAULTS,
  type Fault,
  FIRST_STAGE_PAGING_MODE_NEEDS,
  FirstStagePagingMode,
  PASID_ENTRY,
  PASID_ENTRY_IGNORED_FOR,
  PASID_ENTRY_IGNORED_WITHOUT_HPTE,
  PASID_ENTRY_RESERVED_WITHOUT,
  PASID_TRANSLATION_TYPE_NEEDS,
  PasidTranslationType,
  SMALLEST_HPT,
} from './spec/index.ts';

type KindName = keyof typeof PasidTranslationType;

const NOTHING = new Uint32Array(PASID_ENTRY.$.words);

export class PasidFormat {
  readonly #capabilities: Capabilities;
  /** A platform's promise that walks are coherent, whatever PWSNP says. */
  readonly #assumeCoherent: boolean;
  /** Fields that capabilities reserve; and address and domain-id bits beyond their widths. */
  readonly #reserved: Uint32Array;
  readonly #tooWide: Uint32Array;
  /** What each kind ignores, by PGTT, with and without host permission tables. */
  readonly #ignored: ReadonlyMap<number, Uint32Array>;
  readonly #hptFields = fieldBits(PASID_ENTRY, PASID_ENTRY_IGNORED_WITHOUT_HPTE);
  readonly #kinds: ReadonlySet<number>;
  readonly #modes: ReadonlySet<number>;

  constructor(capabilities: Capabilities, assumeCoherent: boolean) {
    const { DID, HPTDID, FSPTPTR, HPTPTR, SSPTPTR } = PASID_ENTRY;
    const { hostAddressWidth: width, domainBits } = capabilities;
    const wide = new Uint32Array(PASID_ENTRY.$.words);
    for (const pointer of [SSPTPTR, FSPTPTR, HPTPTR]) {
      reserve(wide, pointer.spec.lo - 12 + width, pointer.spec.hi);
    }
    for (const did of [DID, HPTDID]) reserve(wide, did.spec.lo + domainBits, did.spec.hi);
    this.#capabilities = capabilities;
    this.#assumeCoherent = assumeCoherent;
    this.#reserved = reservedBits(PASID_ENTRY, capabilities, PASID_ENTRY_RESERVED_WITHOUT);
    this.#tooWide = wide;
    const has = (needs: readonly Parameters<Capabilities['has']>[0][]): boolean =>
      needs.every((capability) => capabilities.has(capability));
    const kinds = Object.keys(PasidTranslationType) as KindName[];
    this.#kinds = new Set(kinds.filter((name) => has(PASID_TRANSLATION_TYPE_NEEDS[name])).map((name) => Kind[name]));
    const modes = Object.keys(FirstStagePagingMode) as (keyof typeof FirstStagePagingMode)[];
    this.#modes = new Set(
      modes.filter((name) => has(FIRST_STAGE_PAGING_MODE_NEEDS[name])).map((name) => FirstStagePagingMode[name]),
    );
    const ignoredFor: Readonly<Partial<Record<KindName, readonly string[]>>> = PASID_ENTRY_IGNORED_FOR;
    this.#ignored = new Map(kinds.map((name) => [Kind[name], fieldBits(PASID_ENTRY, ignoredFor[name] ?? [])]));
  }

  /** Decodes and checks an entry of sixteen words. */
  decode(words: Uint32Array, pasid: number, hostPermissions: boolean): Space {
    const capabilities = this.#capabilities;
    const kind = PASID_ENTRY.PGTT.get(words);
    const usesSecond = kind === Kind.SECOND_STAGE || kind === Kind.NESTED;
    const usesFirst = kind === Kind.FIRST_STAGE || kind === Kind.NESTED;
    const domain = PASID_ENTRY.DID.get(words);
    const coherent = this.#assumeCoherent || (capabilities.has('SMPWCS') && PASID_ENTRY.PWSNP.isSet(words));
    const second = usesSecond ? this.#second(words, coherent, domain) : null;
    const first = usesFirst ? this.#first(words, coherent) : null;
    return {
      fault: this.#check(words, kind, hostPermissions, second?.levels ?? 1, second?.addressBits ?? 64),
      faultDisable: PASID_ENTRY.FPD.isSet(words),
      kind,
      domain,
      pasid,
      second,
      first,
      addressBits: capabilities.hostAddressWidth,
      pageSnoop: PASID_ENTRY.PGSNP.isSet(words),
      supervisor: PASID_ENTRY.SRE.isSet(words),
      execution: PASID_ENTRY.ERE.isSet(words),
      permissions: hostPermissions
        ? {
            table: PASID_ENTRY.HPTPTR.address(words),
            addressBits: SMALLEST_HPT + PASID_ENTRY.HPTSZ.get(words),
            domain: PASID_ENTRY.HPTDID.get(words),
          }
        : null,
      reasons: SCALABLE,
    };
  }

  #first(words: Uint32Array, coherent: boolean): NonNullable<Space['first']> {
    const table = PASID_ENTRY.FSPTPTR.address(words);
    return {
      table,
      tableHi: highHalf(table),
      tableLo: lowHalf(table),
      levels: PASID_ENTRY.FSPM.get(words) === FirstStagePagingMode.FIVE_LEVEL ? 5 : 4,
      reservesXd: this.#capabilities.has('ERS') && !PASID_ENTRY.NXE.isSet(words),
      executePrevention: PASID_ENTRY.SMEP.isSet(words),
      writeProtect: PASID_ENTRY.WPE.isSet(words),
      extendedAccessed: this.#capabilities.has('EAFS') && PASID_ENTRY.EAFE.isSet(words),
      coherent,
    };
  }

  #second(words: Uint32Array, coherent: boolean, domain: number): NonNullable<Space['second']> {
    const table = PASID_ENTRY.SSPTPTR.address(words);
    const levels = this.#capabilities.levelsFor(PASID_ENTRY.AW.get(words));
    return {
      table,
      tableHi: highHalf(table),
      tableLo: lowHalf(table),
      levels,
      addressBits: Math.min(this.#capabilities.guestAddressWidth, 12 + 9 * levels),
      executePermission: PASID_ENTRY.SSEE.isSet(words),
      flags: PASID_ENTRY.SSADE.isSet(words),
      coherent,
      domain,
    };
  }

  #check(words: Uint32Array, kind: number, hostPermissions: boolean, levels: number, guestBits: number): Fault | null {
    if (!PASID_ENTRY.P.isSet(words)) return FAULTS.SPT_2;
    const byKind = this.#ignored.get(kind) ?? NOTHING;
    const ignored = byKind.map((bits, i) => bits | (hostPermissions ? 0 : this.#hptFields[i]!));
    // A pointer that is not used has no width. AW is not counted as reserved: software sets it whatever the kind.
    if (anyBut(words, this.#tooWide, ignored) || anyBut(words, this.#reserved, ADDRESS_WIDTH)) return FAULTS.SPT_3;
    if (!this.#kinds.has(kind)) return FAULTS.SPT_4_2;
    if (levels === 0) return FAULTS.SPT_4_1;
    const usesFirst = kind === Kind.FIRST_STAGE || kind === Kind.NESTED;
    if (usesFirst && !this.#modes.has(PASID_ENTRY.FSPM.get(words))) return FAULTS.SPT_4_3;
    if (kind === Kind.NESTED && PASID_ENTRY.FSPTPTR.address(words) >= 2 ** guestBits) return FAULTS.SPT_4_4;
    return null;
  }
}

const ADDRESS_WIDTH = fieldBits(PASID_ENTRY, ['AW']);
