/**
 * A core that has the unit of either vendor forget something and waits for it, as drivers do: commands and a wait into the ring, the
 * tail to the unit, then look at what the wait stores until it is there. Several may: each waits for a number of its own. Looks of one
 * wait may fall elsewhere than those of the one before (`Submitter.part`): who wants one number takes the mean of several waits.
 *
 * Inaccuracies: what the driver computes besides costs nothing, and neither does the lock where there is one core; places of the ring
 * are free again when their owner has seen the end of them, also on AMD, where the driver reads how far the unit is.
 */
import { joinHalves } from '../../../hardware/bits/index.ts';
import { type DeviceMessage, TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Engine, ns, Ring, type Script } from '../../../hardware/sim/index.ts';
import type { Command as AmdCommand } from '../../kernel/amd/commands.ts';
import type { Command as VtdCommand } from '../../kernel/vtd/invalidation.ts';
import { AmdQueue } from './amd-queue.ts';
import {
  INVALIDATING_MACHINES,
  type InvalidatingMachine,
  type InvalidatingMachineName,
  type VtdMachine,
} from './invalidating-machines.ts';
import { END, RING, type Submitter, spreadParts, type UnitQueue } from './unit-queue.ts';
import { VtdQueue } from './vtd-queue.ts';

/** What the driver of a machine's unit asks for. */
type CommandOf<Name> = Name extends InvalidatingMachineName
  ? (typeof INVALIDATING_MACHINES)[Name] extends VtdMachine
    ? VtdCommand
    : AmdCommand
  : never;

/** Slots of a batch that its owner has not seen the end of. */
interface Batch {
  readonly slots: number;
  ended: boolean;
}

export class QueueOwner<Name extends InvalidatingMachineName = InvalidatingMachineName> {
  readonly engine: Engine;
  readonly ring: UnitQueue<CommandOf<Name>>;
  /** What the unit sends to devices, and its interrupts. */
  onMessage: (message: DeviceMessage) => void = () => {};
  onInterrupt: () => void = () => {};
  readonly #machine: InvalidatingMachine;
  readonly #memory = new PhysicalMemory([[0, END]]);
  #tail = 0;
  #sequence = 0;
  #free: number;
  readonly #batches = new Ring<Batch>();
  readonly #alone: Submitter = { enter: () => {}, *lock() {}, unlock: () => {}, part: spreadParts() };

  constructor(name: Name, engine = new Engine()) {
    const machine = INVALIDATING_MACHINES[name];
    const { cache, dram, fetch, device } = machine;
    this.engine = engine;
    const memory = this.#memory;
    const controller = new MemoryController(engine, memory, {
      latency: dram.value,
      bytesPerNanosecond: 1000,
      cache: { bytes: END, latency: cache.value },
    });
    controller.warm(0, END);
    const surroundings = { memory, raise: () => this.onInterrupt() };
    const ring = machine.vendor === 'intel' ? new VtdQueue(machine, surroundings) : new AmdQueue(machine, surroundings);
    this.ring = ring as unknown as UnitQueue<CommandOf<Name>>;
    this.#machine = machine;
    // A full ring would look empty.
    this.#free = ring.slots - 1;
    const { unit } = ring;
    new TimedIommu(engine, unit, controller, { lookup: 0, requests: 1, walkers: 1, fetch: fetch.value });
    unit.devices.awaitsCompletions = true;
    unit.devices.taker = (message) => {
      this.onMessage(message);
      if (message.kind !== 'invalidate') return;
      const completion = { requester: message.requester, tags: 1 << message.tag!, count: 1 };
      engine.schedule(ns(device.value), { handle: () => unit.completeInvalidation(completion) }, 0);
    };
  }

  /** From the first descriptor of the first batch to the end of the last one. */
  nanoseconds(...batches: readonly (readonly CommandOf<Name>[])[]): number {
    const from = this.engine.now;
    const owner = this;
    this.engine.runUntilDone(
      this.engine.spawn(
        (function* (): Script {
          for (const batch of batches) yield* owner.submit(batch);
        })(),
      ),
    );
    return (this.engine.now - from) / 1000;
  }

  /** One batch, and the wait for it. */
  *submit(commands: readonly CommandOf<Name>[], core = this.#alone): Script {
    const { descriptor, cache } = this.#machine;
    const { ring } = this;
    yield* core.lock();
    core.enter('queue');
    const batch = { slots: commands.length + 1, ended: false };
    if (batch.slots >= ring.slots) {
      throw new Error(`a batch of ${commands.length} descriptors: the ring takes ${ring.slots - 2}`);
    }
    while (this.#free < batch.slots) {
      core.unlock();
      yield ns(cache.value);
      yield* core.lock();
      core.enter('queue');
    }
    this.#free -= batch.slots;
    this.#batches.push(batch);
    const sequence = ++this.#sequence;
    const last = (this.#tail + commands.length) % ring.slots;
    const all = [...commands.map((one) => ring.describe(one)), ring.describeWait(last, sequence)];
    for (const told of ring.tellsEach ? all.map((one) => [one]) : [all]) {
      for (const one of told) this.#put(one);
      yield ns(descriptor.value * told.length);
      this.#tell();
    }
    core.enter('invalidation');
    yield* ring.await(core, () => ring.isDone(last, sequence));
    this.#reclaim(batch);
  }

  /** A posted write: the core goes on, and what it reads of the unit comes behind it. */
  #tell(): void {
    const tail = this.#tail;
    this.engine.schedule(ns(this.#machine.register.value / 2), { handle: () => this.ring.tell(tail) }, 0);
  }

  /** Slots are free again in their order. */
  #reclaim(batch: Batch): void {
    batch.ended = true;
    while (this.#batches.first?.ended === true) this.#free += this.#batches.shift().slots;
  }

  #put(words: Uint32Array): void {
    const { slots, slotBytes } = this.ring;
    const at = RING + this.#tail * slotBytes;
    for (let i = 0; i < slotBytes / 4; i += 2) {
      this.#memory.write64(at + i * 4, joinHalves(words[i + 1] ?? 0, words[i] ?? 0));
    }
    this.#tail = (this.#tail + 1) % slots;
  }
}

/** Waits of which a mean is taken. */
const WAITS = 32;

/** Nanoseconds from the first descriptor of a batch to its end, on the average over where the core's looks fall. */
export function meanWait<Name extends InvalidatingMachineName>(name: Name, batch: readonly CommandOf<Name>[]): number {
  return new QueueOwner(name).nanoseconds(...Array.from({ length: WAITS }, () => batch)) / WAITS;
}

/** Nanoseconds that a core saves that asks both the unit and a device to forget a page, and waits once. */
export function savedByBatching(name: InvalidatingMachineName): number {
  const page = { page: 1, mask: 0 };
  const { ring } = new QueueOwner(name);
  const [unit, device] = [ring.forget(page), ring.forgetOnDevice(page)];
  return meanWait(name, [unit]) + meanWait(name, [device]) - meanWait(name, [unit, device]);
}
