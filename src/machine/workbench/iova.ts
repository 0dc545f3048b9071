/**
 * Cores that map and unmap at the same time, as far as the kernel's allocator of I/O virtual addresses is concerned: each gives back
 * its oldest range and takes another. The tree has a lock, and so has a cache that all share.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { Engine, ns, Random, type Script, Semaphore, Signal } from '../../../hardware/sim/index.ts';
import { IovaAllocator } from '../../kernel/dma/iova-allocator.ts';
import { DEFAULT_COSTS } from '../../kernel/index.ts';

export const IOVA_CACHES = ['shared', 'per core'] as const;

export interface IovaLoad {
  readonly cores: number;
  /** Of a range. */
  readonly pages: number;
  readonly caches: (typeof IOVA_CACHES)[number];
  /** Ranges that each core holds at a time. */
  readonly held: number;
  /** Nanoseconds of everything else that a core does between two ranges: at random, up to twice this. */
  readonly work: number;
  readonly seed: number;
}

export interface IovaRates {
  /** Millions of ranges each second, of all cores together. */
  readonly rate: number;
  /** Nanoseconds of a core for each range, without its other work. */
  readonly each: number;
}

/** Pages of a 48-bit space; the last one of a device that reaches all of it. */
const LAST: PageNumber = 2 ** 36 - 1;

/** Lets each core take `ranges` ranges, when all hold theirs and have given some back. */
export function measureIova({ cores, pages, caches, held, work, seed }: IovaLoad, ranges: number): IovaRates {
  const engine = new Engine();
  const perCore = caches === 'per core';
  const allocator = new IovaAllocator({ last: LAST, reserved: [], cpus: perCore ? cores : 1 });
  const lock = new Semaphore(engine, 1, 'the lock of the tree');
  const { iovaSearch, iovaCached } = DEFAULT_COSTS;

  const warmUp = held + held;
  const ready = new Signal(engine);
  let isReady = 0;
  let from = 0;
  function everybodyIsReady(): Signal {
    if (++isReady === cores) {
      from = engine.now;
      ready.fire();
    }
    return ready;
  }

  /** An operation and what it costs; whoever has a cache of his own takes the lock only where that does not help. */
  function* paid(operation: () => void): Script {
    if (!perCore) yield lock.acquire();
    operation();
    const { searched: searches } = allocator;
    if (perCore && searches) yield lock.acquire();
    yield ns(searches ? iovaSearch : iovaCached);
    if (!perCore || searches) lock.release();
  }

  function* core(number: number): Script {
    const cpu = perCore ? number : 0;
    const mine: PageNumber[] = [];
    const random = new Random(seed).fork(`core ${number}`);
    for (let i = 0; i < warmUp + ranges; i++) {
      if (i === warmUp) yield everybodyIsReady();
      if (mine.length === held) yield* paid(() => allocator.release(mine.shift()!, pages, cpu));
      yield* paid(() => mine.push(allocator.allocate(pages, { last: LAST, emptyCache: false, cpu })));
      if (work > 0) yield ns(random.between(0, 2 * work));
    }
  }

  for (let cpu = 0; cpu < cores; cpu++) engine.spawn(core(cpu), `core ${cpu}`);
  engine.run();
  const nanoseconds = (engine.now - from) / 1000;
  return { rate: (cores * ranges * 1000) / nanoseconds, each: nanoseconds / ranges - work };
}
