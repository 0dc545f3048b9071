/** I/O virtual addresses for several CPUs: caches of each, a depot and a tree behind locks. */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import type { Engine, Script } from '../../../../hardware/sim/index.ts';
import { Gaps } from '../../../kernel/dma/gaps.ts';
import { isCached, sizeOf } from '../../../kernel/dma/iova-allocator.ts';
import { IovaMagazines } from '../../../kernel/dma/iova-magazines.ts';
import type { SimulatedCpu } from './cpu.ts';
import { SpinLock } from './lock.ts';
import type { DmaApiValues } from './values.ts';

/** Addresses of 48 bits. */
const LAST: PageNumber = 2 ** 36 - 1;

export interface AddressUse {
  readonly cpus: number;
  readonly pages: number;
  readonly live: number;
}

export class Addresses {
  readonly #values: DmaApiValues;
  readonly #gaps = new Gaps();
  readonly #tree: SpinLock;
  readonly #depot: SpinLock;
  /** Of ranges of this many pages; `null` where each comes from the tree. */
  readonly #magazines: IovaMagazines | null;
  readonly #pages: number;

  /** Ranges of `pages` pages each, of which a CPU has up to `live`: this machine has run for long, and its caches have as many. */
  constructor(engine: Engine, values: DmaApiValues, { cpus, pages, live }: AddressUse) {
    this.#values = values;
    this.#tree = new SpinLock(engine, values, 'the tree of addresses');
    this.#depot = new SpinLock(engine, values, 'the depot of addresses');
    this.#magazines = values.caches === 1 && isCached(pages) ? new IovaMagazines(cpus, values.depot) : null;
    this.#pages = sizeOf(pages);
    this.#gaps.add(1, LAST + 1);
    if (this.#magazines === null) return;
    for (let i = 0; i < cpus * live; i++) this.#fill(this.#magazines, i % cpus);
  }

  *allocate(cpu: SimulatedCpu): Script<PageNumber> {
    if (this.#magazines !== null) {
      yield* cpu.spend('iova', this.#values.allocateCached);
      const first = this.#magazines.take(cpu.index) ?? (yield* this.#reload(cpu, this.#magazines));
      if (first !== undefined) return first;
    }
    yield* this.#tree.acquire(cpu, 'iova-lock');
    yield* cpu.spend('iova', this.#values.allocateSearched);
    const first = this.#gaps.take(this.#pages, LAST);
    this.#tree.release();
    if (first < 0) throw new Error('there are no I/O virtual addresses left');
    return first;
  }

  /** What an address that is given back belongs to. */
  *find(cpu: SimulatedCpu): Script {
    if (this.#values.find === 0) return;
    yield* this.#tree.acquire(cpu, 'iova-lock');
    yield* cpu.spend('iova', this.#values.find);
    this.#tree.release();
  }

  *release(cpu: SimulatedCpu, first: PageNumber): Script {
    if (this.#magazines === null) {
      yield* this.#return(cpu, [first]);
      return;
    }
    yield* cpu.spend('iova', this.#values.freeCached);
    if (this.#magazines.put(cpu.index, first)) return;
    yield* this.#depot.acquire(cpu, 'iova-lock');
    const left = this.#magazines.putFull(cpu.index);
    this.#depot.release();
    this.#magazines.put(cpu.index, first);
    if (left.length > 0) yield* this.#return(cpu, left);
  }

  #fill(magazines: IovaMagazines, cpu: number): void {
    const first = this.#gaps.take(this.#pages, LAST);
    if (magazines.put(cpu, first)) return;
    for (const left of magazines.putFull(cpu)) this.#gaps.add(left, left + this.#pages);
    magazines.put(cpu, first);
  }

  *#reload(cpu: SimulatedCpu, magazines: IovaMagazines): Script<PageNumber | undefined> {
    yield* this.#depot.acquire(cpu, 'iova-lock');
    const isFull = magazines.takeFull(cpu.index);
    this.#depot.release();
    return isFull ? magazines.take(cpu.index) : undefined;
  }

  *#return(cpu: SimulatedCpu, ranges: readonly PageNumber[]): Script {
    yield* this.#tree.acquire(cpu, 'iova-lock');
    yield* cpu.spend('iova', this.#values.freeSearched * ranges.length);
    for (const first of ranges) this.#gaps.add(first, first + this.#pages);
    this.#tree.release();
  }
}
