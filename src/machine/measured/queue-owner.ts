/**
 * A core that has the unit forget something and waits for it, as drivers do: descriptors and a wait into the ring, the tail to the
 * unit, then look at the status and at the fault register by turns until the status is there.
 *
 * Inaccuracies: the lock and what the driver computes besides cost nothing.
 */
import { encode, joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Engine, ns, type Script } from '../../../hardware/sim/index.ts';
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
import { command, legacyRoot, scalableRoot, startUnit } from './units.ts';

/** Of the device that the unit serves. */
export const REQUESTER = 0x0300;
const [RING, STATUS, TABLES, END] = [0x2000, 0x4000, 0x10_0000, 0x20_0000];
const SLOTS = 256;
/** Bytes; IQT counts them too. */
const [NARROW, WIDE] = [16, 32];
const RULES = { drain: { DR: 1, DW: 1 }, throttles: false } as const;

export class QueueOwner {
  readonly engine = new Engine();
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

  constructor(name: InvalidatingMachineName) {
    const machine = INVALIDATING_MACHINES[name];
    const { scalable, cache, dram, fetch, device } = machine;
    const { engine } = this;
    const memory = this.#memory;
    const controller = new MemoryController(engine, memory, {
      latency: dram.value,
      bytesPerNanosecond: 1000,
      cache: { bytes: END, latency: cache.value },
    });
    controller.warm(0, END);
    const { ver, cap, ecap, hostAddressWidth } = intelCapabilities[machine.unit];
    const spec = {
      capabilities: { ver: BigInt(ver), cap: BigInt(cap), ecap: BigInt(ecap) },
      hostAddressWidth,
      faultCompression: true,
      iotlb: { sets: 1, ways: 128 },
      contextCache: { sets: 16, ways: 4 },
    };
    const tables = new WrittenTables(memory, TABLES);
    const stage = { PGTT: PasidTranslationType.FIRST_STAGE, FSPTPTR: tables.table() / PAGE_SIZE, DID: 1 };
    const root = scalable ? scalableRoot(tables, REQUESTER, stage) : legacyRoot(tables, REQUESTER, {});
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

  /** Nanoseconds that a core saves that asks both the unit and a device to forget a page, and waits once. */
  savedByBatching(): number {
    const page = { pasid: 0, page: 1 as PageNumber, mask: 0 } as const;
    const unit = { cache: 'pasid iotlb', scope: 'page', did: 1, leafOnly: true, ...page } as const;
    const device = { cache: 'device-tlb', sid: REQUESTER, ...page } as const;
    return this.nanoseconds([unit], [device]) - this.nanoseconds([unit, device]);
  }

  /** One batch, and the wait for it. */
  *submit(commands: readonly Command[]): Script {
    const { register, descriptor, cache } = this.#machine;
    const { unit } = this;
    this.#sequence++;
    for (const one of commands) this.#put(describe(one, RULES));
    this.#put(describeWait(STATUS, this.#sequence));
    yield ns(descriptor.value * (commands.length + 1));
    // A posted write: the core goes on, and what it reads of the unit comes behind it.
    const tail = BigInt(this.#tail * this.#bytes);
    this.engine.schedule(ns(register.value / 2), { handle: () => unit.write(IQT.$.offset!, 8, tail) }, 0);
    while (Number(this.#memory.read64(STATUS) & 0xffff_ffffn) !== this.#sequence) yield ns(register.value);
    yield ns(cache.value);
  }

  #put(words: Uint32Array): void {
    const at = RING + this.#tail * this.#bytes;
    for (let i = 0; i < this.#bytes / 4; i += 2) {
      this.#memory.write64(at + i * 4, joinHalves(words[i + 1] ?? 0, words[i] ?? 0));
    }
    this.#tail = (this.#tail + 1) % SLOTS;
  }
}
