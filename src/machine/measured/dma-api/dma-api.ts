/**
 * The DMA API of a kernel on several CPUs: I/O virtual addresses, page tables, deferred flushes, and invalidations through the queues
 * of units, each with what it costs a CPU and with the locks that CPUs take from each other.
 *
 * Surface: `DmaApi` (`map`, `unmap`) for scripts of CPUs; `dmaApi` runs CPUs that do nothing else and says how often and how long.
 *
 * Inaccuracies: tables are times, not memory, and never wait for each other (Linux exchanges their entries without a lock); what is
 * deferred is flushed by the CPU that has noted it, when it notes the next after the list is full or its time is up; an invalidation
 * waits for no request of a device.
 */
import { ceilingLog2, type PageNumber } from '../../../../hardware/bits/index.ts';
import { Engine, Random, Ring, type Script } from '../../../../hardware/sim/index.ts';
import type { PageBlock } from '../../../kernel/iommu/routed-translation.ts';
import { QueueOwner } from '../queue-owner.ts';
import { type Submitter, spreadParts } from '../unit-queue.ts';
import { Addresses } from './addresses.ts';
import { SHARES, type SharesOfTime, SimulatedCpu } from './cpu.ts';
import { SpinLock } from './lock.ts';
import { checkSetUp, type DmaApiSetUp, type DmaApiValues } from './values.ts';

interface Unit {
  readonly queue: QueueOwner;
  readonly lock: SpinLock;
}

/** Of a CPU: ranges that were unmapped and not forgotten, and when the first of them was noted. */
interface Deferred {
  ranges: PageNumber[];
  since: number;
}

export class DmaApi {
  readonly engine = new Engine();
  readonly cpus: readonly SimulatedCpu[];
  /** Since the start. */
  readonly counts = { maps: 0, unmaps: 0, mapping: 0, unmapping: 0, invalidations: 0 };
  readonly #values: DmaApiValues;
  readonly #mode: DmaApiSetUp['mode'];
  readonly #pages: number;
  readonly #addresses: Addresses;
  readonly #units: readonly Unit[];
  /** `null` where nobody keeps it. */
  readonly #domain: SpinLock | null;
  readonly #deferred: readonly Deferred[];
  readonly #submitters: readonly Submitter[];

  constructor(values: DmaApiValues, setUp: Omit<DmaApiSetUp, 'work' | 'seed'>) {
    checkSetUp(setUp);
    const { cpus, mode, pages = 1, outstanding = 1 } = setUp;
    const { engine } = this;
    this.#values = values;
    this.#mode = mode;
    this.#pages = pages;
    this.cpus = Array.from({ length: cpus }, (_, i) => new SimulatedCpu(engine, i));
    const live = mode === 'lazy' ? outstanding + values.flushEntries : outstanding;
    this.#addresses = new Addresses(engine, values, { cpus, pages, live });
    this.#units = Array.from({ length: values.units }, (_, i) => ({
      queue: new QueueOwner(values.machine, engine),
      lock: new SpinLock(engine, values, `invalidation queue ${i}`),
    }));
    this.#domain = values.domainLock === 1 ? new SpinLock(engine, values, 'the domain') : null;
    this.#deferred = this.cpus.map(() => ({ ranges: [], since: 0 }));
    this.#submitters = this.cpus.map((cpu) => submitter(cpu, this.#unitOf(cpu).lock));
  }

  /** The first page of a range of addresses that leads to memory from now on; 0 where addresses are memory's own. */
  *map(cpu: SimulatedCpu): Script<PageNumber> {
    const { mapTable, furtherPage, mapOther } = this.#values;
    const from = this.engine.now;
    let first: PageNumber = 0;
    if (this.#mode !== 'pass-through') {
      first = yield* this.#addresses.allocate(cpu);
      yield* cpu.spend('page-table', mapTable + furtherPage * (this.#pages - 1));
    }
    yield* cpu.spend('other', mapOther);
    this.counts.maps++;
    this.counts.mapping += this.engine.now - from;
    return first;
  }

  *unmap(cpu: SimulatedCpu, first: PageNumber): Script {
    const { unmapTable, furtherPage, unmapOther } = this.#values;
    const from = this.engine.now;
    yield* cpu.spend('other', unmapOther);
    if (this.#mode !== 'pass-through') {
      yield* this.#addresses.find(cpu);
      yield* cpu.spend('page-table', unmapTable + furtherPage * (this.#pages - 1));
      yield* this.#mode === 'strict' ? this.#forget(cpu, first) : this.#defer(cpu, first);
    }
    this.counts.unmaps++;
    this.counts.unmapping += this.engine.now - from;
  }

  *#forget(cpu: SimulatedCpu, page: PageNumber): Script {
    const mask = ceilingLog2(this.#pages);
    yield* this.#invalidate(cpu, { page, mask });
    yield* this.#addresses.release(cpu, page);
  }

  *#defer(cpu: SimulatedCpu, first: PageNumber): Script {
    const { note, flushEntries, flushTimeout } = this.#values;
    const deferred = this.#deferred[cpu.index]!;
    yield* cpu.spend('flush-queue', note);
    if (deferred.ranges.length === 0) deferred.since = this.engine.now;
    deferred.ranges.push(first);
    const isLate = this.engine.now - deferred.since >= flushTimeout * 1000;
    if (deferred.ranges.length < flushEntries && !isLate) return;
    yield* this.#invalidate(cpu, 'domain');
    for (const range of deferred.ranges.splice(0)) yield* this.#addresses.release(cpu, range);
  }

  *#invalidate(cpu: SimulatedCpu, what: PageBlock | 'domain'): Script {
    const { queue } = this.#unitOf(cpu);
    this.counts.invalidations++;
    if (this.#domain !== null) yield* this.#domain.acquire(cpu, 'queue-lock');
    yield* queue.submit([queue.ring.forget(what)], this.#submitters[cpu.index]);
    this.#domain?.release();
  }

  #unitOf({ index }: SimulatedCpu): Unit {
    return this.#units[index % this.#units.length]!;
  }
}

function submitter(cpu: SimulatedCpu, lock: SpinLock): Submitter {
  return {
    enter: (doing) => cpu.enter(doing),
    lock: () => lock.acquire(cpu, 'queue-lock'),
    unlock: () => lock.release(),
    part: spreadParts(),
  };
}

export interface DmaApiResult {
  /** Mappings that were made and taken back, by all CPUs and by each on the average. */
  readonly perSecond: number;
  readonly perSecondAndCpu: number;
  /** Mean nanoseconds from call to return. */
  readonly map: number;
  readonly unmap: number;
  /** For each mapping that was taken back. */
  readonly invalidations: number;
  /** Picoseconds of all CPUs, measured; the sum of `shares`. */
  readonly time: number;
  readonly shares: SharesOfTime;
}

/** Mappings of each CPU before the measurement, and of each on the average within; where flushes are deferred, lists of them. */
const [WARM_UP, MEASURED] = [50, 200];
const [WARM_UP_LISTS, MEASURED_LISTS] = [2, 4];
/** CPUs do not start at the same instant, but within so many nanoseconds. */
const START = 1000;

/** CPUs that map and unmap, each as often as it can. Throws an InputError for a set-up that cannot be. */
export function dmaApi(values: DmaApiValues, setUp: DmaApiSetUp): DmaApiResult {
  const api = new DmaApi(values, setUp);
  const random = new Random(setUp.seed);
  for (const cpu of api.cpus) {
    const script = mapAndUnmap(api, cpu, setUp, random.fork(`cpu ${cpu.index}`));
    api.engine.spawn(script, `CPU ${cpu.index}`);
  }
  const [warmUp, measured] =
    setUp.mode === 'lazy'
      ? [WARM_UP_LISTS * values.flushEntries, MEASURED_LISTS * values.flushEntries]
      : [WARM_UP, MEASURED];
  return measure(api, warmUp * setUp.cpus, measured * setUp.cpus);
}

function* mapAndUnmap(api: DmaApi, cpu: SimulatedCpu, setUp: DmaApiSetUp, random: Random): Script {
  const { outstanding = 1, work = 0 } = setUp;
  const mapped = new Ring<PageNumber>();
  yield* cpu.spend('work', random.below(START * 1000) / 1000);
  for (;;) {
    if (work > 0) yield* cpu.spend('work', random.below(2 * work * 1000 + 1) / 1000);
    mapped.push(yield* api.map(cpu));
    if (mapped.length >= outstanding) yield* api.unmap(cpu, mapped.shift());
  }
}

/** Lets `warmUp` mappings be taken back, and measures `measured` more. */
export function measure(api: DmaApi, warmUp: number, measured: number): DmaApiResult {
  const { engine, cpus, counts } = api;
  const until = (unmaps: number): void => {
    while (counts.unmaps < unmaps) if (!engine.step()) throw new Error('no CPU goes on');
  };
  until(warmUp);
  const from = { now: engine.now, counts: { ...counts }, shares: cpus.map((cpu) => cpu.taken()) };
  until(warmUp + measured);
  const shares = cpus.map((cpu) => cpu.taken());
  const passed = engine.now - from.now;
  const counted = (name: keyof typeof counts): number => counts[name] - from.counts[name];
  const perSecond = (counted('unmaps') * 1e12) / passed;
  return {
    perSecond,
    perSecondAndCpu: perSecond / cpus.length,
    map: counted('mapping') / counted('maps') / 1000,
    unmap: counted('unmapping') / counted('unmaps') / 1000,
    invalidations: counted('invalidations') / counted('unmaps'),
    time: passed * cpus.length,
    shares: Object.fromEntries(
      SHARES.map((share) => [share, shares.reduce((sum, one, i) => sum + one[share] - from.shares[i]![share], 0)]),
    ) as unknown as SharesOfTime,
  };
}
