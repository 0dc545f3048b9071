/**
 * The IOTLB as the steps of a translation use it (VT-d 6.2.4): look-ups and fills by requester, PASID and page, and what
 * an observer and the performance counters learn of them.
 */
import * as bits from '../bits/index.ts';
import { joinHalves, numberOf } from '../bits/index.ts';
import { radixLevel } from '../formats/index.ts';
import {
  Access,
  AddressType,
  DOMAIN,
  FLAGS,
  type IommuProbe,
  type Iotlb,
  isExecute,
  SHIFT,
  type Translation,
} from '../iommu/index.ts';
import * as iotlbEntry from './iotlb-entry.ts';
import { FOR_DEVICES, FOR_EXECUTION, NEEDS_NO_FLAG, unpack } from './iotlb-entry.ts';
import { Event, NO_DOMAIN, type PerformanceEvents } from './performance-events.ts';
import type { Space } from './space.ts';
import type { Fault } from './spec/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a fill.
const { pageLow } = bits;
const { entryFlags, ownerOf, pageHiOf } = iotlbEntry;

export class CachedTranslations {
  /** There is a probe, or somebody counts. */
  isObserved = false;
  readonly #iotlb: Iotlb | null;
  #probe: IommuProbe | null = null;
  #counters: PerformanceEvents | null = null;

  constructor(iotlb: Iotlb | null) {
    this.#iotlb = iotlb;
  }

  set probe(probe: IommuProbe | null) {
    this.#probe = probe;
    this.isObserved = probe !== null || this.#counters !== null;
  }

  set counters(counters: PerformanceEvents | null) {
    this.#counters = counters;
    this.isObserved = counters !== null || this.#probe !== null;
  }

  /**
   * Fills `t.leaf` from the IOTLB; false when it does not have the page, a write has to set a flag first, or the request
   * still has to pass a gate: a translation request that of the context entry, an execute request that of the PASID entry.
   */
  lookUp(t: Translation<Fault>): boolean {
    const iotlb = this.#iotlb;
    if (iotlb === null) return false;
    const owner = ownerOf(t);
    const pageHi = pageHiOf(t);
    const pageLo = pageLow(t.hi, t.lo);
    const i = t.effects ? iotlb.find(owner, pageHi, pageLo) : iotlb.peek(owner, pageHi, pageLo);
    const forDevices = t.addressType === AddressType.TRANSLATION ? FOR_DEVICES : 0;
    const forExecution = isExecute(t) ? FOR_EXECUTION : 0;
    const needed = forDevices | forExecution | ((t.access & Access.WRITE) !== 0 ? NEEDS_NO_FLAG : 0);
    const found = i >= 0 && (iotlb.words[i + FLAGS]! & needed) === needed;
    if (found) unpack(iotlb, i, t);
    if (this.#probe !== null) this.#tellLookUp(this.#probe, t, found);
    if (t.effects) this.#count(iotlb, t, found ? i : -1);
    return found;
  }

  /** Enters a translation into the IOTLB; `isNew` if a look-up has just missed it. */
  fill(t: Translation<Fault>, space: Space, isNew: boolean): void {
    const iotlb = this.#iotlb;
    if (iotlb === null) return;
    const { leaf } = t;
    const owner = ownerOf(t);
    const pageHi = pageHiOf(t);
    const pageLo = pageLow(t.hi, t.lo);
    const i = isNew ? iotlb.add(owner, pageHi, pageLo, leaf.shift) : iotlb.insert(owner, pageHi, pageLo, leaf.shift);
    iotlb.fill(i, leaf.frameHi, leaf.frameLo, entryFlags(t, space.kind), space.domain, space.pasid);
  }

  /** Entry `i` of the IOTLB has answered the request. */
  tellHit(iotlb: Iotlb, t: Translation<Fault>, i: number): void {
    this.#count(iotlb, t, i);
    this.#probe?.hit(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo));
  }

  /** A walk has ended well. */
  tellTranslated(t: Translation<Fault>): void {
    if (this.#probe === null || !t.effects) return;
    this.#probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), t.leaf.shift);
  }

  /** A look-up, which found entry `i` unless that is negative. */
  #count({ words }: Iotlb, { requester, pasid }: Translation<Fault>, i: number): void {
    const counters = this.#counters;
    if (counters === null) return;
    counters.count(Event.IOTLB_LOOKUP, requester, NO_DOMAIN, pasid, 0);
    if (i < 0) return;
    counters.count(Event.IOTLB_HIT, requester, words[i + DOMAIN]!, pasid, radixLevel(words[i + SHIFT]!) - 1);
  }

  #tellLookUp(probe: IommuProbe, t: Translation<Fault>, found: boolean): void {
    const address = joinHalves(t.hi, t.lo);
    probe.cache('IOTLB', found, `requester ${t.requester}, ${address}`);
    if (!t.effects) return;
    if (found) probe.hit(t.requester, address, t.leaf.placeOf(address));
    else probe.miss(t.requester, address);
  }
}
