/**
 * What an invalidation removes: each command exactly what the sources name (fact sheet 4.3) and nothing more. Translations
 * belong to domains, not to devices.
 */
import { joinHalves, PAGE_SHIFT, pageLow } from '../bits/index.ts';
import { encodedShift } from '../formats/index.ts';
import type { IommuProbe, Iotlb, IotlbEntry } from '../iommu/index.ts';
import { NESTED } from './iotlb-entry.ts';
import type { Translator } from './translator.ts';

export interface PagesInvalidation {
  readonly domain: number;
  /** With GN; `null` for addresses of the host table. */
  readonly pasid: number | null;
  /** The address field of the command, as halves. */
  readonly hi: number;
  readonly lo: number;
  /** S: the address encodes a range. */
  readonly isRange: boolean;
  /** PDE: directory entries have changed too. */
  readonly directories: boolean;
}

/** 2^order pages around an address. */
export interface PageRange {
  readonly hi: number;
  readonly lo: number;
  readonly order: number;
}

/** Every page there is. */
const EVERYTHING: PageRange = { hi: 0, lo: 0, order: 52 };

export class Invalidator {
  probe: IommuProbe | null = null;
  readonly #translator: Translator;

  constructor(translator: Translator) {
    this.#translator = translator;
  }

  /** INVALIDATE_DEVTAB_ENTRY: a device's entry, both halves; not what was translated through it. */
  device(deviceId: number): void {
    this.#translator.devices.cache?.removeWhere((key) => key === deviceId);
    this.#done('device table cache', { device: deviceId });
  }

  /** INVALIDATE_IOMMU_PAGES. */
  pages(what: PagesInvalidation): void {
    const { iotlb, hosts, guests } = this.#translator;
    const { domain, pasid, directories } = what;
    const range = rangeOf(what);
    const pageHi = range.hi >>> 12;
    const pageLo = pageLow(range.hi, range.lo);
    const remove = (cache: Iotlb | null, select: (entry: IotlbEntry) => boolean): void => {
      cache?.removeOverlapping(pageHi, pageLo, range.order, (entry) => entry.domain === domain && select(entry));
    };
    if (pasid !== null) {
      const isOwn = (entry: IotlbEntry): boolean => entry.pasid === pasid;
      remove(iotlb, isOwn);
      if (directories) {
        remove(guests.directory.cache, isOwn);
        guests.gcr3.cache?.removeWhere((_, top) => top.domain === domain && top.pasid === pasid);
      }
    } else {
      remove(iotlb, isOfHost);
      // What a guest table leads to over the host table is not found by a host address: all of the domain goes.
      iotlb?.removeWhere((entry) => entry.domain === domain && (entry.flags & NESTED) !== 0);
      guests.directory.cache?.removeWhere((entry) => entry.domain === domain);
      guests.gcr3.cache?.removeWhere((_, top) => top.domain === domain);
      if (directories) remove(hosts.directory.cache, isOfHost);
    }
    this.#done('IOTLB', { domain, ...told(range), ...(pasid === null ? {} : { pasid }) });
  }

  /** INVALIDATE_IOMMU_ALL, and what a reset does. */
  everything(): void {
    this.#translator.clear();
    this.#done('all caches', {});
  }

  #done(what: string, detail: Readonly<Record<string, number | bigint>>): void {
    this.#translator.era.end();
    if (this.probe !== null) this.probe.invalidated(what, detail);
  }
}

/** The range that address and S of a command name. */
export function rangeOf({ hi, lo, isRange }: Pick<PagesInvalidation, 'hi' | 'lo' | 'isRange'>): PageRange {
  if (!isRange) return { hi, lo, order: 0 };
  // 7FFF_FFFF_FFFF_Fh is everything, and so is an address without any 0.
  const shift = encodedShift(hi, lo, 63);
  return shift === 0 ? EVERYTHING : { hi, lo, order: shift - 12 };
}

/** The range by its first address; nothing of what is everything. */
function told(range: PageRange): Readonly<Record<string, number | bigint>> {
  if (range === EVERYTHING) return {};
  const { hi, lo, order } = range;
  return { address: joinHalves(hi, lo) & (-1n << BigInt(PAGE_SHIFT + order)), order };
}

function isOfHost(entry: IotlbEntry): boolean {
  return entry.pasid < 0;
}
