/**
 * The I/O virtual addresses of a domain that drivers inside the kernel share: who has which, and when they, the tables and
 * the memory behind them can be used again.
 *
 * `strict`: an unmap waits until hardware has forgotten. `lazy`: an unmap only clears entries; hardware forgets many at once
 * later, and until then a device may reach what was unmapped; without memory for what waits it is `strict`. When hardware does not answer (-EIO), nothing is ever used
 * again.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { type Engine, ns, type Script } from '../../../hardware/sim/index.ts';
import { EIO, ENOSPC } from '../../uapi/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { IommuDomain } from '../iommu/driver.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { Unmapped } from '../iommu/page-table.ts';
import type { KernelLog } from '../log.ts';
import type { PageRun } from '../page-run.ts';
import { FlushQueue } from './flush-queue.ts';
import { type AllocateOptions, IovaAllocator } from './iova-allocator.ts';

/** When an unmapped address can be used again: when its unmap returns, or after a later flush of many. */
export type DmaPolicy = 'strict' | 'lazy';

export interface SpaceServices {
  readonly engine: Engine;
  readonly iommu: Iommu;
  readonly cost: KernelCosts;
  readonly log: KernelLog;
  readonly policy: DmaPolicy;
  readonly faultPoints: FaultPoints;
}

export class DmaSpace {
  readonly domain: IommuDomain;
  readonly #services: SpaceServices;
  readonly #addresses: IovaAllocator;
  /** `null` with the strict policy. */
  readonly #queue: FlushQueue | null;
  /** How often hardware did not forget, and how many of these a later flush has made up for. */
  #failures = 0;
  #settled = 0;

  /** `reserved`: what the domain's own geometry does not know of. */
  constructor(services: SpaceServices, domain: IommuDomain, reserved: readonly PageRun[]) {
    const { engine, policy } = services;
    const { last, reserved: ownReserved } = domain.geometry;
    const ranges = reserved.map(({ first, pages }) => [first, first + pages - 1] as const);
    this.domain = domain;
    this.#services = services;
    this.#addresses = new IovaAllocator({ last, reserved: [...ownReserved, ...ranges] });
    const isLazy = policy === 'lazy' && !services.faultPoints.refuses('flush queue');
    if (policy === 'lazy' && !isLazy) services.log.write('dma: no memory for a flush queue; each unmap waits');
    this.#queue = isLazy ? new FlushQueue(engine, (waiting) => this.#flush(waiting)) : null;
  }

  /** Pages of addresses that nobody has. */
  get free(): number {
    return this.#addresses.free;
  }

  /** Addresses for this many pages: the first page, or -ENOSPC. */
  *allocate(pages: number, options: AllocateOptions): Script<PageNumber | number> {
    if (this.#services.faultPoints.refuses('I/O virtual addresses')) return -ENOSPC;
    const first = this.#addresses.allocate(pages, options);
    yield ns(this.#price());
    return first;
  }

  /** Maps frames at addresses that `allocate` gave: 0, or why not, and the addresses are given back where they can be. */
  *map(first: PageNumber, frames: Float64Array, protection: Protection): Script<number> {
    const result = yield* this.#services.iommu.map(this.domain, first, frames, protection);
    if (result === -EIO) this.#lose(frames.length);
    else if (result < 0) yield ns(this.#release({ first, pages: frames.length }));
    return result;
  }

  /** `released` is called when no device can reach the memory any more: maybe later, and never with -EIO. */
  *unmap(run: PageRun, released: () => void): Script<number> {
    const { iommu } = this.#services;
    if (this.#queue !== null) {
      const unmapped = yield* iommu.unmapLater(this.domain, run.first, run.pages);
      yield* this.#queue.add({ unmapped, released });
      return 0;
    }
    // Others may map neighbours, and use them, before hardware has forgotten.
    const result = yield* iommu.unmap(this.domain, run.first, run.pages, 'covered');
    if (result < 0) this.#lose(run.pages);
    if (result < 0) return result;
    yield ns(this.#release(run));
    released();
    return 0;
  }

  /** Unmaps all of these and waits until hardware has forgotten everything that was ever unmapped: 0 or -EIO. */
  *withdraw(runs: readonly PageRun[]): Script<number> {
    const drained = this.#queue === null ? 0 : yield* this.#queue.close();
    const waiting: Unmapped[] = [];
    for (const { first, pages } of runs)
      waiting.push(yield* this.#services.iommu.unmapLater(this.domain, first, pages));
    if (drained === 0 && waiting.length === 0 && this.#settled === this.#failures) return 0;
    return yield* this.#flush(waiting);
  }

  /** Makes hardware forget the whole domain, and gives back the addresses of what was unmapped. */
  *#flush(waiting: readonly Unmapped[]): Script<number> {
    const before = this.#failures;
    const result = yield* this.#services.iommu.flushAll(this.domain, waiting);
    if (result < 0) for (const { pages } of waiting) this.#lose(pages);
    if (result < 0) return result;
    this.#settled = Math.max(this.#settled, before);
    yield ns(waiting.reduce((sum, run) => sum + this.#release(run), 0));
    return 0;
  }

  /** Gives addresses back; what that costs. */
  #release({ first, pages }: PageRun): number {
    this.#addresses.release(first, pages);
    return this.#price();
  }

  #lose(pages: number): void {
    this.#failures++;
    this.#services.log.write(`dma: hardware does not forget; ${pages} pages of addresses are never used again`);
  }

  #price(): number {
    const { iovaSearch, iovaCached } = this.#services.cost;
    return this.#addresses.searched ? iovaSearch : iovaCached;
  }
}
