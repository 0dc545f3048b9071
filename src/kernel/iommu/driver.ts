/**
 * The only place to plug in an IOMMU: what the kernel asks of its driver. Everything above (groups, ioasids, pinning, who
 * may map what) is the same for all of them.
 *
 * Methods that can fail return 0 or a negative errno. -EIO means that hardware did not do as it was told: then nobody knows
 * what it still has cached, and whoever asked must not let go of the memory in question.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { PciDevice } from '../pci.ts';
import type { Unmapped } from './page-table.ts';

export interface IommuDriver {
  readonly name: string;
  /** Finds the hardware and makes it ready: from now on there can be domains, and devices can be attached to them. */
  probe(): Script<number>;
  /** Takes the hardware into service. From now on the DMA of devices that are not attached is blocked. */
  enable(): Script<number>;
  allocateDomain(): Script<IommuDomain | number>;
}

/** I/O virtual pages that can be mapped. */
export interface Geometry {
  readonly last: PageNumber;
  /** First and last page of ranges that devices cannot use for DMA. */
  readonly reserved: readonly (readonly [first: PageNumber, last: PageNumber])[];
}

/** True when a range of pages can be mapped. */
export function isPermitted(geometry: Geometry, first: PageNumber, pages: number): boolean {
  const last = first + pages - 1;
  if (last > geometry.last) return false;
  return geometry.reserved.every(([start, end]) => last < start || first > end);
}

/** One I/O page table and the devices that go through it. */
export interface IommuDomain {
  readonly driver: IommuDriver;
  readonly geometry: Geometry;
  /** True when DMA through this domain is coherent whatever the device asks for. */
  readonly enforcesSnoop: boolean;
  /** Routes a device's requests without PASID into this domain; it must be in none. */
  attach(device: PciDevice): Script<number>;
  /** Blocks the device's DMA. On success nothing of this domain is cached for it. */
  detach(device: PciDevice): Script<number>;
  /**
   * Maps `pages` pages from `first` on to consecutive frames, with superpages where they fit. Nothing may be mapped there.
   * On -ENOMEM a part may be mapped; unmap then removes it.
   */
  map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number>;
  /** What new mappings need before devices may use them. Called once after any number of `map`. */
  mapped(first: PageNumber, pages: number): Script<number>;
  /** Clears mappings; hardware may go on using them until `flush`. Holes are skipped, a mapping is never cut. */
  unmap(first: PageNumber, pages: number): Script<Unmapped>;
  /** Makes hardware forget what `unmap` cleared. */
  flush(unmapped: Unmapped): Script<number>;
  /** Frees the tables that `unmap` emptied, after `flush`. */
  reclaim(unmapped: Unmapped): void;
  /** Frees everything. No device may be attached. */
  destroy(): Script<void>;
}
