/**
 * CPUs that use nothing of the DMA API but its I/O virtual addresses, all at the same time: each gives back its oldest range and takes
 * another, as a ring of a device has them do.
 */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import { Engine, ns, Random, Ring, type Script } from '../../../../hardware/sim/index.ts';
import { Addresses } from './addresses.ts';
import { SimulatedCpu } from './cpu.ts';
import { dmaApiValues } from './machines.ts';

/** Whether freed ranges stay with the CPU that has freed them, as in Linux since 4.9, or all go back to the tree. */
export const IOVA_CACHES = ['none', 'per core'] as const;

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

/** Lets cores take `ranges` ranges each on the average, when all hold theirs and have given some back. */
export function measureIova({ cores, pages, caches, held, work, seed }: IovaLoad, ranges: number): IovaRates {
  const engine = new Engine();
  const values = { ...dmaApiValues('linux-6'), caches: caches === 'per core' ? 1 : 0 };
  const addresses = new Addresses(engine, values, { cpus: cores, pages, live: held });
  const cpus = Array.from({ length: cores }, (_, i) => new SimulatedCpu(engine, i));
  let given = 0;
  let taken = 0;

  function* run(cpu: SimulatedCpu): Script {
    const mine = new Ring<PageNumber>();
    const random = new Random(seed).fork(`core ${cpu.index}`);
    for (;;) {
      if (mine.length === held) {
        yield* addresses.release(cpu, mine.shift());
        given++;
      }
      mine.push(yield* addresses.allocate(cpu));
      taken++;
      cpu.enter('work');
      if (work > 0) yield ns(random.between(0, 2 * work));
    }
  }

  /** Picoseconds that cores have had to do with addresses up to now, when so many more were given back and taken. */
  function after(more: number): number {
    const [lastGiven, lastTaken] = [given + more, taken + more];
    while (given < lastGiven || taken < lastTaken) engine.step();
    return cpus.map((cpu) => cpu.taken()).reduce((sum, taken) => sum + taken.iova + taken['iova-lock'], 0);
  }

  for (const cpu of cpus) engine.spawn(run(cpu), `core ${cpu.index}`);
  const before = after(held * cores);
  const from = engine.now;
  const all = ranges * cores;
  const spent = after(all) - before;
  return { rate: (all * 1e6) / (engine.now - from), each: spent / all / 1000 };
}
