/**
 * A legacy-mode context entry as the unit keeps it (VT-d 9.3): checked once, when it is fetched. What depends on the
 * request is checked when the request comes.
 */
import { anySet, highHalf, lowHalf, maskOf, undeclared } from '../bits/index.ts';
import type { Capabilities } from './capabilities.ts';
import {
  CONTEXT_ENTRY,
  FAULTS,
  type Fault,
  ROOT_ENTRY,
  TRANSLATION_TYPE_NEEDS,
  TranslationType,
} from './spec/index.ts';

export interface LegacyContext {
  /** The condition that makes the entry unusable for every request, or `null`. */
  readonly fault: Fault | null;
  readonly faultDisable: boolean;
  readonly translationType: number;
  readonly domain: number;
  /** Second-stage table and its depth; not meaningful with pass-through. */
  readonly tableHi: number;
  readonly tableLo: number;
  readonly table: number;
  readonly levels: number;
  /** Width of the addresses that may come in. */
  readonly addressBits: number;
}

/** Decides which bits of root and context entries are reserved, and decodes context entries. */
export class ContextFormat {
  readonly #capabilities: Capabilities;
  readonly #rootReserved: Uint32Array;
  readonly #contextReserved: Uint32Array;
  readonly #typeAllowed: readonly boolean[];

  constructor(capabilities: Capabilities) {
    const { hostAddressWidth, domainBits } = capabilities;
    this.#capabilities = capabilities;
    this.#rootReserved = reserve(undeclared(ROOT_ENTRY), hostAddressWidth, 63);
    const context = reserve(undeclared(CONTEXT_ENTRY), hostAddressWidth, 63);
    this.#contextReserved = reserve(context, CONTEXT_ENTRY.DID.spec.lo + domainBits, CONTEXT_ENTRY.DID.spec.hi);
    const allowed = [false, false, false, false];
    for (const [name, type] of Object.entries(TranslationType)) {
      const needs = TRANSLATION_TYPE_NEEDS[name as keyof typeof TranslationType];
      allowed[type] = needs.every((capability) => capabilities.has(capability));
    }
    this.#typeAllowed = allowed;
  }

  rootIsReserved(words: Uint32Array): boolean {
    return anySet(words, this.#rootReserved);
  }

  /** Decodes and checks an entry of four words. */
  decode(words: Uint32Array): LegacyContext {
    const translationType = CONTEXT_ENTRY.TT.get(words);
    const passThrough = translationType === TranslationType.PASS_THROUGH;
    const levels = this.#capabilities.levelsFor(CONTEXT_ENTRY.AW.get(words));
    const table = CONTEXT_ENTRY.SSPTPTR.address(words);
    const { hostAddressWidth, guestAddressWidth } = this.#capabilities;
    return {
      fault: this.#check(words, passThrough, levels),
      faultDisable: CONTEXT_ENTRY.FPD.isSet(words),
      translationType,
      domain: CONTEXT_ENTRY.DID.get(words),
      tableHi: highHalf(table),
      tableLo: lowHalf(table),
      table,
      levels,
      addressBits: passThrough ? hostAddressWidth : Math.min(guestAddressWidth, 12 + 9 * levels),
    };
  }

  #check(words: Uint32Array, passThrough: boolean, levels: number): Fault | null {
    if (!CONTEXT_ENTRY.P.isSet(words)) return FAULTS.LCT_2;
    const ignored = passThrough ? SSPTPTR_BITS : NOTHING;
    for (let i = 0; i < 4; i++) {
      if ((words[i]! & this.#contextReserved[i]! & ~ignored[i]!) !== 0) return FAULTS.LCT_3;
    }
    if (levels === 0) return FAULTS.LCT_4_1;
    if (!this.#typeAllowed[CONTEXT_ENTRY.TT.get(words)]) return FAULTS.LCT_4_2;
    return null;
  }
}

/** Pass-through ignores the table pointer, so that its upper bits are not reserved either. */
const SSPTPTR_BITS = maskOf(CONTEXT_ENTRY, (field) => field === CONTEXT_ENTRY.SSPTPTR);
const NOTHING = new Uint32Array(4);

/** Adds bits `first` to `last` to a mask. */
function reserve(mask: Uint32Array, first: number, last: number): Uint32Array {
  for (let n = first; n <= last; n++) mask[n >>> 5]! |= 1 << (n & 31);
  return mask;
}
