/**
 * Protected memory regions (VT-d 11.4.8): host memory that no device reaches, whatever the remapping tables say.
 *
 * Offers: `active`, which is `null` unless a region is on; `blocks` for a request that has its host address. A blocked
 * request is no remapping fault: nothing is recorded. What the unit itself reads and writes is exempt.
 *
 * The regions are those that the registers name when EPM becomes 1; software must not change them while PRS is 1.
 */
import { numberOf, type RegisterFile } from '../bits/index.ts';
import { AddressType, type Translation, type Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import { PHMBASE, PHMLIMIT, PLMBASE, PLMLIMIT, PMEN } from './spec/index.ts';

/** Bits N:0 of every base and limit are not implemented: regions are whole multiples of 2 ** (N + 1) bytes. */
export const PROTECTED_REGION_N = { first: 11, last: 30, usual: 20 } as const;

interface Region {
  readonly first: number;
  readonly last: number;
}

const WORD = 32;

export class ProtectedMemory {
  /** EPM as it was last taken over. */
  #enabled = false;
  /** Regions that are on. */
  #regions: readonly Region[] = [];
  readonly #file: RegisterFile;
  readonly #capabilities: Capabilities;
  readonly #n: number;
  readonly #start: (walk: Walk) => void;
  readonly #changed: () => void;

  /** `start` carries out work of the unit; `changed` is called when protection goes on or off. */
  constructor(
    file: RegisterFile,
    capabilities: Capabilities,
    n: number,
    start: (walk: Walk) => void,
    changed: () => void,
  ) {
    const { first, last } = PROTECTED_REGION_N;
    if (!Number.isInteger(n) || n < first || n > last) {
      throw new RangeError(`protectedRegionN: ${n} is not a whole number from ${first} to ${last}`);
    }
    this.#file = file;
    this.#capabilities = capabilities;
    this.#n = n;
    this.#start = start;
    this.#changed = changed;
    this.#narrow();
    file.onWrite(PMEN.$.offset!, () => this.#command());
  }

  /** Itself while there is something to block. */
  get active(): this | null {
    return this.#regions.length === 0 ? null : this;
  }

  /**
   * True when an answered request would reach a protected region. Older units let through what they remap themselves:
   * `viaTables` says that tables or the IOTLB gave the address.
   */
  blocks(t: Translation, viaTables: boolean): boolean {
    if (t.addressType === AddressType.TRANSLATION) return false;
    if (viaTables && !this.#capabilities.protectsRemapped) return false;
    const address = numberOf(t.hpaHi, t.hpaLo);
    // A region begins and ends with a page, and no request crosses one.
    for (const { first, last } of this.#regions) if (address >= first && address <= last) return true;
    return false;
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#enabled = false;
    this.#regions = [];
    this.#changed();
  }

  /** The bits that the bases and limits do not have: N to 0, and those beyond the host's addresses. */
  #narrow(): void {
    const low = 2 ** (this.#n + 1) - 1;
    for (const { $ } of [PLMBASE, PLMLIMIT, PHMBASE, PHMLIMIT]) this.#file.withholdBits($.offset!, low);
    const high = -(2 ** (this.#capabilities.hostAddressWidth - WORD));
    for (const { $ } of [PHMBASE, PHMLIMIT]) this.#file.withholdBits($.offset! + 4, high);
  }

  /** Software wrote PMEN. PRS follows EPM once the requests before the change have been answered. */
  #command(): void {
    const { words } = this.#file;
    const wanted = PMEN.EPM.isSet(words);
    if (wanted === this.#enabled) return;
    this.#enabled = wanted;
    this.#regions = wanted ? this.#named() : [];
    this.#changed();
    this.#start(this.#settle());
  }

  *#settle(): Walk {
    const { words } = this.#file;
    yield new MemoryOperation().barrier();
    PMEN.PRS.set(words, PMEN.EPM.isSet(words) ? 1 : 0);
  }

  /** The regions that the registers name. A limit below its base names none. */
  #named(): Region[] {
    const { words } = this.#file;
    const low = 2 ** (this.#n + 1) - 1;
    const regions: Region[] = [];
    if (this.#capabilities.has('PLMR')) {
      regions.push({ first: PLMBASE.PLMB.get(words), last: PLMLIMIT.PLML.get(words) + low });
    }
    if (this.#capabilities.has('PHMR')) {
      regions.push({ first: PHMBASE.PHMB.get(words), last: PHMLIMIT.PHML.get(words) + low });
    }
    return regions.filter(({ first, last }) => first <= last);
  }
}
