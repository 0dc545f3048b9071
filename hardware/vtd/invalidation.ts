/**
 * What an invalidation removes (VT-d 6.5.2, 6.5.1), whichever way it was asked for: by a descriptor in the queue or by
 * a register. Each operation removes exactly what the specification names and nothing more.
 */
import { joinHalves } from '../bits/index.ts';
import type { IommuProbe } from '../iommu/index.ts';
import { ContextGranularity, FunctionMask, IotlbGranularity } from './spec/index.ts';
import type { Translator } from './translator.ts';

export interface ContextInvalidation {
  readonly granularity: number;
  readonly domain: number;
  readonly requester: number;
  readonly functionMask: number;
}

export interface IotlbInvalidation {
  readonly granularity: number;
  readonly domain: number;
  readonly addressHi: number;
  readonly addressLo: number;
  /** The range has 2^order pages. */
  readonly order: number;
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

  /** Removes context-cache entries; false for a reserved granularity. */
  contexts({ granularity, domain, requester, functionMask }: ContextInvalidation): boolean {
    const { contexts } = this.#translator;
    const did = this.#domain(domain);
    const significant = ~(MASKED[functionMask] ?? 0);
    if (granularity === ContextGranularity.GLOBAL) {
      contexts?.clear();
    } else if (granularity === ContextGranularity.DOMAIN) {
      contexts?.removeWhere((_, context) => context.domain === did);
    } else if (granularity === ContextGranularity.DEVICE) {
      contexts?.removeWhere(
        (sid, context) => context.domain === did && (sid & significant) === (requester & significant),
      );
    } else {
      return false;
    }
    this.#done('context cache', { granularity, domain: did, requester });
    return true;
  }

  /** Removes IOTLB entries; false for a reserved granularity or one that the unit does not have. */
  iotlb({ granularity, domain, addressHi, addressLo, order }: IotlbInvalidation): boolean {
    const { iotlb, capabilities } = this.#translator;
    const did = this.#domain(domain);
    if (granularity === IotlbGranularity.GLOBAL) {
      iotlb?.clear();
    } else if (granularity === IotlbGranularity.DOMAIN) {
      iotlb?.removeDomain(did);
    } else if (granularity === IotlbGranularity.PAGE && capabilities.has('PSI')) {
      if (order > capabilities.maxAddressMask) return false;
      // Address bits at and above MGAW are ignored.
      const hi = addressHi & (2 ** (capabilities.guestAddressWidth - 32) - 1);
      iotlb?.removePages(did, hi >>> 12, (addressLo >>> 12) | (hi << 20), order);
    } else {
      return false;
    }
    this.#done('IOTLB', { granularity, domain: did, address: joinHalves(addressHi, addressLo), order });
    return true;
  }

  /** Empties every cache of DMA remapping. */
  everything(): void {
    this.#translator.contexts?.clear();
    this.#translator.iotlb?.clear();
    this.#done('all caches', {});
  }

  /** Domain-id bits above the width that the unit has are ignored. */
  #domain(domain: number): number {
    return domain & (2 ** this.#translator.capabilities.domainBits - 1);
  }

  #done(what: string, detail: Readonly<Record<string, number | bigint>>): void {
    this.#translator.era++;
    if (this.probe !== null) this.probe.invalidated(what, detail);
  }
}
