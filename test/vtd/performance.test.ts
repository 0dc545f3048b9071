/** Performance monitoring (vtd.md section 1.17): what is reported, counted, frozen and signalled. */
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { proves } from '../proves.ts';
import {
  BOTH_IOTLB,
  CODE,
  COMMAND,
  CounterBench,
  FAILED,
  FREEZE,
  HIT,
  INTERRUPT,
  LOOKUP,
  PERFCAP,
  PERFEVNTCAP,
  PERFINTRADDR,
  PERFINTRCTL,
  PERFINTRDATA,
  PERFINTRSTS,
  PERFINTRUADDR,
  READS,
  REQUESTS,
} from './performance.ts';
import { Bench, BOTH, CONTEXT, DATA, QIE, QUEUE, REG, ROOT, SRTP, TE, tableAt } from './tables.ts';

const MASKED = 0x8000_0000n;
const PENDING = 0x4000_0000n;

describe('The registers of performance monitoring', () => {
  it('do not exist without ECAP.PMS.', () => {
    const bench = new Bench({ ecmds: true });
    for (let offset = 0x300; offset < 0x400; offset += 8) {
      expect(bench.set(offset, -1n, 8).get(offset, 8), offset.toString(16)).toBe(0n);
    }
  });

  it('report the counters, their width and place, and the filters; nothing of it can be written.', () => {
    proves('ECAP_REG.PMS', 'PERFCAP_REG.NCNTR', 'PERFCAP_REG.CW', 'PERFCAP_REG.EGCNT', 'PERFCAP_REG.RIDFS');
    proves('PERFCAP_REG.DIDFS', 'PERFCAP_REG.ATFS', 'PERFCAP_REG.PTLFS', 'PERFCAP_REG.GFS', 'PERFCAP_REG.IOS');
    proves('PERFCFGOFF_REG.CFGO', 'PERFFRZOFF_REG.FZO', 'PERFOVFOFF_REG.OFO', 'PERFCNTROFF_REG.CNTO');
    const bench = new CounterBench();
    for (let offset = 0x300; offset < 0x324; offset += 8) bench.set(offset, -1n, 8);
    // 8 counters of 48 bits, 5 groups; RIDFS, DIDFS, ATFS, PTLFS; GFS, IOS; the reserved bits 63:60 read Fh.
    expect(bench.get(PERFCAP, 8)).toBe(0xf006_001b_0530_0008n);
    expect([0x310, 0x314, 0x318, 0x31c].map((at) => bench.get(at))).toEqual([0x1100n, 0x1000n, 0x1008n, 0x1c00n]);
  });

  it('report what the specification of the unit says, which has to be possible.', () => {
    proves('PERFCAP_REG.CWE');
    const spec = { counters: 64, width: 64, writableWhileEnabled: true };
    expect(new CounterBench({}, { performance: spec }).get(PERFCAP, 8)).toBe(0xf007_001b_0540_0040n);
    for (const [wrong, name] of [
      [{ ...spec, counters: 0 }, 'counters'],
      [{ ...spec, counters: 65 }, 'counters'],
      [{ ...spec, width: 65 }, 'width'],
    ] as const) {
      expect(() => new CounterBench({}, { performance: wrong })).toThrow(`performance.${name}`);
    }
  });

  it('report the events whose part of the unit exists.', () => {
    proves('PERFEVNTCAP_REG.ES');
    const events = (bench: CounterBench) => [0, 1, 2, 3, 4, 5].map((group) => bench.get(PERFEVNTCAP + group * 8, 8));
    expect(events(new CounterBench({ ir: false }))).toEqual([0x2n, 0x1n, 0x33n, 0x3n, 0n, 0n]);
    expect(events(new CounterBench({ pi: true }))[4]).toBe(7n);
    expect(events(new CounterBench())[4]).toBe(3n);
  });
});

describe('A counter', () => {
  it('counts its event from the command that enables it to the one that disables it.', () => {
    proves('PERFCNTRCFG_REG.EN', 'PERFCNTRCFG_REG.EGI', 'PERFCNTRCFG_REG.ES', 'PERFCNTR_REG.CNTR');
    const bench = new CounterBench();
    expect(bench.unit.counters).toBeNull();
    bench.configure(3, LOOKUP, 1n);
    expect([bench.get(bench.configuration(3)) & 1n, bench.unit.counters], 'EN is not software’s').toEqual([0n, null]);
    expect(bench.enable(3)).toBe(0);
    expect(bench.get(bench.configuration(3), 8)).toBe(0x1_0000_0301n);
    bench.happen(CODE.lookup, { times: 5 }).happen(CODE.hit).happen(CODE.requests);
    expect(bench.command(COMMAND.DISABLE, 3)).toBe(0);
    expect([bench.value(3), bench.unit.counters]).toEqual([5n, null]);
    bench.happen(CODE.lookup);
    bench.enable(3);
    bench.happen(CODE.lookup);
    expect([bench.value(3), bench.value(2), bench.value(4)]).toEqual([6n, 0n, 0n]);
  });

  it('of several events counts the sum, and several counters count one event each for itself.', () => {
    const bench = new CounterBench().start(0, BOTH_IOTLB).start(1, HIT).start(7, LOOKUP);
    bench.happen(CODE.lookup, { times: 3 }).happen(CODE.hit, { times: 2 });
    expect([0, 1, 7].map((counter) => bench.value(counter))).toEqual([5n, 2n, 3n]);
  });

  it('is not enabled when it does not exist, or asks for no event, an absent event or an absent group.', () => {
    const bench = new CounterBench();
    expect(bench.configure(0, { group: 3, events: 0 }).enable(0)).toBe(FAILED);
    // iommu_clocks, a bit that no event has, pg_req_posted without page requests, a group that does not exist.
    for (const [group, events] of [
      [0, 1],
      [3, 0x10],
      [3, 5],
      [1, 0x40],
      [5, 1],
      [15, 1],
    ] as const) {
      expect(bench.configure(0, { group, events }).enable(0), `${group}:${events}`).toBe(FAILED);
      expect(bench.get(bench.configuration(0)) & 1n).toBe(0n);
    }
    expect(bench.unit.counters).toBeNull();
  });

  it('and its configuration take no write while it is enabled; with CWE the count does.', () => {
    for (const writableWhileEnabled of [false, true]) {
      const bench = new CounterBench({}, { performance: { counters: 2, width: 40, writableWhileEnabled } });
      bench.set(bench.counter(0), -1n, 8);
      expect(bench.value(0), 'bits beyond the width').toBe((1n << 40n) - 1n);
      bench.set(bench.counter(0), 7n, 8).start(0, LOOKUP);
      const before = [0, 8, 0xc, 0x10, 0x14, 0x18].map((at) => bench.get(bench.configuration(0) + at, 4));
      for (let at = 0; at < 0x80; at += 8) bench.set(bench.configuration(0) + at, -1n, 8);
      const after = [0, 8, 0xc, 0x10, 0x14, 0x18].map((at) => bench.get(bench.configuration(0) + at, 4));
      expect(after).toEqual(before);
      expect(bench.set(bench.counter(0), 100n, 8).happen(CODE.lookup).value(0)).toBe(writableWhileEnabled ? 101n : 8n);
      // The counter beside it stays open; so does this one once it is disabled.
      expect(bench.configure(1, HIT).get(bench.configuration(1), 8)).toBe(0x2_0000_0300n);
      bench.command(COMMAND.DISABLE, 0);
      expect(bench.configure(0, HIT).get(bench.configuration(0), 8)).toBe(0x2_0000_0300n);
      expect(bench.set(bench.counter(0), 1n, 8).value(0)).toBe(1n);
    }
  });
});

describe('An overflow', () => {
  it.each([1, 31, 32, 33, 48, 64])(
    'comes when a counter of %i bits goes round to 0, and it goes on counting.',
    (width) => {
      proves('PERFOVFSTS_REG.OS');
      const bench = new CounterBench({}, { performance: { counters: 64, width, writableWhileEnabled: false } });
      for (const counter of [0, 40, 63]) {
        bench.set(bench.counter(counter), -1n, 8).start(counter, LOOKUP);
        expect(bench.overflowed >> BigInt(counter)).toBe(0n);
        bench.happen(CODE.lookup);
        expect([bench.value(counter), (bench.overflowed >> BigInt(counter)) & 1n]).toEqual([0n, 1n]);
        bench.command(COMMAND.DISABLE, counter);
      }
      expect(bench.overflowed).toBe((1n << 63n) | (1n << 40n) | 1n);
      bench.acknowledge(1n << 40n);
      expect(bench.overflowed).toBe((1n << 63n) | 1n);
      expect([bench.frozen, bench.messages.length, bench.get(PERFINTRSTS)]).toEqual([0n, 0, 0n]);
    },
  );

  it('is signalled where IO asks for it: at once, or when the mask is taken away, or not any more.', () => {
    proves('PERFCNTRCFG_REG.IO', 'PERFINTRSTS_REG.PIS', 'PERFINTRCTL_REG.IM', 'PERFINTRCTL_REG.IP');
    proves('PERFINTRDATA_REG.IMD', 'PERFINTRADDR_REG.MA', 'PERFINTRUADDR_REG.MUA');
    const bench = new CounterBench({}, { performance: { counters: 4, width: 1, writableWhileEnabled: false } });
    expect(bench.get(PERFINTRCTL)).toBe(MASKED);
    bench.set(PERFINTRDATA, 0x41n).set(PERFINTRADDR, 0xfee0_1004n).set(PERFINTRUADDR, 0x12n);
    bench.start(1, LOOKUP, INTERRUPT).happen(CODE.lookup, { times: 2 });
    expect([bench.get(PERFINTRSTS), bench.get(PERFINTRCTL), bench.messages]).toEqual([1n, MASKED | PENDING, []]);
    bench.set(PERFINTRCTL, 0n);
    expect([bench.get(PERFINTRCTL), bench.messages]).toEqual([0n, [[0x12, 0xfee0_1004 | 0, 0x41]]]);
    bench.set(PERFINTRSTS, 1n).happen(CODE.lookup, { times: 2 });
    expect([bench.get(PERFINTRSTS), bench.messages.length]).toEqual([1n, 2]);
    // PIS is still 1: the next overflow is an event all the same.
    bench.happen(CODE.lookup, { times: 2 });
    expect([bench.get(PERFINTRSTS), bench.messages.length]).toEqual([1n, 3]);
    bench.set(PERFINTRSTS, 1n).set(PERFINTRCTL, MASKED).happen(CODE.lookup, { times: 2 });
    bench.set(PERFINTRSTS, 1n).set(PERFINTRCTL, 0n);
    expect([bench.get(PERFINTRSTS), bench.get(PERFINTRCTL), bench.messages.length]).toEqual([0n, 0n, 3]);
  });

  it('of a counter with GFO freezes every counter, the enabled ones and the others, after the event.', () => {
    proves('PERFCNTRCFG_REG.GFO', 'PERFFRZSTS_REG.FS');
    const bench = new CounterBench({}, { performance: { counters: 4, width: 2, writableWhileEnabled: false } });
    bench.start(0, LOOKUP).set(bench.counter(1), 3n, 8).start(1, LOOKUP, FREEZE).start(2, BOTH_IOTLB);
    bench.happen(CODE.lookup, { times: 3 });
    expect([0, 1, 2].map((counter) => bench.value(counter))).toEqual([1n, 0n, 1n]);
    expect([bench.frozen, bench.overflowed, bench.unit.counters]).toEqual([0xfn, 2n, null]);
  });
});

describe('The commands on all counters', () => {
  it('freeze and unfreeze them; a counter that is disabled is no longer frozen.', () => {
    const bench = new CounterBench().start(0, LOOKUP).start(1, HIT).happen(CODE.lookup);
    expect([bench.command(COMMAND.FREEZE), bench.frozen, bench.unit.counters]).toEqual([0, 0xffn, null]);
    bench.happen(CODE.lookup).start(2, LOOKUP);
    expect([bench.frozen, bench.unit.counters], 'enabled and frozen').toEqual([0xffn, null]);
    bench.command(COMMAND.DISABLE, 1);
    expect(bench.frozen).toBe(0xfdn);
    expect([bench.command(COMMAND.UNFREEZE), bench.frozen]).toEqual([0, 0n]);
    bench.happen(CODE.lookup);
    expect([0, 1, 2].map((counter) => bench.value(counter))).toEqual([2n, 0n, 1n]);
  });

  it('reset the configurations, with freeze and overflow, and leave the counts; or the counts, and leave the rest.', () => {
    const bench = new CounterBench({}, { performance: { counters: 2, width: 2, writableWhileEnabled: false } });
    bench.filter(0, 'PTL', 0x8000_0001n).start(0, HIT).start(1, LOOKUP);
    bench.happen(CODE.hit, { times: 6 }).happen(CODE.lookup, { times: 1 });
    expect(bench.command(COMMAND.RESET_VALUES)).toBe(0);
    expect([bench.value(0), bench.value(1), bench.overflowed]).toEqual([0n, 0n, 1n]);
    bench.happen(CODE.hit).command(COMMAND.FREEZE);
    expect(bench.command(COMMAND.RESET_CONFIG)).toBe(0);
    expect([bench.value(0), bench.frozen, bench.overflowed, bench.unit.counters]).toEqual([1n, 0n, 0n, null]);
    for (let at = 0; at < 0x80; at += 8) expect(bench.get(bench.configuration(0) + at, 8)).toBe(0n);
    // Open again, and without the filter that was there.
    bench.start(0, HIT).happen(CODE.hit, { detail: 2 });
    expect(bench.value(0)).toBe(2n);
  });
});

describe('A unit that counts', () => {
  it('counts requests and its reads of memory, on hits and walks, by itself and through the queue; not questions.', () => {
    const bench = new CounterBench();
    const { memory, unit } = bench;
    memory.write64(Number(ROOT), CONTEXT | 1n);
    memory.write64(Number(CONTEXT) + 0x180, tableAt(4) | 1n);
    memory.write64(Number(CONTEXT) + 0x188, 0x102n);
    for (let level = 4; level > 1; level--) memory.write64(Number(tableAt(level)), tableAt(level - 1) | BOTH);
    memory.write64(Number(tableAt(1)), DATA | BOTH);
    bench
      .set(REG.RTADDR, ROOT, 8)
      .set(REG.GCMD, SRTP | TE)
      .set(REG.IQA, QUEUE, 8)
      .set(REG.GCMD, QIE | TE);
    bench.start(0, REQUESTS).start(1, READS);
    const ask = (effects = true): void => {
      const t = new Translation<Fault>().ask(0x18, NO_PASID, Access.READ, 0, 0x10);
      t.effects = effects;
      unit.translate(t);
      expect([t.status, t.hpaLo]).toEqual([0, Number(DATA) + 0x10]);
    };
    ask(false);
    expect([bench.value(0), bench.value(1)], 'a question').toEqual([0n, 0n]);
    ask();
    expect([bench.value(0), bench.value(1)], 'root, context and four levels').toEqual([1n, 6n]);
    ask();
    expect([bench.value(0), bench.value(1)], 'a hit').toEqual([2n, 6n]);
    memory.write64(Number(QUEUE), 0x12n);
    bench.set(REG.IQT, 0x10n, 8);
    expect([bench.value(0), bench.value(1)], 'a descriptor').toEqual([2n, 7n]);
  });

  it('forgets counters, counts and locks at a reset.', () => {
    const bench = new CounterBench().start(0, LOOKUP).happen(CODE.lookup);
    bench.command(COMMAND.FREEZE);
    bench.unit.reset();
    expect([bench.value(0), bench.frozen, bench.unit.counters]).toEqual([0n, 0n, null]);
    bench.start(0, HIT).happen(CODE.hit);
    expect([bench.value(0), bench.get(bench.configuration(0), 8)]).toEqual([1n, 0x2_0000_0301n]);
    bench.unit.reset();
    expect(bench.unit.counters).toBeNull();
  });
});
