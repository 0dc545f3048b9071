/**
 * Root and context tables of legacy mode (VT-d 3.4, 9.1, 9.3): finds what translates a requester's requests. An entry is
 * checked once, when it is fetched; what depends on the request is checked when the request comes.
 */
import { anyBut, anySet, fieldBits, highHalf, lowHalf, reserve, reservedBits } from '../bits/index.ts';
import {
  AddressType,
  EntryCache,
  type EntryCacheSpec,
  type Era,
  type IommuProbe,
  NO_PASID,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { countContextLookup, type PerformanceEvents } from './performance-events.ts';
import { Kind, LEGACY, type Space } from './space.ts';
import {
  CONTEXT_ENTRY,
  CONTEXT_ENTRY_IGNORED_FOR,
  FAULTS,
  type Fault,
  ROOT_ENTRY,
  TRANSLATION_TYPE_NEEDS,
  TranslationType,
} from './spec/index.ts';

export interface LegacyContext extends Space {
  /** TT lets translation and translated requests in. */
  readonly deviceTlb: boolean;
}

/** Domain under which a faulting entry is cached when CAP.CM is 1 (VT-d 6.2.2). */
export const FAULTING_DOMAIN = 0;

/** Pass-through ignores the table pointer, so that its upper bits are not reserved either. */
const IGNORED_BY_PASS_THROUGH = fieldBits(CONTEXT_ENTRY, CONTEXT_ENTRY_IGNORED_FOR.PASS_THROUGH);
const NOTHING = new Uint32Array(CONTEXT_ENTRY.$.words);

export class LegacyTables {
  readonly cache: EntryCache<LegacyContext> | null;
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  readonly #capabilities: Capabilities;
  readonly #era: Era;
  readonly #rootReserved: Uint32Array;
  readonly #contextReserved: Uint32Array;
  readonly #typeAllowed: readonly boolean[];

  constructor(capabilities: Capabilities, cache: EntryCacheSpec | null, era: Era) {
    const { hostAddressWidth, domainBits } = capabilities;
    this.cache = cache === null ? null : new EntryCache(cache);
    this.#capabilities = capabilities;
    this.#era = era;
    this.#rootReserved = reserve(reservedBits(ROOT_ENTRY, capabilities), hostAddressWidth, 63);
    const context = reserve(reservedBits(CONTEXT_ENTRY, capabilities), hostAddressWidth, 63);
    this.#contextReserved = reserve(context, CONTEXT_ENTRY.DID.spec.lo + domainBits, CONTEXT_ENTRY.DID.spec.hi);
    const allowed = [false, false, false, false];
    for (const [name, type] of Object.entries(TranslationType)) {
      const needs = TRANSLATION_TYPE_NEEDS[name as keyof typeof TranslationType];
      allowed[type] = needs.every((capability) => capabilities.has(capability));
    }
    this.#typeAllowed = allowed;
  }

  /** What translates a requester's requests, if it is cached. */
  cached(t: Translation<Fault>): LegacyContext | null {
    const { cache } = this;
    const context = cache === null ? null : cache.find(t.requester);
    if (context !== null) t.faultDisable = context.faultDisable;
    return context;
  }

  /** Steps 5 and 6: what translates the request, or the condition that blocks it. */
  *find(t: Translation<Fault>, root: number): Walk<Space | Fault> {
    const context = yield* this.#context(t, root);
    if ('code' in context) return context;
    t.faultDisable = context.faultDisable;
    if (context.fault !== null) return context.fault;
    if (t.addressType !== AddressType.UNTRANSLATED && !context.deviceTlb) return FAULTS.LCT_5;
    return context;
  }

  /** Decodes and checks an entry of four words. */
  decode(words: Uint32Array): LegacyContext {
    const type = CONTEXT_ENTRY.TT.get(words);
    const passThrough = type === TranslationType.PASS_THROUGH;
    const levels = this.#capabilities.levelsFor(CONTEXT_ENTRY.AW.get(words));
    const table = CONTEXT_ENTRY.SSPTPTR.address(words);
    const domain = CONTEXT_ENTRY.DID.get(words);
    const { hostAddressWidth, guestAddressWidth } = this.#capabilities;
    return {
      fault: this.#check(words, passThrough, levels),
      faultDisable: CONTEXT_ENTRY.FPD.isSet(words),
      kind: passThrough ? Kind.PASS_THROUGH : Kind.SECOND_STAGE,
      deviceTlb: type === TranslationType.DEVICE_TLB,
      domain,
      pasid: NO_PASID,
      second: {
        table,
        tableHi: highHalf(table),
        tableLo: lowHalf(table),
        levels,
        addressBits: Math.min(guestAddressWidth, 12 + 9 * levels),
        executePermission: false,
        flags: false,
        coherent: this.#capabilities.has('C'),
        domain,
      },
      first: null,
      addressBits: hostAddressWidth,
      pageSnoop: false,
      supervisor: false,
      execution: false,
      permissions: null,
      reasons: LEGACY,
    };
  }

  *#context(t: Translation<Fault>, root: number): Walk<LegacyContext | Fault> {
    const cached = this.cache?.find(t.requester, !t.effects) ?? null;
    if (this.probe !== null) this.probe.cache('context cache', cached !== null, `requester ${t.requester}`);
    if (this.counters !== null && t.effects) countContextLookup(this.counters, t, cached !== null);
    if (cached !== null) return cached;
    const { memory } = t;
    // 5a. Root entry of the bus.
    yield memory.read(root + (t.requester >>> 8) * ROOT_ENTRY.$.words * 4, ROOT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.LRT_1;
    if (this.probe !== null) this.probe.read(ROOT_ENTRY.$.name, memory.address, memory.words, ROOT_ENTRY.$.words);
    if (!ROOT_ENTRY.P.isSet(memory.words)) return FAULTS.LRT_2;
    if (anySet(memory.words, this.#rootReserved)) return FAULTS.LRT_3;
    // 5b. Context entry of device and function.
    const table = ROOT_ENTRY.CTP.address(memory.words);
    yield memory.read(table + (t.requester & 0xff) * CONTEXT_ENTRY.$.words * 4, CONTEXT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.LCT_1;
    if (this.probe !== null) this.probe.read(CONTEXT_ENTRY.$.name, memory.address, memory.words, CONTEXT_ENTRY.$.words);
    const context = this.decode(memory.words);
    // 5c. An entry that is in order may be cached; in caching mode any may, a faulting one under domain 0.
    if (this.cache !== null && this.#era.mayFill(t)) {
      if (context.fault === null) this.cache.insert(t.requester, context);
      else if (this.#capabilities.has('CM')) this.cache.insert(t.requester, { ...context, domain: FAULTING_DOMAIN });
    }
    return context;
  }

  #check(words: Uint32Array, passThrough: boolean, levels: number): Fault | null {
    if (!CONTEXT_ENTRY.P.isSet(words)) return FAULTS.LCT_2;
    if (anyBut(words, this.#contextReserved, passThrough ? IGNORED_BY_PASS_THROUGH : NOTHING)) return FAULTS.LCT_3;
    if (levels === 0) return FAULTS.LCT_4_1;
    if (!this.#typeAllowed[CONTEXT_ENTRY.TT.get(words)]) return FAULTS.LCT_4_2;
    return null;
  }
}
