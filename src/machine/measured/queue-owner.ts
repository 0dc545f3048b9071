/**
 * A core that has the unit forget something and waits for it, as drivers do: descriptors and a wait into the ring, the tail to the
 * unit, then look at the status and at the fault register by turns until the status is there. Several may: each waits for a status of
 * its own, and lets others have the lock of the queue from one look to the next. Looks of one wait fall elsewhere than those of the
 * one before, as they do where times are not as regular as here: who wants one number takes the mean of several waits.
 *
 * Inaccuracies: what the driver computes besides costs nothing, and neither does the lock where there is one core.
 */
import { encode, joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Engine, ns, Ring, type Script } from '../../../hardware/sim/index.ts';
import type { VtdUnit } from '../../../hardware/vtd/index.ts';
import { IQA, IQT, PasidTranslationType } from '../../../hardware/vtd/spec/index.ts';
import { describe, describeWait } from '../../kernel/vtd/descriptors.ts';
import type { Command } from '../../kernel/vtd/invalidation.ts';
import { intelCapabilities } from '../capabilities.ts';
import {
  INVALIDATING_MACHINES,
  type InvalidatingMachine,
  type InvalidatingMachineName,
} from './invalidating-machines.ts';
import { WrittenTables } from './tables.ts';
import { command, legacyRoot, ScalableRoot, startUnit, unitOf } from './units.ts';

/** Of the device that the unit serves. */
export const REQUESTER = 0x0300;
const [RING, STATUS, TABLES, END] = [0x2000, 0x4000, 0x10_0000, 0x20_0000];
const SLOTS = 256;
/** Bytes from the status of one slot to the next. */
const STATUS_BYTES = 8;
/** Bytes; IQT counts them too. */
const [NARROW, WIDE] = [16, 32];
/** By its multiples, points of a circle spread most evenly. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const RULES = { drain: { DR: 1, DW: 1 }, throttles: false } as const;

/** A core among others that have the queue, too: what it is doing, and the lock. */
export interface Submitter {
  enter(doing: 'queue' | 'invalidation'): void;
  lock(): Script;
  unlock(): void;
  /** Which part of a look goes by before the first one of a wait. */
  part(): number;
}

/** Parts of one that spread as evenly as can be: every wait another. */
export function spreadParts(): () => number {
  let part = 0.5;
  return () => {
    part = (part + GOLDEN) % 1;
    return part;
  };
}

/** Slots of a batch that its owner has not seen the end of. */
interface Batch {
  readonly slots: number;
  ended: boolean;
}

export class QueueOwner {
  readonly engine: Engine;
  readonly unit: VtdUnit;
  /** What the unit sends to devices beside invalidations, and its interrupts. */
  onResponse: () => void = () => {};
  onInterrupt: () => void = () => {};
  readonly #machine: InvalidatingMachine;
  /** Bytes of a descriptor. */
  readonly #bytes: number;
  readonly #memory = new PhysicalMemory([[0, END]]);
  #tail = 0;
  #sequence = 0;
  /** A full ring would look empty. */
  #free = SLOTS - 1;
  readonly #batches = new Ring<Batch>();
  readonly #alone: Submitter = { enter: () => {}, *lock() {}, unlock: () => {}, part: spreadParts() };

  constructor(name: InvalidatingMachineName, engine = new Engine()) {
    const machine = INVALIDATING_MACHINES[name];
    const { scalable, cache, dram, fetch, device } = machine;
    this.engine = engine;
    const memory = this.#memory;
    const controller = new MemoryController(engine, memory, {
      latency: dram.value,
      bytesPerNanosecond: 1000,
      cache: { bytes: END, latency: cache.value },
    });
    controller.warm(0, END);
    const spec = {
      ...unitOf(intelCapabilities[machine.unit]),
      iotlb: { sets: 1, ways: 128 },
      contextCache: { sets: 16, ways: 4 },
    };
    const tables = new WrittenTables(memory, TABLES);
    const stage = { PGTT: PasidTranslationType.FIRST_STAGE, FSPTPTR: tables.table() / PAGE_SIZE, DID: 1 };
    const root = scalable ? new ScalableRoot(tables).add(REQUESTER, stage) : legacyRoot(tables, REQUESTER, {});
    const unit = startUnit(spec, memory, root, () => this.onInterrupt());
    this.unit = unit;
    this.#machine = machine;
    this.#bytes = scalable ? WIDE : NARROW;
    new TimedIommu(engine, unit, controller, { lookup: 0, requests: 1, walkers: 1, fetch: fetch.value });
    const [lo = 0, hi = 0] = encode(IQA, { IQA: RING / PAGE_SIZE, QS: scalable ? 1 : 0, DW: scalable ? 1 : 0 });
    unit.write(IQA.$.offset!, 8, joinHalves(hi, lo));
    command(unit, { TE: 1, QIE: 1 });
    unit.devices.awaitsCompletions = true;
    unit.devices.taker = (message) => {
      if (message.kind !== 'invalidate') {
        this.onResponse();
        return;
      }
      const completion = { requester: message.requester, tags: 1 << message.tag!, count: 1 };
      engine.schedule(ns(device.value), { handle: () => unit.completeInvalidation(completion) }, 0);
    };
  }

  /** From the first descriptor of the first batch to the end of the last one. */
  nanoseconds(...batches: readonly (readonly Command[])[]): number {
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
  *submit(commands: readonly Command[], core = this.#alone): Script {
    const { register, descriptor, cache } = this.#machine;
    const { unit } = this;
    yield* core.lock();
    core.enter('queue');
    const batch = { slots: commands.length + 1, ended: false };
    if (batch.slots >= SLOTS) throw new Error(`a batch of ${commands.length} descriptors: the ring takes ${SLOTS - 2}`);
    while (this.#free < batch.slots) {
      core.unlock();
      yield ns(cache.value);
      yield* core.lock();
      core.enter('queue');
    }
    this.#free -= batch.slots;
    this.#batches.push(batch);
    const sequence = ++this.#sequence;
    for (const one of commands) this.#put(describe(one, RULES));
    const status = STATUS + this.#tail * STATUS_BYTES;
    this.#put(describeWait(status, sequence));
    yield ns(descriptor.value * batch.slots);
    // A posted write: the core goes on, and what it reads of the unit comes behind it.
    const tail = BigInt(this.#tail * this.#bytes);
    this.engine.schedule(ns(register.value / 2), { handle: () => unit.write(IQT.$.offset!, 8, tail) }, 0);
    core.enter('invalidation');
    yield ns(register.value * core.part());
    while (Number(this.#memory.read64(status) & 0xffff_ffffn) !== sequence) {
      yield ns(register.value);
      core.unlock();
      yield* core.lock();
      core.enter('invalidation');
    }
    yield ns(cache.value);
    this.#reclaim(batch);
    core.unlock();
  }

  /** Slots are free again in their order. */
  #reclaim(batch: Batch): void {
    batch.ended = true;
    while (this.#batches.first?.ended === true) this.#free += this.#batches.shift().slots;
  }

  #put(words: Uint32Array): void {
    const at = RING + this.#tail * this.#bytes;
    for (let i = 0; i < this.#bytes / 4; i += 2) {
      this.#memory.write64(at + i * 4, joinHalves(words[i + 1] ?? 0, words[i] ?? 0));
    }
    this.#tail = (this.#tail + 1) % SLOTS;
  }
}

/** Waits of which a mean is taken. */
const WAITS = 32;

/** Nanoseconds from the first descriptor of a batch to its end, on the average over where the core's looks fall. */
export function meanWait(machine: InvalidatingMachineName, batch: readonly Command[]): number {
  return new QueueOwner(machine).nanoseconds(...Array.from({ length: WAITS }, () => batch)) / WAITS;
}

/** Nanoseconds that a core saves that asks both the unit and a device to forget a page, and waits once. */
export function savedByBatching(machine: InvalidatingMachineName): number {
  const page = { pasid: 0, page: 1 as PageNumber, mask: 0 } as const;
  const unit = { cache: 'pasid iotlb', scope: 'page', did: 1, leafOnly: true, ...page } as const;
  const device = { cache: 'device-tlb', sid: REQUESTER, ...page } as const;
  return meanWait(machine, [unit]) + meanWait(machine, [device]) - meanWait(machine, [unit, device]);
}
