/** The invalidation queue's mechanics: ring, wait descriptors, completion event, enabling (vtd.md sections 1.11, 5.1, 5.5). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { contextGlobal, type Descriptor, FN, IF, iotlbGlobal, iotlbPages, SW, wait } from './descriptors.ts';
import { Bench, BOTH, DATA, MESSAGE, outcome, QIE, QUEUE, REG, STATUS } from './tables.ts';

const IM = 0x8000_0000n;
const IP = 0x4000_0000n;

/** A queue that is on, and completion events that go to MESSAGE with data 41h. */
function ready({ masked = false } = {}): Bench {
  const bench = new Bench({ pds: true }).enableQueue();
  bench.set(REG.IEDATA, 0x41n).set(REG.IEADDR, MESSAGE);
  return bench.set(REG.IECTL, masked ? IM : 0n);
}
const event = { address: MESSAGE, data: 0x41 };
const status = (bench: Bench): bigint => bench.read64(STATUS) & 0xffff_ffffn;

describe('A wait descriptor', () => {
  it.each([
    { flags: 0n, name: 'no flag' },
    { flags: SW, name: 'SW' },
    { flags: IF, name: 'IF' },
    { flags: SW | IF, name: 'SW and IF' },
    { flags: FN, name: 'FN' },
    { flags: FN | SW, name: 'FN and SW' },
    { flags: FN | IF, name: 'FN and IF' },
    { flags: FN | SW | IF, name: 'FN, SW and IF' },
    { flags: 0x80n | FN | SW | IF, name: 'PD, FN, SW and IF' },
  ])('with $name writes its status and raises its event exactly when asked.', ({ flags }) => {
    if (flags & SW) proves('inv_wait_dsc.SW', 'inv_wait_dsc.STATUS_DATA', 'inv_wait_dsc.STATUS_ADDRESS');
    if (flags & IF) proves('inv_wait_dsc.IF', 'IEADDR_REG.MA', 'IEDATA_REG.IMD', 'ICS_REG.IWC');
    const bench = ready();
    bench.submit(wait(flags, 0x1234_5678, STATUS), iotlbGlobal());
    expect(bench.get(REG.IQH)).toBe(0x20n);
    expect(status(bench)).toBe(flags & SW ? 0x1234_5678n : 0n);
    expect(bench.get(REG.ICS)).toBe(flags & IF ? 1n : 0n);
    expect(bench.messages).toEqual(flags & IF ? [event] : []);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('writes exactly one DWORD.', () => {
    const bench = ready();
    bench.write64(STATUS, 0x1111_1111_1111_1111n, 0x2222_2222_2222_2222n);
    bench.submit(wait(SW, 0xffff_ffff, STATUS + 4n));
    expect(bench.read64(STATUS)).toBe(0xffff_ffff_1111_1111n);
    expect(bench.read64(STATUS + 8n)).toBe(0x2222_2222_2222_2222n);
  });

  it('ignores status address bits at and above HAW.', () => {
    const bench = new Bench({ haw: 39 }).enableQueue();
    bench.submit(wait(SW, 7, 0xffff_ff80_0000_0000n | STATUS));
    expect(status(bench)).toBe(7n);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('whose status goes where nothing is completes all the same.', () => {
    const bench = new Bench({ ram: [[0n, 0x20_0000n]] }).enableQueue();
    bench.submit(wait(SW, 7, 0x4000_0000n), wait(SW, 8, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x20n);
    expect(status(bench)).toBe(8n);
  });

  it('completes after the invalidations before it.', () => {
    const bench = new Bench({ dt: true }).usual().enable().enableQueue();
    bench.write(0n);
    bench.entry(1, 0, (DATA + 0x1000n) | BOTH);
    bench.submit(iotlbPages(1, 0n), wait(SW, 1, STATUS));
    expect(status(bench)).toBe(1n);
    expect(outcome(bench.write(0n))).toBe(DATA + 0x1000n);
  });
});

describe('The invalidation completion event', () => {
  it('is held back while IM is 1, shown by IP, and sent when IM is cleared.', () => {
    proves('IECTL_REG.IM', 'IECTL_REG.IP');
    const bench = ready({ masked: true });
    bench.submit(wait(IF));
    expect(bench.messages).toEqual([]);
    expect(bench.get(REG.IECTL)).toBe(IM | IP);
    expect(bench.get(REG.ICS)).toBe(1n);
    bench.set(REG.IECTL, 0n);
    expect(bench.messages).toEqual([event]);
    expect(bench.get(REG.IECTL)).toBe(0n);
  });

  it('does not come again while IWC is 1, and comes again after IWC has been cleared.', () => {
    const bench = ready();
    bench.submit(wait(IF), wait(IF)).submit(wait(IF));
    expect(bench.messages).toEqual([event]);
    bench.set(REG.ICS, 0n);
    expect(bench.get(REG.ICS)).toBe(1n);
    bench.set(REG.ICS, 1n);
    expect(bench.get(REG.ICS)).toBe(0n);
    bench.submit(wait(IF));
    expect(bench.messages).toEqual([event, event]);
  });

  it('that is held back is dropped when software clears IWC.', () => {
    const bench = ready({ masked: true });
    bench.submit(wait(IF)).set(REG.ICS, 1n);
    expect(bench.get(REG.IECTL)).toBe(IM);
    bench.set(REG.IECTL, 0n);
    expect(bench.messages).toEqual([]);
  });

  it('goes to the whole address of IEADDR and IEUADDR, which has an upper half only with EIM.', () => {
    proves('IEUADDR_REG.MUA', 'ECAP_REG.EIM');
    for (const eim of [true, false]) {
      const bench = new Bench({ eim }).enableQueue();
      bench.set(REG.IEDATA, 0xabcd_0041n).set(REG.IEADDR, 0xfee0_1003n).set(REG.IEUADDR, 0x12_3456_00n);
      bench.set(REG.IECTL, 0n).submit(wait(IF));
      expect(bench.messages).toEqual([{ address: (eim ? 0x12_3456_00n << 32n : 0n) | MESSAGE, data: 0x41 }]);
    }
  });

  it('cannot be set or cleared through IP.', () => {
    const bench = ready({ masked: true });
    bench.set(REG.IECTL, IM | IP);
    expect(bench.get(REG.IECTL)).toBe(IM);
    bench.submit(wait(IF)).set(REG.IECTL, IM);
    expect(bench.get(REG.IECTL)).toBe(IM | IP);
  });
});

describe('The ring', () => {
  it('is empty when head and tail are equal, and fetches nothing before QIE is set.', () => {
    proves('GCMD_REG.QIE', 'GSTS_REG.QIES', 'IQH_REG.QH', 'IQT_REG.QT', 'IQA_REG.IQA', 'ECAP_REG.QI');
    const bench = new Bench();
    bench.write64(QUEUE, ...wait(SW, 5, STATUS));
    bench.set(REG.IQA, QUEUE, 8).set(REG.IQT, 0x10n, 8);
    expect(bench.get(REG.IQH, 8)).toBe(0n);
    expect(status(bench)).toBe(0n);
    bench.command(QIE);
    expect(bench.get(REG.GSTS)).toBe(QIE);
    expect(bench.get(REG.IQH, 8)).toBe(0x10n);
    expect(status(bench)).toBe(5n);
  });

  it('works whether or not remapping is on.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(contextGlobal(), iotlbGlobal(), wait(SW, 1, STATUS));
    expect(status(bench)).toBe(1n);
  });

  it.each([0, 1, 3, 7])('has 2^(QS + 8) descriptors, with QS %i, and goes on at its start after the last.', (qs) => {
    if (qs > 0) proves('IQA_REG.QS');
    const bench = new Bench().set(REG.IQA, 0x100_0000n | BigInt(qs), 8).command(QIE);
    const entries = 256 << qs;
    const base = 0x100_0000n;
    const put = (i: number, descriptor: Descriptor) => bench.write64(base + BigInt(i) * 16n, ...descriptor);
    for (let i = 0; i < entries; i++) put(i, wait(SW, i + 1, STATUS));
    bench.set(REG.IQT, BigInt(entries - 1) * 16n, 8);
    expect(bench.get(REG.IQH, 8)).toBe(BigInt(entries - 1) * 16n);
    expect(status(bench)).toBe(BigInt(entries - 1));
    bench.set(REG.IQT, 0x20n, 8);
    expect(bench.get(REG.IQH, 8)).toBe(0x20n);
    expect(status(bench)).toBe(2n);
  });

  it('runs every descriptor once and in order, however the tail moves.', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 }), (moves) => {
        const bench = new Bench().enableQueue();
        let count = 0;
        for (const move of moves) {
          const batch = Array.from({ length: move }, () => {
            count++;
            return wait(SW, count, STATUS + BigInt(count) * 4n);
          });
          bench.submit(...batch);
          expect(bench.get(REG.IQH, 8)).toBe(BigInt((count * 16) % 4096));
        }
        for (let i = 1; i <= count; i++) expect(bench.read64(STATUS + BigInt(i) * 4n) & 0xffff_ffffn).toBe(BigInt(i));
      }),
      { numRuns: 15 },
    );
  });

  it('keeps only bits 18:4 of the tail, and takes it in accesses of 4 or 8 bytes.', () => {
    const bench = new Bench().set(REG.IQT, 0xffff_ffff_ffff_ffffn, 8);
    expect(bench.get(REG.IQT, 8)).toBe(0x7_fff0n);
    const other = new Bench().enableQueue();
    other.write64(QUEUE, ...wait(SW, 5, STATUS)).set(REG.IQT, 0x10n);
    expect(status(other)).toBe(5n);
  });

  it('starts again at its first descriptor after QIE was 0.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(iotlbGlobal(), wait(SW, 1, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x20n);
    bench.stop(QIE);
    expect(bench.get(REG.GSTS)).toBe(0n);
    expect(bench.get(REG.IQH)).toBe(0n);
    bench.enableQueue().submit(wait(SW, 2, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x10n);
    expect(status(bench)).toBe(2n);
  });

  it('has a head that software cannot write.', () => {
    const bench = new Bench().enableQueue().set(REG.IQH, 0x30n, 8);
    expect(bench.get(REG.IQH, 8)).toBe(0n);
  });

  it('does not exist without QI: its registers read 0 and QIE does nothing.', () => {
    const bench = new Bench({ qi: false, dt: false, ir: false, eim: false });
    for (const offset of [REG.IQH, REG.IQT, REG.IQA, REG.IQERCD]) {
      bench.set(offset, 0xffff_ffff_ffff_ffffn, 8);
      expect(bench.get(offset, 8)).toBe(0n);
    }
    for (const offset of [REG.ICS, REG.IECTL, REG.IEDATA, REG.IEADDR, REG.IEUADDR]) {
      bench.set(offset, 0xffff_ffffn);
      expect(bench.get(offset)).toBe(0n);
    }
    expect(bench.command(QIE).get(REG.GSTS)).toBe(0n);
  });
});
