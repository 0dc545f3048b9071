/** Fault recording with several registers, overflow, FRI, compression, and the fault event (vtd.md sections 1.9, 4.3, 4.4). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Translation } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { Bench, IRE, MESSAGE, QIE, QUEUE, REG, SRTP, TE } from './tables.ts';

const IM = 0x8000_0000n;
const IP = 0x4000_0000n;
const PFO = 1n;
const PPF = 2n;
const IQE = 0x10n;
const event = { address: MESSAGE, data: 0x52 };

/** A unit whose every request faults with 01h, and whose fault event goes to MESSAGE. */
function ready({ nfr = 1, masked = false } = {}): Bench {
  const bench = new Bench({ nfr }).enable();
  bench.set(REG.FEDATA, 0x52n).set(REG.FEADDR, MESSAGE);
  return masked ? bench : bench.set(REG.FECTL, 0n);
}
const fri = (bench: Bench): number => Number((bench.get(REG.FSTS) >> 8n) & 0xffn);
const low = (bench: Bench): bigint => bench.get(REG.FSTS) & 0xffn;
/** A fault of its own requester, so that compression does not join it to another. */
const fault = (bench: Bench, n: number) => bench.read(BigInt(n) << 12n, 4, 0x100 + n);

describe('Fault recording', () => {
  it('goes from register to register, and back to the first.', () => {
    proves('FRCD_REG.F', 'FRCD_REG.SID', 'FRCD_REG.FI', 'CAP_REG.NFR', 'CAP_REG.FRO', 'FSTS_REG.PPF');
    const bench = ready({ nfr: 4 });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 4; n++) {
        fault(bench, round * 4 + n);
        expect(bench.record(n)).toMatchObject({
          f: true,
          sid: 0x100 + round * 4 + n,
          fi: BigInt(round * 4 + n) << 12n,
        });
        expect(low(bench)).toBe(PPF);
        expect(fri(bench)).toBe(0);
      }
      for (let n = 0; n < 4; n++) bench.set(REG.FRCD + n * 16 + 12, 0x8000_0000n);
      expect(low(bench)).toBe(0n);
    }
  });

  it('shows in FRI the record that made PPF 1.', () => {
    proves('FSTS_REG.FRI');
    const bench = ready({ nfr: 4 });
    fault(bench, 0);
    bench.acknowledge(0);
    fault(bench, 1);
    expect(fri(bench)).toBe(1);
    fault(bench, 2);
    expect(fri(bench)).toBe(1);
    bench.acknowledge(1);
    expect(low(bench), 'PPF is the OR of all F').toBe(PPF);
    bench.acknowledge(2);
    expect(low(bench)).toBe(0n);
    fault(bench, 3);
    expect(fri(bench)).toBe(3);
  });

  it('without a free register sets PFO, and records nothing more until PFO is cleared.', () => {
    proves('FSTS_REG.PFO');
    const bench = ready({ nfr: 2 });
    fault(bench, 0);
    fault(bench, 1);
    expect(low(bench)).toBe(PPF);
    fault(bench, 2);
    expect(low(bench)).toBe(PFO | PPF);
    expect([bench.record(0).sid, bench.record(1).sid]).toEqual([0x100, 0x101]);
    bench.set(REG.FRCD + 12, 0x8000_0000n);
    fault(bench, 3);
    expect(bench.record(0).f).toBe(false);
    bench.set(REG.FRCD + 28, 0x8000_0000n);
    expect(low(bench)).toBe(PFO);
    bench.set(REG.FSTS, PFO);
    expect(low(bench)).toBe(0n);
    fault(bench, 4);
    expect(low(bench)).toBe(PPF);
    expect(bench.record(0)).toMatchObject({ f: true, sid: 0x104 });
  });

  it('keeps a record until F is written as 1, and no other bit of it can be written.', () => {
    const bench = ready();
    fault(bench, 3);
    const before = bench.record().raw;
    bench.set(REG.FRCD, 0xffff_ffff_ffff_ffffn, 8).set(REG.FRCD + 8, 0x7fff_ffff_ffff_ffffn, 8);
    expect(bench.record().raw).toEqual(before);
    bench.set(REG.FRCD + 8, 0xffff_ffff_ffff_ffffn, 8);
    expect(bench.record().raw).toEqual([before[0], before[1] & ~(1n << 63n)]);
  });

  it('starts at register 0 again when neither DMA nor interrupt remapping is on.', () => {
    const bench = ready({ nfr: 4 });
    fault(bench, 0);
    bench.acknowledge(0).command(IRE).stop(TE).command(TE);
    fault(bench, 1);
    expect(bench.record(1).f).toBe(true);
    bench.acknowledge(1).stop(IRE).stop(TE).command(SRTP).command(TE);
    fault(bench, 2);
    expect(bench.record(0)).toMatchObject({ f: true, sid: 0x102 });
  });

  it('tells who observes which faults it keeps: one of each requester, and none without a free register.', () => {
    const unit = bareUnit({ capabilities: capabilities({ nfr: 2 }), faultCompression: true });
    unit.write(REG.GCMD, 4, SRTP | TE);
    const told: (readonly [requester: number, recorded: boolean])[] = [];
    const nothing = (): void => {};
    unit.probe = {
      hit: nothing,
      miss: nothing,
      cache: nothing,
      read: nothing,
      translated: nothing,
      fault: ({ requester, recorded }) => told.push([requester, recorded]),
      invalidated: nothing,
      registerWritten: nothing,
      interrupt: nothing,
    };
    for (const requester of [8, 8, 16, 24, 8]) {
      unit.translate(new Translation<never>().ask(requester, -1, 1, 0, 0) as never);
    }
    expect(told).toEqual([
      [8, true],
      [8, false],
      [16, true],
      [24, false],
      [8, false],
    ]);
  });

  it('of the rig joins faults of a requester whose record is not read yet (compression).', () => {
    const bench = ready({ nfr: 4 });
    for (let n = 0; n < 5; n++) bench.read(BigInt(n) << 12n, 4, 0x123);
    bench.read(0n, 4, 0x124);
    expect([0, 1, 2].map((n) => bench.record(n).f)).toEqual([true, true, false]);
    expect(bench.record(0)).toMatchObject({ sid: 0x123, fi: 0n });
    expect(bench.record(1)).toMatchObject({ sid: 0x124 });
    bench.acknowledge(0);
    bench.read(0x7000n, 4, 0x123);
    expect(bench.record(2)).toMatchObject({ f: true, sid: 0x123, fi: 0x7000n });
  });

  it('of a unit without compression records each fault.', () => {
    const unit = bareUnit({ capabilities: capabilities({ nfr: 4 }) });
    unit.write(REG.GCMD, 4, SRTP | TE);
    for (let n = 0; n < 5; n++) unit.translate(new Translation<never>().ask(0x18, -1, 1, 0, n << 12) as never);
    for (let n = 0; n < 4; n++) expect(unit.read(REG.FRCD + 16 * n, 8)).toBe(BigInt(n) << 12n);
    expect(unit.read(REG.FSTS, 4)).toBe(PFO | PPF);
  });
});

describe('The fault event', () => {
  it('comes with the first fault, and not again before every status bit was clear.', () => {
    proves('FEADDR_REG.MA', 'FEDATA_REG.IMD');
    const bench = ready({ nfr: 2 });
    fault(bench, 0);
    expect(bench.messages).toEqual([event]);
    expect(bench.get(REG.FECTL)).toBe(0n);
    fault(bench, 1);
    fault(bench, 2);
    expect(bench.messages).toHaveLength(1);
    bench
      .set(REG.FRCD + 12, 0x8000_0000n)
      .set(REG.FRCD + 28, 0x8000_0000n)
      .set(REG.FSTS, PFO);
    fault(bench, 3);
    expect(bench.messages).toHaveLength(2);
  });

  it('is masked after reset: it waits in IP, and is sent when IM is cleared.', () => {
    proves('FECTL_REG.IM', 'FECTL_REG.IP');
    const bench = ready({ masked: true });
    expect(bench.get(REG.FECTL)).toBe(IM);
    fault(bench, 0);
    expect(bench.messages).toEqual([]);
    expect(bench.get(REG.FECTL)).toBe(IM | IP);
    bench.set(REG.FECTL, IM);
    expect(bench.get(REG.FECTL)).toBe(IM | IP);
    bench.set(REG.FECTL, 0n);
    expect(bench.messages).toEqual([event]);
    expect(bench.get(REG.FECTL)).toBe(0n);
  });

  it('that waits is dropped when software has cleared every status bit.', () => {
    const bench = ready({ masked: true });
    fault(bench, 0);
    fault(bench, 1);
    expect(low(bench)).toBe(PFO | PPF);
    bench.set(REG.FRCD + 12, 0x8000_0000n);
    expect(bench.get(REG.FECTL)).toBe(IM | IP);
    bench.set(REG.FSTS, PFO);
    expect(bench.get(REG.FECTL)).toBe(IM);
    bench.set(REG.FECTL, 0n);
    expect(bench.messages).toEqual([]);
  });

  it('does not come for a fault while a queue error stands, nor the other way round.', () => {
    const stop = (bench: Bench) => bench.write64(QUEUE, 0n, 0n).set(REG.IQA, QUEUE, 8).command(QIE).set(REG.IQT, 0x10n);
    const one = stop(ready());
    expect(one.messages).toHaveLength(1);
    fault(one, 0);
    expect(one.messages).toHaveLength(1);
    expect(low(one)).toBe(PPF | IQE);
    const other = ready();
    fault(other, 0);
    stop(other);
    expect(low(other)).toBe(PPF | IQE);
    expect(other.messages).toHaveLength(1);
  });

  it('is never remapped.', () => {
    const bench = ready();
    bench.enableInterrupts();
    fault(bench, 0);
    expect(bench.messages).toEqual([event]);
  });

  it('goes to a 64-bit address.', () => {
    proves('FEUADDR_REG.MUA');
    const bench = ready();
    bench.set(REG.FEUADDR, 0x1200n);
    fault(bench, 0);
    expect(bench.messages).toEqual([{ address: 0x1200_fee0_1000n, data: 0x52 }]);
  });
});

/** vtd.md 4.3 and 4.4, step by step: what the registers show after any sequence. */
class Logging {
  readonly f: boolean[];
  readonly sid: number[];
  next = 0;
  fri = 0;
  pfo = false;
  im = true;
  ip = false;
  sent = 0;
  readonly n: number;
  constructor(n: number) {
    this.n = n;
    this.f = new Array<boolean>(n).fill(false);
    this.sid = new Array<number>(n).fill(0);
  }
  get pending(): boolean {
    return this.pfo || this.f.includes(true);
  }
  fault(sid: number): void {
    if (this.pfo || this.f.some((f, i) => f && this.sid[i] === sid)) return;
    if (this.f[this.next]) {
      this.pfo = true;
      return;
    }
    const first = !this.pending;
    this.sid[this.next] = sid;
    if (!this.f.includes(true)) this.fri = this.next;
    this.f[this.next] = true;
    this.next = (this.next + 1) % this.n;
    if (first) this.ip = true;
    this.deliver();
  }
  settle(): void {
    if (!this.pending) this.ip = false;
  }
  deliver(): void {
    if (!this.ip || this.im) return;
    this.ip = false;
    this.sent++;
  }
}

describe('The procedures of 4.3 and 4.4', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.nat(5).map((n) => ({ kind: 'fault' as const, n })) },
    { weight: 3, arbitrary: fc.nat(3).map((n) => ({ kind: 'clear F' as const, n })) },
    { weight: 1, arbitrary: fc.constant({ kind: 'clear PFO' as const, n: 0 }) },
    { weight: 2, arbitrary: fc.nat(1).map((n) => ({ kind: 'IM' as const, n })) },
  );

  it('agree with the registers and the messages after every step of any sequence.', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 3), fc.array(step, { maxLength: 40 }), (nfr, steps) => {
        const bench = ready({ nfr, masked: true });
        const twin = new Logging(nfr);
        for (const { kind, n } of steps) {
          if (kind === 'fault') {
            fault(bench, n);
            twin.fault(0x100 + n);
          } else if (kind === 'clear F') {
            if (n >= nfr) continue;
            bench.set(REG.FRCD + n * 16 + 12, 0x8000_0000n);
            twin.f[n] = false;
            twin.settle();
          } else if (kind === 'clear PFO') {
            bench.set(REG.FSTS, PFO);
            twin.pfo = false;
            twin.settle();
          } else {
            bench.set(REG.FECTL, n === 1 ? IM : 0n);
            twin.im = n === 1;
            twin.deliver();
          }
          expect(twin.f.map((_, i) => bench.record(i).f)).toEqual(twin.f);
          expect(low(bench)).toBe((twin.pfo ? PFO : 0n) | (twin.f.includes(true) ? PPF : 0n));
          if (twin.f.includes(true)) expect(fri(bench)).toBe(twin.fri);
          expect(bench.get(REG.FECTL)).toBe((twin.im ? IM : 0n) | (twin.ip ? IP : 0n));
          expect(bench.messages).toHaveLength(twin.sent);
        }
      }),
      { numRuns: 120 },
    );
  });
});
