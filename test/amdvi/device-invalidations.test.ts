/** INVALIDATE_IOTLB_PAGES of devices that answer, late or not at all (fact sheet 4.1, 4.3, 5). */
import { describe, expect, it } from 'vitest';
import { type DeviceMessage, type IommuUnit, TIMED_IOMMU, TimedIommu } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Engine, ns } from '../../hardware/sim/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';

/** EFR.GTSup: commands may name PASIDs. */
const GT_SUP = 0x10n;
const DEVICE = 0x0108;
const COMMANDS = 0x1_0000;
const EVENTS = 0x2_0000;
const STATUS = 0x3_0000;
const RING = 0x0800_0000_0000_0000n;
/** IommuEn, EventLogEn, CmdBufEn. */
const ON = 0x1005n;
const IN_TIME = (code: bigint): bigint => code << 5n;

type Command = readonly [bigint, bigint];
/** Device 0108h, queue 0108h, PASID 12345h, GN, page 7000h. */
const WITH_PASID: Command = [0x4145_0108_2023_0108n, 0x7004n];
const invalidate = ({ device = DEVICE, queue = 1, most = 32 } = {}): Command => [
  (4n << 60n) | (BigInt(queue) << 32n) | (BigInt(most) << 24n) | BigInt(device),
  0x7000n,
];
const wait = (data: bigint): Command => [(1n << 60n) | BigInt(STATUS) | 1n, data];

/** A unit whose devices answer when the test says so. */
class Unit {
  readonly memory = new PhysicalMemory([[0, 0x100_0000]]);
  readonly sent: DeviceMessage[] = [];
  readonly unit = bareUnit({ features: { efr: GT_SUP }, hostAddressWidth: 48 }, { memory: this.memory });
  #tail = 0;

  constructor(around: (unit: IommuUnit<never>, memory: PhysicalMemory) => void = () => {}) {
    const { unit } = this;
    around(unit as unknown as IommuUnit<never>, this.memory);
    unit.devices.awaitsCompletions = true;
    unit.devices.taker = (message) => this.sent.push(message);
    unit.write(0x08, 8, BigInt(COMMANDS) | RING);
    unit.write(0x10, 8, BigInt(EVENTS) | RING);
    this.control(0n);
  }

  control(inTime: bigint): this {
    this.unit.write(0x18, 8, ON | IN_TIME(inTime));
    return this;
  }

  submit(...commands: readonly Command[]): this {
    for (const [lo, hi] of commands) {
      this.memory.write64(COMMANDS + this.#tail, lo);
      this.memory.write64(COMMANDS + this.#tail + 8, hi);
      this.#tail += 16;
    }
    this.unit.write(0x2008, 8, BigInt(this.#tail));
    return this;
  }

  answer(tags: number, { requester = DEVICE, count = 1 } = {}): void {
    this.unit.completeInvalidation({ requester, tags, count });
  }

  get tags() {
    return this.sent.map((message) => (message.kind === 'invalidate' ? message.tag : undefined));
  }

  /** What the last COMPLETION_WAIT has stored. */
  get stored(): bigint {
    return this.memory.read64(STATUS);
  }

  /** Events in the log. */
  get events(): bigint[][] {
    const count = Number(this.unit.read(0x2018, 8)) / 16;
    return Array.from({ length: count }, (_, i) => [0, 8].map((half) => this.memory.read64(EVENTS + i * 16 + half)));
  }
}

describe('COMPLETION_WAIT', () => {
  it('behind invalidations of device-TLBs completes when the devices have completed them.', () => {
    const one = new Unit().submit(WITH_PASID, invalidate(), wait(7n));
    expect(one.sent).toEqual([
      {
        kind: 'invalidate',
        requester: DEVICE,
        pasid: 0x12345,
        global: false,
        address: 0x7000n,
        isRange: false,
        tag: 0,
      },
      {
        kind: 'invalidate',
        requester: DEVICE,
        pasid: undefined,
        global: false,
        address: 0x7000n,
        isRange: false,
        tag: 1,
      },
    ]);
    expect(one.stored).toBe(0n);
    one.answer(0b01);
    expect(one.stored).toBe(0n);
    one.answer(0b10);
    expect(one.stored).toBe(7n);
    expect(one.unit.read(0x2000, 8), 'the head').toBe(0x30n);
  });

  it('does not take a completion of another device for one.', () => {
    const one = new Unit().submit(invalidate(), wait(7n));
    one.answer(1, { requester: 0x0200 });
    expect(one.stored).toBe(0n);
    one.answer(1, { count: 2 });
    expect(one.stored, 'the first of two messages').toBe(0n);
    one.answer(1, { count: 2 });
    expect(one.stored).toBe(7n);
  });
});

describe('INVALIDATE_IOTLB_PAGES', () => {
  it('waits while Maxpend invalidations of its QueueID are under way; another queue counts for itself.', () => {
    proves('INVALIDATE_IOTLB_PAGES.Maxpend', 'INVALIDATE_IOTLB_PAGES.QueueID');
    const most = 2;
    const one = new Unit().submit(invalidate({ most }), invalidate({ most }), invalidate({ queue: 2, most: 1 }));
    expect(one.tags).toEqual([0, 1, 2]);
    one.submit(invalidate({ most }), wait(7n));
    expect(one.tags, 'the queue is full').toEqual([0, 1, 2]);
    one.answer(0b100);
    expect(one.tags, 'it was not of this queue').toEqual([0, 1, 2]);
    one.answer(0b001);
    expect(one.tags).toEqual([0, 1, 2, 0]);
    one.answer(0b011);
    expect(one.stored).toBe(7n);
  });

  it('waits for one of 32 ITags where Maxpend allows more.', () => {
    const one = new Unit().submit(...Array.from({ length: 33 }, () => invalidate({ most: 0 })));
    expect(one.sent).toHaveLength(32);
    one.answer(1 << 5);
    expect(one.tags[32]).toBe(5);
  });

  it('that is not answered in time is logged with its device and the address of the command; processing goes on.', () => {
    proves('Control.InvTimeOut', 'IOTLB_INV_TIMEOUT.DeviceID', 'IOTLB_INV_TIMEOUT.Address');
    const one = new Unit().control(4n).submit(invalidate(), invalidate({ device: 0x0200 }), wait(7n));
    one.answer(1);
    one.unit.expireInvalidations();
    expect(one.events).toEqual([[0x7000_0000_0000_0200n, 0x1_0010n]]);
    expect(one.stored).toBe(7n);
    one.answer(2, { requester: 0x0200 });
    expect(one.events, 'a late answer is no event').toHaveLength(1);
  });

  it.each([0n, 7n])('has all the time that it needs with InvTimeOut %i.', (code) => {
    const one = new Unit().control(code).submit(invalidate(), wait(7n));
    one.unit.expireInvalidations();
    expect([one.events, one.stored]).toEqual([[], 0n]);
    one.answer(1);
    expect(one.stored).toBe(7n);
  });

  it('is forgotten by a reset.', () => {
    const one = new Unit().control(1n).submit(invalidate());
    one.unit.reset();
    one.control(1n).unit.expireInvalidations();
    expect(one.events).toEqual([]);
  });
});

describe('In simulated time', () => {
  it.each([
    { code: 1n, milliseconds: 1 },
    { code: 2n, milliseconds: 10 },
    { code: 3n, milliseconds: 100 },
    { code: 4n, milliseconds: 1000 },
    { code: 5n, milliseconds: 10_000 },
    { code: 6n, milliseconds: 100_000 },
  ])('InvTimeOut $code gives a device $milliseconds ms, whatever the machine would.', ({ code, milliseconds }) => {
    proves('Control.InvTimeOut');
    const engine = new Engine();
    const one = new Unit((unit, memory) => {
      new TimedIommu(engine, unit, new MemoryController(engine, memory, MEMORY_CONTROLLER), TIMED_IOMMU);
    });
    one.control(code).submit(invalidate(), wait(7n));
    engine.run();
    expect(one.events).toEqual([[0x7000_0000_0000_0108n, 0x1_0000n]]);
    expect(one.stored).toBe(7n);
    expect(engine.now).toBeGreaterThanOrEqual(ns(milliseconds * 1e6));
    expect(engine.now).toBeLessThan(ns(milliseconds * 1e6 + 2000));
  });

  it('without InvTimeOut a wait lasts until the device answers.', () => {
    const engine = new Engine();
    const one = new Unit((unit, memory) => {
      new TimedIommu(engine, unit, new MemoryController(engine, memory, MEMORY_CONTROLLER), TIMED_IOMMU);
    }).submit(invalidate(), wait(7n));
    engine.run();
    expect([one.events, one.stored]).toEqual([[], 0n]);
    one.answer(1);
    engine.run();
    expect(one.stored).toBe(7n);
  });
});
