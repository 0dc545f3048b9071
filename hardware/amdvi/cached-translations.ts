/**
 * The IOTLB as the steps of a translation use it: look-ups and fills by context, PASID and page, and what an observer and
 * the performance counters learn of them.
 */
import * as bits from '../bits/index.ts';
import { joinHalves, numberOf } from '../bits/index.ts';
import {
  Access,
  type EntryCache,
  type IommuProbe,
  type Iotlb,
  NO_DOMAIN,
  type PerformanceEvents,
  type Translation,
} from '../iommu/index.ts';
import type { DeviceEntry } from './device-table.ts';
import * as iotlbEntry from './iotlb-entry.ts';
import { type PageQualities, unpack } from './iotlb-entry.ts';
import { CounterSource } from './spec/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a fill.
const { pageLow } = bits;
const { entryFlags, ownerOf, pageHiOf } = iotlbEntry;

export class CachedTranslations {
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  /** Cached device table entries. */
  devices: EntryCache<DeviceEntry> | null = null;
  readonly #iotlb: Iotlb | null;
  readonly #page: PageQualities;

  /** `page` goes with `t.leaf`: what a look-up finds, and what is entered. */
  constructor(iotlb: Iotlb | null, page: PageQualities) {
    this.#iotlb = iotlb;
    this.#page = page;
  }

  /** Fills `t.leaf` and `page` from the IOTLB; false when it does not have the page, or a write has to set a flag first. */
  lookUp(t: Translation, { domain, context }: DeviceEntry, pasid: number): boolean {
    const iotlb = this.#iotlb;
    if (iotlb === null) return false;
    const owner = ownerOf(context, pasid);
    const pageHi = pageHiOf(t.hi, pasid);
    const pageLo = pageLow(t.hi, t.lo);
    const i = t.effects ? iotlb.find(owner, pageHi, pageLo) : iotlb.peek(owner, pageHi, pageLo);
    if (i >= 0) unpack(iotlb, i, t, this.#page);
    const found = i >= 0 && (t.leaf.dirty || (t.access & Access.WRITE) === 0);
    this.count(t, found ? CounterSource.MEM_IOMMU_TLB_PTE_HIT : CounterSource.MEM_IOMMU_TLB_PTE_MISS);
    if (this.probe !== null) this.#tellLookUp(this.probe, t, found, domain);
    return found;
  }

  /** Enters `t.leaf` and `page` into the IOTLB; `isNew` if a look-up has just missed the page. */
  fill(t: Translation, { domain, context }: DeviceEntry, pasid: number, isNew: boolean): void {
    const iotlb = this.#iotlb;
    if (iotlb === null) return;
    const { leaf } = t;
    const owner = ownerOf(context, pasid);
    const pageHi = pageHiOf(t.hi, pasid);
    const pageLo = pageLow(t.hi, t.lo);
    const i = isNew ? iotlb.add(owner, pageHi, pageLo, leaf.shift) : iotlb.insert(owner, pageHi, pageLo, leaf.shift);
    iotlb.fill(i, leaf.frameHi, leaf.frameLo, entryFlags(t, this.#page), domain, pasid);
  }

  /** Something has happened to a request. */
  count(t: Translation, event: number): void {
    if (this.counters !== null && t.effects) this.counters.count(event, t.requester, t.domain, t.pasid, 0);
  }

  /** The IOTLB alone has answered the request of a device whose entry was in the cache. */
  tellHit(t: Translation): void {
    t.domain = this.devices?.find(t.requester, true)?.domain ?? 0;
    this.counters?.count(CounterSource.MEM_DTE_HIT, t.requester, NO_DOMAIN, t.pasid, 0);
    this.count(t, CounterSource.MEM_IOMMU_TLB_PTE_HIT);
    this.count(t, CounterSource.MEM_TRANS_TOTAL);
    this.probe?.hit(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo));
  }

  /** A walk has ended well. */
  tellTranslated(t: Translation): void {
    if (this.probe === null || !t.effects) return;
    this.probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), t.leaf.shift);
  }

  #tellLookUp(probe: IommuProbe, t: Translation, found: boolean, domain: number): void {
    const address = joinHalves(t.hi, t.lo);
    probe.cache('IOTLB', found, `domain ${domain}, ${address}`);
    if (!t.effects) return;
    if (found) probe.hit(t.requester, address, t.leaf.placeOf(address));
    else probe.miss(t.requester, address);
  }
}
