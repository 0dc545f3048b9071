/** Device-TLB invalidations that devices answer, late or not at all (vtd.md sections 4.4, 5.5 and 5.6; VT-d 4.3). */
import { describe, expect, it } from 'vitest';
import { finish, TIMED_IOMMU, TimedIommu, type Walk } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Engine, ns } from '../../hardware/sim/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { type Descriptor, FN, IF, iotlbPages, SW, wait } from './descriptors.ts';
import { contextWords, DIRECTORY, FULL, PASID, PASIDS, pasidWords } from './scalable.ts';
import {
  Bench,
  BOTH,
  CONTEXT,
  DATA,
  MESSAGE,
  outcome,
  QIE,
  QUEUE,
  REG,
  ROOT,
  SID,
  SRTP,
  STATUS,
  TE,
} from './tables.ts';

const ICE = 0x20n;
const ITE = 0x40n;
const PD = 0x80n;
const OTHER = 0x0020;
const IM = 0x8000_0000n;

const deviceTlb = (sid = SID, address = 0n): Descriptor => [3n | (BigInt(sid) << 32n), address];
const status = (bench: Bench): bigint => bench.read64(STATUS) & 0xffff_ffffn;
const tags = (bench: Bench) => bench.sent.map((message) => (message.kind === 'invalidate' ? message.tag : -1));
const answer = (bench: Bench, vector: number, { requester = SID, count = 1 } = {}): void =>
  bench.rig.completeInvalidation({ requester, tags: vector, count });
const head = (bench: Bench): bigint => bench.get(REG.IQH, 8) / 16n;
const source = (bench: Bench, error: 'ITE' | 'ICE'): number =>
  Number((bench.get(REG.IQERCD, 8) >> (error === 'ITE' ? 32n : 48n)) & 0xffffn);

/** Remapping and the queue are on, and the fault event goes to MESSAGE. */
function ready(): Bench {
  const bench = new Bench({ awaits: true, pds: true }).usual({ context: 0b0100n }).enable().enableQueue();
  bench.set(REG.FEDATA, 0x52n).set(REG.FEADDR, MESSAGE);
  return bench.set(REG.FECTL, 0n);
}

describe('A wait descriptor', () => {
  it('behind a device-TLB invalidation completes when the device has.', () => {
    proves('dev_tlb_inv_dsc.SID', 'inv_wait_dsc.SW');
    const bench = ready().submit(deviceTlb(), wait(SW | IF, 7, STATUS));
    expect(tags(bench)).toEqual([0]);
    expect({ status: status(bench), ics: bench.get(REG.ICS), head: head(bench) }).toEqual({
      status: 0n,
      ics: 0n,
      head: 2n,
    });
    answer(bench, 1);
    expect({ status: status(bench), ics: bench.get(REG.ICS), fsts: bench.get(REG.FSTS) }).toEqual({
      status: 7n,
      ics: 1n,
      fsts: 0n,
    });
  });

  it.each([
    { flags: 0n, page: DATA + 0x1000n },
    { flags: FN, page: DATA },
  ])('lets descriptors behind it start before it completes, unless FN is 1 ($flags).', ({ flags, page }) => {
    if (flags === FN) proves('inv_wait_dsc.FN');
    const bench = ready();
    bench.read(0n);
    bench.entry(1, 0, (DATA + 0x1000n) | BOTH);
    bench.submit(deviceTlb(), wait(SW | flags, 7, STATUS), iotlbPages(1, 0n));
    expect(outcome(bench.read(0n))).toBe(page);
    expect(status(bench)).toBe(0n);
    answer(bench, 1);
    expect(outcome(bench.read(0n))).toBe(DATA + 0x1000n);
    expect(status(bench)).toBe(7n);
    expect(head(bench)).toBe(3n);
  });

  it('waits for what was sent before it, not for what comes behind.', () => {
    const bench = ready().submit(deviceTlb(), wait(SW, 7, STATUS), deviceTlb(), wait(SW, 8, STATUS + 8n));
    expect(tags(bench)).toEqual([0, 1]);
    answer(bench, 1);
    expect([status(bench), bench.read64(STATUS + 8n)]).toEqual([7n, 0n]);
    answer(bench, 2);
    expect(bench.read64(STATUS + 8n)).toBe(8n);
  });

  it('is one of a bounded number: the queue stands still until one has completed.', () => {
    const many = Array.from({ length: 12 }, (_, i) => wait(SW, i + 1, STATUS));
    const bench = ready().submit(deviceTlb(), ...many);
    expect(head(bench)).toBe(9n);
    answer(bench, 1);
    expect({ head: head(bench), status: status(bench) }).toEqual({ head: 13n, status: 12n });
  });

  it('that has not completed when the queue is switched off never does.', () => {
    const bench = ready()
      .submit(deviceTlb(), wait(SW, 7, STATUS))
      .stop(QIE);
    answer(bench, 1);
    expect(status(bench)).toBe(0n);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });
});

describe('A completion', () => {
  it.each([
    { count: 1, needed: 1 },
    { count: 3, needed: 3 },
    { count: 0, needed: 8 },
  ])('with completion count $count is one of $needed messages.', ({ count, needed }) => {
    const bench = ready().submit(deviceTlb(), wait(SW, 7, STATUS));
    for (let n = 1; n <= needed; n++) {
      expect(status(bench), `before message ${n}`).toBe(0n);
      answer(bench, 1, { count });
    }
    expect(status(bench)).toBe(7n);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('names any of 32 ITags; a further invalidation is deferred until one is free.', () => {
    const bench = ready().submit(...Array.from({ length: 34 }, () => deviceTlb()), wait(SW, 7, STATUS));
    expect(tags(bench)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(head(bench)).toBe(32n);
    answer(bench, 0x8000_0020);
    expect(tags(bench).slice(32)).toEqual([5, 31]);
    expect({ head: head(bench), status: status(bench) }).toEqual({ head: 35n, status: 0n });
    answer(bench, 0xffff_ffff);
    expect({ status: status(bench), fsts: bench.get(REG.FSTS) }).toEqual({ status: 7n, fsts: 0n });
  });

  it('with an ITag that is not under way for its sender is an error (ICE), after the valid ITags; the queue goes on.', () => {
    proves('FSTS_REG.ICE', 'IQERCD_REG.ICESID');
    const bench = ready().submit(deviceTlb(), wait(SW, 7, STATUS));
    answer(bench, 1, { requester: OTHER });
    expect(bench.get(REG.FSTS)).toBe(ICE);
    expect(source(bench, 'ICE')).toBe(OTHER);
    expect(bench.messages).toEqual([{ address: MESSAGE, data: 0x52 }]);
    answer(bench, 0b11);
    expect(status(bench), 'tag 0 was valid, tag 1 was not').toBe(7n);
    expect(source(bench, 'ICE'), 'the first one stays').toBe(OTHER);
    bench.submit(wait(SW, 8, STATUS));
    expect(status(bench)).toBe(8n);
    bench.set(REG.FSTS, ICE);
    expect(bench.get(REG.FSTS)).toBe(0n);
    answer(bench, 0x8000_0000);
    expect([bench.get(REG.FSTS), BigInt(source(bench, 'ICE'))]).toEqual([ICE, BigInt(SID)]);
  });

  it('is an unsupported request while remapping is off.', () => {
    const bench = ready()
      .submit(deviceTlb(), wait(SW, 7, STATUS))
      .stop(TE);
    answer(bench, 0b11);
    expect([status(bench), bench.get(REG.FSTS)]).toEqual([0n, 0n]);
    bench.command(TE);
    answer(bench, 1);
    expect(status(bench)).toBe(7n);
  });
});

describe('A device-TLB invalidation whose time is up', () => {
  it('sets ITE with the source id, aborts the wait descriptors, and stops the queue until software clears it.', () => {
    proves('FSTS_REG.ITE', 'IQERCD_REG.ITESID');
    const bench = ready().submit(deviceTlb(OTHER), deviceTlb(), wait(SW, 7, STATUS), wait(SW | IF, 8, STATUS));
    bench.rig.expireInvalidations();
    expect(bench.get(REG.FSTS)).toBe(ITE);
    expect(source(bench, 'ITE')).toBe(OTHER);
    expect(bench.messages).toEqual([{ address: MESSAGE, data: 0x52 }]);
    // The tail does not start anything, and the head stays.
    bench.submit(wait(SW, 9, STATUS));
    expect({ head: head(bench), status: status(bench) }).toEqual({ head: 4n, status: 0n });
    bench.set(REG.FSTS, ITE);
    expect({ head: head(bench), status: status(bench), fsts: bench.get(REG.FSTS) }).toEqual({
      head: 5n,
      status: 9n,
      fsts: 0n,
    });
    expect(bench.get(REG.ICS), 'an aborted wait descriptor raises no event').toBe(0n);
  });

  it('has given its ITag back: a late completion is an error, and the next invalidation takes it.', () => {
    const bench = ready().submit(deviceTlb());
    bench.rig.expireInvalidations();
    answer(bench, 1);
    expect(bench.get(REG.FSTS)).toBe(ITE | ICE);
    expect(bench.messages, 'one event for both').toHaveLength(1);
    bench.submit(deviceTlb(), wait(SW, 7, STATUS)).set(REG.FSTS, ITE | ICE);
    expect(tags(bench)).toEqual([0, 0]);
    answer(bench, 1);
    expect(status(bench)).toBe(7n);
  });

  it('holds its event back while IM is 1, and leaves the source id of the first.', () => {
    const bench = ready().set(REG.FECTL, IM).submit(deviceTlb(OTHER));
    bench.rig.expireInvalidations();
    bench.set(REG.FSTS, 0n);
    expect(bench.messages).toEqual([]);
    bench.set(REG.FECTL, 0n);
    expect(bench.messages).toHaveLength(1);
    bench.set(REG.FSTS, ITE).submit(deviceTlb());
    bench.rig.expireInvalidations();
    expect(source(bench, 'ITE')).toBe(SID);
  });

  it('is no error where there is none.', () => {
    const bench = ready().submit(deviceTlb());
    answer(bench, 1);
    bench.rig.expireInvalidations();
    expect(bench.get(REG.FSTS)).toBe(0n);
  });
});

describe('In simulated time', () => {
  function timed(invalidationTimeout: number) {
    const engine = new Engine();
    const memory = new PhysicalMemory([[0, 0x100_0000]]);
    const unit = bareUnit({ capabilities: capabilities({ dt: true }) }, { memory });
    const controller = new MemoryController(engine, memory, MEMORY_CONTROLLER);
    new TimedIommu(engine, unit, controller, { ...TIMED_IOMMU, invalidationTimeout });
    unit.devices.awaitsCompletions = true;
    unit.write(REG.RTADDR, 8, ROOT);
    unit.write(REG.IQA, 8, QUEUE);
    for (const command of [SRTP, TE, TE | QIE]) unit.write(REG.GCMD, 4, command);
    const words = [...deviceTlb(), ...wait(SW, 7, STATUS)];
    for (const [i, word] of words.entries()) memory.write64(Number(QUEUE) + i * 8, word);
    unit.write(REG.IQT, 8, 0x20n);
    engine.runUntil(ns(400) as unknown as typeof engine.now);
    return { engine, memory, unit };
  }

  it('the time of an invalidation is that of the spec, and whoever answers before is in time.', () => {
    proves('FSTS_REG.ITE');
    const late = timed(1000);
    expect(late.unit.read(REG.FSTS, 4)).toBe(0n);
    late.engine.run();
    expect(late.unit.read(REG.FSTS, 4)).toBe(ITE);
    expect(late.memory.read64(Number(STATUS))).toBe(0n);
    expect(late.engine.now).toBeGreaterThanOrEqual(ns(1000));
    expect(late.engine.now).toBeLessThan(ns(1400));
    const prompt = timed(1000);
    prompt.unit.completeInvalidation({ requester: SID, tags: 1, count: 1 });
    prompt.engine.run();
    expect(prompt.unit.read(REG.FSTS, 4)).toBe(0n);
    expect(prompt.memory.read64(Number(STATUS))).toBe(7n);
  });

  it('power-on forgets what is under way: its time passes without a trace.', () => {
    const { engine, unit } = timed(1000);
    unit.reset();
    engine.run();
    expect(unit.read(REG.FSTS, 4)).toBe(0n);
  });
});

describe('A wait descriptor with PD', () => {
  /** A unit in scalable mode whose own work is done when the test says so. */
  function held() {
    const memory = new PhysicalMemory([[0, 0x100_0000]]);
    const unit: VtdUnit = bareUnit({ capabilities: capabilities({ ...FULL, pds: true }) }, { memory });
    const put = (at: bigint, words: readonly bigint[]): void => {
      for (const [i, word] of words.entries()) memory.write64(Number(at) + i * 8, word);
    };
    put(ROOT, [CONTEXT | 1n, 0n]);
    put(CONTEXT + BigInt(SID) * 32n, contextWords({ pre: true }));
    put(DIRECTORY, [PASIDS | 1n]);
    put(PASIDS + BigInt(PASID) * 64n, pasidWords({}));
    const work: Walk[] = [];
    for (const [offset, value] of [
      [REG.RTADDR, ROOT | 0x400n],
      [REG.IQA, QUEUE | 0x800n],
      [0xd0, 0x5_0000n],
    ] as const)
      unit.write(offset, 8, value);
    for (const command of [SRTP, TE, TE | QIE]) unit.write(REG.GCMD, 4, command);
    unit.run = (walk) => work.push(walk);
    const submit = (flags: bigint): void => {
      put(QUEUE, [...wait(flags, 7, STATUS), 0n, 0n]);
      unit.write(REG.IQT, 8, 0x20n);
    };
    const run = (n: number): void => finish(work[n]!, memory);
    return { memory, unit, work, submit, run };
  }
  const page = { hi: 0, lo: 0x1000, read: true, write: false, execute: false, privileged: false, last: true, group: 1 };

  it.each([
    { flags: SW | PD, before: 0n },
    { flags: SW, before: 7n },
  ])(
    'completes behind the page requests that have come, and without PD does not wait ($flags).',
    ({ flags, before }) => {
      if (flags !== SW) proves('inv_wait_dsc.PD', 'ECAP_REG.PDS');
      const { memory, unit, work, submit, run } = held();
      unit.requestPage({ requester: SID, pasid: PASID, ...page });
      submit(flags);
      run(1);
      expect(memory.read64(Number(STATUS))).toBe(before);
      expect(unit.read(0xc8, 8), 'the page request is not in its queue yet').toBe(0n);
      run(0);
      expect(unit.read(0xc8, 8)).toBe(0x20n);
      if (flags !== SW) run(2);
      expect(memory.read64(Number(STATUS))).toBe(7n);
      expect(work).toHaveLength(flags === SW ? 2 : 3);
    },
  );
});
