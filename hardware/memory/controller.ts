/**
 * What memory costs: one queue in front of physical memory with a bandwidth, then a latency that accesses share.
 *
 * Surface: `reserve`, `read` and `write` for models that schedule their own events; `access`, `readBytes` and `writeBytes` as scripts;
 * `touch` and `warm` for what the CPU has touched; `state` counts. Accesses take effect in the order in which they were reserved, whatever
 * their size: who reserves a write and then a read reads what was written.
 *
 * Two specifications say more, of accesses by address (`read`, `write`). `hierarchy` puts a last-level cache with its contents, channels,
 * banks and another socket in front of the same latency. And what pcie-bench was run on was measured to have a cache by ranges, refresh,
 * slices of different distance, and lines that are still being read: there the last-level cache holds what the CPU touched last, and a
 * cached line costs no bandwidth.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import {
  type Component,
  type Duration,
  type Engine,
  type Instant,
  LinkClock,
  ns,
  ps,
  Rate,
  type Script,
} from '../sim/index.ts';
import { Hierarchy, type HierarchyCounts, type HierarchySpec } from './hierarchy.ts';
import { LineTimes } from './line-times.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { type MemoryOperation, OperationKind } from './port.ts';

export interface MemoryControllerSpec {
  /** Nanoseconds from an access leaving the queue to its effect. */
  readonly latency: number;
  /** Bandwidth; exact to a byte per microsecond. */
  readonly bytesPerNanosecond: number;
  /** The last-level cache: its size, and the nanoseconds of a read that it serves. */
  readonly cache?: { readonly bytes: number; readonly latency: number } | null;
  /** Nanoseconds that a read of the furthest slice takes beyond one of the nearest, whose latency is stated; 0 by default. */
  readonly slices?: number;
  /** Every `interval` nanoseconds all of DRAM is refreshed and answers nobody for `duration`. */
  readonly refresh?: { readonly interval: number; readonly duration: number } | null;
  /** Share of a read during which its line is kept from the next one; 0 by default. */
  readonly lineBusy?: number;
  /** In place of one queue and these four; `null` by default. */
  readonly hierarchy?: HierarchySpec | null;
}

/** One channel of DDR4-2933 behind a root complex. Not architectural. */
export const MEMORY_CONTROLLER: MemoryControllerSpec = { latency: 75, bytesPerNanosecond: 23.464 };

export interface MemoryControllerState extends Partial<HierarchyCounts> {
  accesses: number;
  bytes: number;
}

export class MemoryController implements Component<MemoryControllerSpec, MemoryControllerState> {
  readonly name: string;
  readonly spec: MemoryControllerSpec;
  readonly state: MemoryControllerState;
  readonly memory: PhysicalMemory;
  readonly #engine: Engine;
  readonly #latency: Duration;
  readonly #clock: LinkClock;
  /** `null` where a read costs the same as any access. */
  readonly #lines: LineTimes | null;
  readonly #hierarchy: Hierarchy | null;

  constructor(engine: Engine, memory: PhysicalMemory, spec = MEMORY_CONTROLLER, name = 'memory controller') {
    const bytesPerMicrosecond = Math.floor(spec.bytesPerNanosecond * 1000 + 0.5);
    this.name = name;
    this.spec = spec;
    this.memory = memory;
    this.#engine = engine;
    this.#latency = ns(spec.latency);
    this.#clock = new LinkClock(new Rate(bytesPerMicrosecond, ps(1_000_000)));
    const { cache = null, slices = 0, refresh = null, lineBusy = 0, hierarchy = null } = spec;
    const counts = { accesses: 0, bytes: 0, cacheHits: 0, cacheMisses: 0, writtenBack: 0 };
    this.#hierarchy = hierarchy && new Hierarchy(hierarchy, spec.latency, spec.bytesPerNanosecond, counts);
    this.state = hierarchy === null ? { accesses: 0, bytes: 0 } : counts;
    const isPlain = cache === null && refresh === null && slices === 0 && lineBusy === 0;
    this.#lines = isPlain ? null : new LineTimes({ latency: spec.latency, cache, slices, refresh, lineBusy });
  }

  /** Puts an access of `bytes` bytes into the queue; how long from now its effect takes place. */
  reserve(bytes: number): Duration {
    this.state.accesses++;
    this.state.bytes += bytes;
    const now = this.#engine.now;
    return (this.#clock.occupy(now, bytes) + this.#latency) as Duration;
  }

  /**
   * The same for a read of `bytes` bytes at the address with these halves, which lie in one line or are read as one; `isWritten` when a
   * device has written them into the cache.
   */
  read(hi: number, lo: number, bytes: number, isWritten = false): Duration {
    const lines = this.#lines;
    if (lines === null) return this.#hierarchy?.read(this.#engine.now, hi, lo, bytes, true) ?? this.reserve(bytes);
    this.state.accesses++;
    this.state.bytes += bytes;
    const { now } = this.#engine;
    const isCached = lines.isCached(hi, lo, isWritten);
    return lines.read(hi, lo, now, isCached ? 0 : this.#clock.occupy(now, bytes) | 0, isCached);
  }

  /** The same for who does not look into caches. */
  readPast(hi: number, lo: number, bytes: number): Duration {
    return this.#hierarchy?.read(this.#engine.now, hi, lo, bytes, false) ?? this.read(hi, lo, bytes);
  }

  /** The same for a write. */
  write(hi: number, lo: number, bytes: number): Duration {
    return this.#hierarchy?.write(this.#engine.now, hi, lo, bytes) ?? this.read(hi, lo, bytes);
  }

  /** The same at `now`, whatever the engine says, behind nobody: for who does not let time pass in order. */
  readAt(now: Instant, hi: number, lo: number, bytes: number, isWritten = false): Duration {
    const lines = this.#lines;
    this.state.accesses++;
    this.state.bytes += bytes;
    if (lines === null) return (this.#clock.rate.time(bytes) + this.#latency) as Duration;
    const isCached = lines.isCached(hi, lo, isWritten);
    return lines.read(hi, lo, now, isCached ? 0 : this.#clock.rate.time(bytes), isCached);
  }

  /** The CPU has touched the `length` bytes from `start` on, in this order, and nothing since. */
  warm(start: number, length: number): void {
    this.#lines?.warm(start, length);
  }

  /** The CPU reads or writes these bytes, in a time that is its own. */
  touch(address: number, bytes: number): void {
    this.#hierarchy?.touch(address, bytes);
  }

  /** Lets the time of the operation pass and then performs it. */
  *access(operation: MemoryOperation): Script<void> {
    const { kind, address, count } = operation;
    const access = kind === OperationKind.WRITE ? 'write' : 'read';
    yield this[access](highHalf(address), lowHalf(address), count * 4);
    this.memory.perform(operation);
  }

  /** `undefined` when any of the bytes does not exist. */
  *readBytes(address: number, length: number): Script<Uint8Array | undefined> {
    yield this.read(highHalf(address), lowHalf(address), length);
    return this.memory.read(address, length);
  }

  /** False, and nothing changed, when any of the bytes does not exist. */
  *writeBytes(address: number, bytes: Uint8Array): Script<boolean> {
    yield this.write(highHalf(address), lowHalf(address), bytes.length);
    return this.memory.write(address, bytes);
  }

  /** Forgets its queue and counts; what memory holds is reset with the memory. */
  reset(): void {
    this.#clock.reset();
    this.#lines?.reset();
    this.#hierarchy?.reset();
    this.state.accesses = 0;
    this.state.bytes = 0;
  }
}
