/**
 * What memory costs: one queue in front of physical memory with a bandwidth, then a latency that accesses share.
 *
 * Surface: `reserve` for models that schedule their own events; `access`, `readBytes` and `writeBytes` as scripts; `state`
 * counts. Accesses take effect in the order in which they were reserved, whatever their size: who reserves a write
 * and then a read reads what was written.
 *
 * Inaccuracies: no banks, rows, channels or caches; a read and a write cost the same.
 */
import { type Component, type Duration, type Engine, LinkClock, ns, ps, Rate, type Script } from '../sim/index.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import type { MemoryOperation } from './port.ts';

export interface MemoryControllerSpec {
  /** Nanoseconds from an access leaving the queue to its effect. */
  readonly latency: number;
  /** Bandwidth; exact to a byte per microsecond. */
  readonly bytesPerNanosecond: number;
}

/** One channel of DDR4-2933 behind a root complex. Not architectural. */
export const MEMORY_CONTROLLER: MemoryControllerSpec = { latency: 75, bytesPerNanosecond: 23.464 };

export interface MemoryControllerState {
  accesses: number;
  bytes: number;
}

export class MemoryController implements Component<MemoryControllerSpec, MemoryControllerState> {
  readonly name: string;
  readonly spec: MemoryControllerSpec;
  readonly state: MemoryControllerState = { accesses: 0, bytes: 0 };
  readonly memory: PhysicalMemory;
  readonly #engine: Engine;
  readonly #latency: Duration;
  readonly #clock: LinkClock;

  constructor(engine: Engine, memory: PhysicalMemory, spec = MEMORY_CONTROLLER, name = 'memory controller') {
    const bytesPerMicrosecond = Math.floor(spec.bytesPerNanosecond * 1000 + 0.5);
    this.name = name;
    this.spec = spec;
    this.memory = memory;
    this.#engine = engine;
    this.#latency = ns(spec.latency);
    this.#clock = new LinkClock(new Rate(bytesPerMicrosecond, ps(1_000_000)));
  }

  /** Puts an access of `bytes` bytes into the queue; how long from now its effect takes place. */
  reserve(bytes: number): Duration {
    this.state.accesses++;
    this.state.bytes += bytes;
    const now = this.#engine.now;
    return (this.#clock.reserve(now, bytes) - now + this.#latency) as Duration;
  }

  /** Lets the time of the operation pass and then performs it. */
  *access(operation: MemoryOperation): Script<void> {
    yield this.reserve(operation.count * 4);
    this.memory.perform(operation);
  }

  /** `undefined` when any of the bytes does not exist. */
  *readBytes(address: number, length: number): Script<Uint8Array | undefined> {
    yield this.reserve(length);
    return this.memory.read(address, length);
  }

  /** False, and nothing changed, when any of the bytes does not exist. */
  *writeBytes(address: number, bytes: Uint8Array): Script<boolean> {
    yield this.reserve(bytes.length);
    return this.memory.write(address, bytes);
  }

  /** Forgets its queue and counts; what memory holds is reset with the memory. */
  reset(): void {
    this.#clock.reset();
    this.state.accesses = 0;
    this.state.bytes = 0;
  }
}
