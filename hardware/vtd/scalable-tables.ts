/**
 * Root, context and PASID tables of scalable mode (VT-d 3.4, 9.2, 9.4 to 9.6): finds what translates the requests of a
 * requester and PASID. Entries are checked once, when they are fetched; what depends on the request is checked when the
 * request comes.
 */
import { anySet, fieldBits, reserve, reservedBits } from '../bits/index.ts';
import {
  Access,
  AddressType,
  EntryCache,
  type EntryCacheSpec,
  type Era,
  type IommuProbe,
  isExecute,
  NO_PASID,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { FAULTING_DOMAIN } from './legacy-tables.ts';
import type { PasidFormat } from './pasid-format.ts';
import { countContextLookup, Event, NO_DOMAIN, type PerformanceEvents } from './performance-events.ts';
import type { Space } from './space.ts';
import {
  FAULTS,
  type Fault,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_CONTEXT_ENTRY_RESERVED_WITHOUT,
  SCALABLE_ROOT_ENTRY,
} from './spec/index.ts';

export interface ScalableContext {
  readonly fault: Fault | null;
  readonly faultDisable: boolean;
  readonly deviceTlb: boolean;
  readonly pasids: boolean;
  readonly pageRequests: boolean;
  readonly hostPermissions: boolean;
  readonly translatedPasids: boolean;
  readonly directory: number;
  readonly lastPasid: number;
  readonly ridPasid: number;
  readonly ridPrivileged: boolean;
}

/** What a request is for: page requests pass gates of their own. */
export type Purpose = 'access' | 'page request';

const UPPER_DEVICES = 0x80;
const ENTRIES = 0x7f;
const LOWER_HALF = fieldBits(SCALABLE_ROOT_ENTRY, ['LP', 'LCTP']).map((_, i) => (i < 2 ? 0xffff_ffff : 0));

export class ScalableTables {
  readonly contexts: EntryCache<ScalableContext> | null;
  readonly pasids: EntryCache<Space> | null;
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  readonly format: PasidFormat;
  readonly #capabilities: Capabilities;
  readonly #era: Era;
  readonly #rootReserved: readonly [lower: Uint32Array, upper: Uint32Array];
  readonly #contextReserved: Uint32Array;
  readonly #directoryReserved: Uint32Array;

  constructor(
    capabilities: Capabilities,
    caches: { readonly contexts: EntryCacheSpec | null; readonly pasids: EntryCacheSpec | null },
    era: Era,
    format: PasidFormat,
  ) {
    const width = capabilities.hostAddressWidth;
    const root = reserve(reserve(reservedBits(SCALABLE_ROOT_ENTRY, capabilities), width, 63), 64 + width, 127);
    const context = reservedBits(SCALABLE_CONTEXT_ENTRY, capabilities, SCALABLE_CONTEXT_ENTRY_RESERVED_WITHOUT);
    this.contexts = caches.contexts === null ? null : new EntryCache(caches.contexts);
    this.pasids = caches.pasids === null ? null : new EntryCache(caches.pasids);
    this.format = format;
    this.#capabilities = capabilities;
    this.#era = era;
    this.#rootReserved = [root.map((bits, i) => bits & LOWER_HALF[i]!), root.map((bits, i) => bits & ~LOWER_HALF[i]!)];
    this.#contextReserved = reserve(context, width, 63);
    this.#directoryReserved = reserve(reservedBits(PASID_DIRECTORY_ENTRY, capabilities), width, 63);
  }

  /** Steps 5 to 7. A translated request that needs no table beyond the context entry ends with `null`. */
  *find(t: Translation<Fault>, root: number, purpose: Purpose = 'access'): Walk<Space | Fault | null> {
    const context = yield* this.#context(t, root);
    if ('code' in context) return context;
    t.faultDisable = context.faultDisable;
    if (context.fault !== null) return context.fault;
    const refused = this.#gate(t, context, purpose);
    if (refused !== null) return refused;
    if (t.addressType === AddressType.TRANSLATED && !context.hostPermissions) return null;
    // 7. The PASID-table entry, and what it allows.
    const pasid = t.pasid === NO_PASID ? context.ridPasid : t.pasid;
    t.privileged = t.pasid === NO_PASID ? context.ridPrivileged : (t.access & Access.PRIVILEGED) !== 0;
    const space = yield* this.#pasid(t, context, pasid);
    if ('code' in space) return space;
    t.faultDisable ||= space.faultDisable;
    if (space.fault !== null) return space.fault;
    if (t.addressType === AddressType.TRANSLATED || purpose === 'page request') return space;
    if (isExecute(t) && !space.execution) return FAULTS.SPT_5;
    if (t.privileged && !space.supervisor) return FAULTS.SPT_6;
    return space;
  }

  /** What translates a user's untranslated request, if the caches alone say it and nothing stands in its way. */
  cached(t: Translation<Fault>): Space | null {
    const context = this.contexts?.find(t.requester) ?? null;
    if (context === null || context.fault !== null || this.#gate(t, context, 'access') !== null) return null;
    if (t.pasid === NO_PASID && context.ridPrivileged) return null;
    const space = this.pasids?.find(keyOf(t.requester, t.pasid === NO_PASID ? context.ridPasid : t.pasid)) ?? null;
    if (space !== null) t.faultDisable = context.faultDisable || space.faultDisable;
    return space;
  }

  /** 6. What the context entry lets through. */
  #gate(t: Translation<Fault>, context: ScalableContext, purpose: Purpose): Fault | null {
    if (t.addressType !== AddressType.UNTRANSLATED && !context.deviceTlb) return FAULTS.SCT_5;
    if (purpose === 'page request' && !context.pageRequests) return FAULTS.SCT_8;
    if (t.pasid === NO_PASID) return null;
    if (t.addressType === AddressType.TRANSLATED) {
      if (!context.translatedPasids) return FAULTS.SCT_10;
    } else if (!context.pasids) {
      return FAULTS.SCT_6;
    }
    if (t.pasid > context.lastPasid) return FAULTS.SCT_7;
    if (t.pasid > this.#capabilities.lastPasid) return FAULTS.SGN_10;
    return t.pasid === context.ridPasid ? FAULTS.SCT_9 : null;
  }

  *#context(t: Translation<Fault>, root: number): Walk<ScalableContext | Fault> {
    const cached = this.contexts?.find(t.requester, !t.effects) ?? null;
    if (this.probe !== null) this.probe.cache('context cache', cached !== null, `requester ${t.requester}`);
    if (this.counters !== null && t.effects) countContextLookup(this.counters, t, cached !== null);
    if (cached !== null) return cached;
    const { memory } = t;
    // 5a. The half of the root entry that serves the device.
    yield memory.read(root + (t.requester >>> 8) * SCALABLE_ROOT_ENTRY.$.words * 4, SCALABLE_ROOT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.SRT_1;
    this.#tell(SCALABLE_ROOT_ENTRY.$, t);
    const isUpper = (t.requester & UPPER_DEVICES) !== 0;
    const { LP, LCTP, UP, UCTP } = SCALABLE_ROOT_ENTRY;
    if (!(isUpper ? UP : LP).isSet(memory.words)) return FAULTS.SRT_2;
    if (anySet(memory.words, this.#rootReserved[isUpper ? 1 : 0])) return FAULTS.SRT_3;
    // 5b. The context entry.
    const table = (isUpper ? UCTP : LCTP).address(memory.words);
    const index = t.requester & ENTRIES;
    yield memory.read(table + index * SCALABLE_CONTEXT_ENTRY.$.words * 4, SCALABLE_CONTEXT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.SCT_1;
    this.#tell(SCALABLE_CONTEXT_ENTRY.$, t);
    const context = this.decodeContext(memory.words);
    if (this.contexts !== null && this.#era.mayFill(t) && (context.fault === null || this.#capabilities.has('CM'))) {
      this.contexts.insert(t.requester, context);
    }
    return context;
  }

  decodeContext(words: Uint32Array): ScalableContext {
    const entry = SCALABLE_CONTEXT_ENTRY;
    const lastPasid = 2 ** (entry.PDTS.get(words) + 13) - 1;
    const context = {
      faultDisable: entry.FPD.isSet(words),
      deviceTlb: entry.DTE.isSet(words),
      pasids: entry.PASIDE.isSet(words),
      pageRequests: entry.PRE.isSet(words),
      hostPermissions: entry.HPTE.isSet(words),
      translatedPasids: entry.EPTR.isSet(words),
      directory: entry.PASIDDIRPTR.address(words),
      lastPasid,
      ridPasid: entry.RID_PASID.get(words),
      ridPrivileged: entry.RID_PRIV.isSet(words),
    };
    const check = (): Fault | null => {
      if (!entry.P.isSet(words)) return FAULTS.SCT_2;
      if (anySet(words, this.#contextReserved)) return FAULTS.SCT_3;
      if (context.pageRequests && !context.deviceTlb) return FAULTS.SCT_4_1;
      if (context.ridPasid > lastPasid) return FAULTS.SCT_4_2;
      return context.translatedPasids && !context.pasids ? FAULTS.SCT_4_3 : null;
    };
    return { ...context, fault: check() };
  }

  *#pasid(t: Translation<Fault>, context: ScalableContext, pasid: number): Walk<Space | Fault> {
    const key = keyOf(t.requester, pasid);
    const cached = this.pasids?.find(key, !t.effects) ?? null;
    if (this.probe !== null) this.probe.cache('PASID cache', cached !== null, `PASID ${pasid}`);
    if (this.counters !== null && t.effects) {
      this.counters.count(Event.PASID_CACHE_LOOKUP, t.requester, NO_DOMAIN, t.pasid, 0);
      if (cached !== null) this.counters.count(Event.PASID_CACHE_HIT, t.requester, cached.domain, t.pasid, 0);
    }
    if (cached !== null) return cached;
    const { memory } = t;
    // 7a. Directory entry.
    const directoryBytes = PASID_DIRECTORY_ENTRY.$.words * 4;
    yield memory.read(context.directory + Math.floor(pasid / 64) * directoryBytes, PASID_DIRECTORY_ENTRY.$.words);
    if (!memory.ok) return FAULTS.SPD_1;
    this.#tell(PASID_DIRECTORY_ENTRY.$, t);
    const directoryDisables = PASID_DIRECTORY_ENTRY.FPD.isSet(memory.words);
    t.faultDisable ||= directoryDisables;
    if (!PASID_DIRECTORY_ENTRY.P.isSet(memory.words)) return FAULTS.SPD_2;
    if (anySet(memory.words, this.#directoryReserved)) return FAULTS.SPD_3;
    // 7b. Table entry.
    const table = PASID_DIRECTORY_ENTRY.SMPTBLPTR.address(memory.words);
    yield memory.read(table + (pasid % 64) * PASID_ENTRY.$.words * 4, PASID_ENTRY.$.words);
    if (!memory.ok) return FAULTS.SPT_1;
    this.#tell(PASID_ENTRY.$, t);
    const decoded = this.format.decode(memory.words, pasid, context.hostPermissions);
    const space = { ...decoded, faultDisable: decoded.faultDisable || directoryDisables };
    if (this.pasids !== null && this.#era.mayFill(t)) {
      if (space.fault === null) this.pasids.insert(key, space);
      else if (this.#capabilities.has('CM')) this.pasids.insert(key, { ...space, domain: FAULTING_DOMAIN });
    }
    return space;
  }

  #tell({ name, words }: { readonly name: string; readonly words: number }, { memory }: Translation<Fault>): void {
    if (this.probe !== null) this.probe.read(name, memory.address, memory.words, words);
  }
}

const PASIDS = 2 ** 20;

/** PASID-cache entries belong to a requester and PASID. */
function keyOf(requester: number, pasid: number): number {
  return requester * PASIDS + pasid;
}

/** What the key of a PASID-cache entry stands for. */
export function pasidOf(key: number): { readonly requester: number; readonly pasid: number } {
  return { requester: Math.floor(key / PASIDS), pasid: key % PASIDS };
}
