/**
 * What an invalidation removes (VT-d 6.5.2, tables 23 and 24), whichever way it was asked for: by a descriptor in the
 * queue or by a register. Each operation removes exactly what the specification names and nothing more, unless a machine says so.
 */
import { joinHalves, pageLow } from '../bits/index.ts';
import { radixLevel } from '../formats/index.ts';
import type { IommuProbe, Iotlb, IotlbEntry } from '../iommu/index.ts';
import { kindOf } from './iotlb-entry.ts';
import { Kind } from './space.ts';
import { ContextGranularity, FunctionMask, Granularity, IotlbGranularity, TranslationTableMode } from './spec/index.ts';
import type { Translator } from './translator.ts';

export interface ContextInvalidation {
  readonly granularity: number;
  readonly domain: number;
  readonly requester: number;
  readonly functionMask: number;
}

export interface PasidInvalidation {
  readonly granularity: number;
  readonly domain: number;
  readonly pasid: number;
}

export interface IotlbInvalidation {
  readonly granularity: number;
  readonly domain: number;
  readonly addressHi: number;
  readonly addressLo: number;
  /** The range has 2^order pages. */
  readonly order: number;
  /** IH: only leaf entries have changed, so that paging structures may stay. */
  readonly leavesOnly: boolean;
}

export interface PasidIotlbInvalidation extends IotlbInvalidation {
  readonly pasid: number;
}

export interface HostPermissionInvalidation extends Omit<IotlbInvalidation, 'leavesOnly'> {
  /** IH: what comes from the tables of these many lowest levels. */
  readonly levels: number;
}

/** Bits of a requester id that a function mask leaves out. */
const MASKED: Readonly<Record<number, number>> = {
  [FunctionMask.NONE]: 0,
  [FunctionMask.BIT_2]: 0b100,
  [FunctionMask.BITS_2_1]: 0b110,
  [FunctionMask.BITS_2_0]: 0b111,
};

export class Invalidator {
  probe: IommuProbe | null = null;
  readonly #translator: Translator;

  constructor(translator: Translator) {
    this.#translator = translator;
  }

  /** RTADDR.TTM, which takes effect with SRTP (VT-d 11.4.5). */
  get mode(): number {
    return this.#translator.root.mode;
  }

  /** Removes context-cache entries; false for a reserved granularity. */
  contexts({ granularity, domain, requester, functionMask }: ContextInvalidation): boolean {
    const { legacy, scalable } = this.#translator;
    const did = this.#domain(domain);
    const significant = ~(MASKED[functionMask] ?? 0);
    const isRequester = (sid: number): boolean => (sid & significant) === (requester & significant);
    // In scalable mode the cache has no domain ids: a domain-selective command acts as a global one.
    const isScalable = this.mode === TranslationTableMode.SCALABLE;
    if (granularity === ContextGranularity.GLOBAL || (granularity === ContextGranularity.DOMAIN && isScalable)) {
      legacy.cache?.clear();
      scalable.contexts?.clear();
    } else if (granularity === ContextGranularity.DOMAIN) {
      legacy.cache?.removeWhere((_, context) => context.domain === did);
    } else if (granularity === ContextGranularity.DEVICE) {
      legacy.cache?.removeWhere((sid, context) => (isScalable || context.domain === did) && isRequester(sid));
      scalable.contexts?.removeWhere(isRequester);
    } else {
      return false;
    }
    this.#done('context cache', { granularity, domain: did, requester });
    return true;
  }

  /** Removes PASID-cache entries; false for a reserved granularity. */
  pasids({ granularity, domain, pasid }: PasidInvalidation): boolean {
    const { pasids } = this.#translator.scalable;
    const { DOMAIN, PASID, GLOBAL } = Granularity.PASID_CACHE;
    const did = this.#domain(domain);
    if (granularity === GLOBAL) pasids?.clear();
    else if (granularity === DOMAIN) pasids?.removeWhere((_, space) => space.domain === did);
    else if (granularity === PASID) {
      pasids?.removeWhere((_, space) => space.pasid === pasid && (space.domain === did || space.fault !== null));
    } else return false;
    this.#done('PASID cache', { granularity, domain: did, pasid });
    return true;
  }

  /** Removes what `iotlb_inv_dsc` names; false for a granularity that is reserved or that the unit does not have. */
  iotlb(what: IotlbInvalidation): boolean {
    const { iotlb, firstStage, secondStage, capabilities } = this.#translator;
    const { granularity, order, addressHi, addressLo } = what;
    const domain = this.#domain(what.domain);
    if (granularity === IotlbGranularity.GLOBAL) {
      for (const cache of [iotlb, firstStage.structures, secondStage.structures]) cache?.clear();
    } else if (granularity === IotlbGranularity.DOMAIN) {
      for (const cache of [iotlb, firstStage.structures, secondStage.structures]) cache?.removeDomain(domain);
    } else if (granularity === IotlbGranularity.PAGE && capabilities.has('PSI')) {
      if (order > capabilities.maxAddressMask) return false;
      // Address bits at and above MGAW are ignored.
      const hi = addressHi & (2 ** (capabilities.guestAddressWidth - 32) - 1);
      const [pageHi, pageLo] = [hi >>> 12, pageLow(hi, addressLo)];
      // What a first stage takes part in is not found by a second-stage address: the whole domain goes.
      iotlb?.removeWhere((entry) => entry.domain === domain && usesFirstStage(entry));
      iotlb?.removePages(domain, pageHi, pageLo, order);
      firstStage.structures?.removeDomain(domain);
      if (!what.leavesOnly) {
        if (this.#translator.forgetsWholeStructures) secondStage.structures?.removeDomain(domain);
        else secondStage.structures?.removePages(domain, pageHi, pageLo, order);
      }
    } else {
      return false;
    }
    this.#done('IOTLB', { granularity, domain, address: joinHalves(addressHi, addressLo), order });
    return true;
  }

  /** Removes what `p_iotlb_inv_dsc` names; false for a reserved granularity. */
  pasidIotlb(what: PasidIotlbInvalidation): boolean {
    const { iotlb, firstStage } = this.#translator;
    const { granularity, pasid, order, addressHi, addressLo } = what;
    const domain = this.#domain(what.domain);
    const isOwn = (entry: IotlbEntry): boolean => entry.domain === domain && entry.pasid === pasid;
    if (granularity === Granularity.PASID_IOTLB.PASID) {
      iotlb?.removeWhere(isOwn);
      firstStage.structures?.removeWhere(isOwn);
    } else if (granularity === Granularity.PASID_IOTLB.PAGE) {
      const [pageHi, pageLo] = [addressHi >>> 12, pageLow(addressHi, addressLo)];
      const remove = (cache: Iotlb | null, select: (entry: IotlbEntry) => boolean): void => {
        cache?.removeOverlapping(pageHi, pageLo, order, select);
      };
      remove(iotlb, (entry) => isOwn(entry) && usesFirstStage(entry));
      if (!what.leavesOnly) remove(firstStage.structures, isOwn);
    } else {
      return false;
    }
    this.#done('PASID IOTLB', { granularity, domain, pasid, address: joinHalves(addressHi, addressLo), order });
    return true;
  }

  /** Removes what `hpt_inv_desc` names; false for a reserved granularity. */
  hostPermissions(what: HostPermissionInvalidation): boolean {
    const { hostPermissions, capabilities } = this.#translator;
    const { cache } = hostPermissions;
    const { granularity, order, levels, addressHi, addressLo } = what;
    const domain = this.#domain(what.domain);
    const isNamed = (entry: IotlbEntry): boolean => entry.domain === domain && radixLevel(entry.shift) <= levels;
    if (granularity === Granularity.HPT_CACHE.GLOBAL) {
      cache?.clear();
    } else if (granularity === Granularity.HPT_CACHE.DOMAIN) {
      cache?.removeWhere(isNamed);
    } else if (granularity === Granularity.HPT_CACHE.PAGE) {
      // Address bits at and above HAW are ignored.
      const hi = addressHi & (2 ** (capabilities.hostAddressWidth - 32) - 1);
      cache?.removeOverlapping(hi >>> 12, pageLow(hi, addressLo), order, isNamed);
    } else {
      return false;
    }
    this.#done('host permission cache', { granularity, domain, address: joinHalves(addressHi, addressLo), order });
    return true;
  }

  /** Empties every cache of DMA remapping. */
  everything(): void {
    const { legacy, scalable, iotlb, firstStage, secondStage, hostPermissions } = this.#translator;
    hostPermissions.cache?.clear();
    for (const cache of [legacy.cache, scalable.contexts, scalable.pasids]) cache?.clear();
    for (const cache of [iotlb, firstStage.structures, secondStage.structures]) cache?.clear();
    this.#done('all caches', {});
  }

  /** Domain-id bits above the width that the unit has are ignored. */
  #domain(domain: number): number {
    return domain & (2 ** this.#translator.capabilities.domainBits - 1);
  }

  #done(what: string, detail: Readonly<Record<string, number | bigint>>): void {
    this.#translator.era.end();
    if (this.probe !== null) this.probe.invalidated(what, detail);
  }
}

function usesFirstStage({ flags }: IotlbEntry): boolean {
  const kind = kindOf(flags);
  return kind === Kind.FIRST_STAGE || kind === Kind.NESTED;
}
