/** What stops the invalidation queue, and how it goes on (vtd.md sections 1.11, 5.1, 5.2, 5.6). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  contextGlobal,
  type Descriptor,
  FN,
  IF,
  iotlbDomain,
  iotlbGlobal,
  iotlbPages,
  SW,
  wait,
} from './descriptors.ts';
import { Bench, type BenchOptions, MESSAGE, QIE, QUEUE, REG, STATUS } from './tables.ts';

const IQE = 0x10n;
const status = (bench: Bench): bigint => bench.read64(STATUS) & 0xffff_ffffn;
const iqei = (bench: Bench): number => Number(bench.get(REG.IQERCD, 8) & 0xfn);
const bad: Descriptor = [0n, 0n];

/** Code of IQEI with which a descriptor is refused, or 0. */
function verdict(descriptor: Descriptor, options: BenchOptions = {}): number {
  const bench = new Bench(options).enableQueue();
  bench.submit(descriptor, wait(SW, 1, STATUS));
  const stopped = bench.get(REG.FSTS) === IQE;
  expect(bench.get(REG.IQH)).toBe(stopped ? 0n : 0x20n);
  expect(status(bench)).toBe(stopped ? 0n : 1n);
  expect(stopped).toBe(iqei(bench) !== 0);
  return iqei(bench);
}

describe('A descriptor', () => {
  it('is of types 1 to 5 in legacy mode; every other type is invalid (IQEI 3).', () => {
    proves('descriptor.TYPE', 'descriptor.TYPE_HIGH');
    for (let type = 0; type < 128; type++) {
      const lo = BigInt(type & 0xf) | (BigInt(type >>> 4) << 9n);
      const granularity = type === 1 || type === 2 ? 0x10n : 0n;
      expect(verdict([lo | granularity, 0n]), `type ${type}`).toBe(type >= 1 && type <= 5 ? 0 : 3);
    }
  });

  it('of type 3 is invalid without DT.', () => {
    expect(verdict([3n, 0n], { dt: false })).toBe(3);
    expect(verdict([3n, 0n], { dt: true })).toBe(0);
  });

  it.each([1, 2])('of type %i with the reserved granularity 0 is invalid.', (type) => {
    expect(verdict([BigInt(type), 0n])).toBe(3);
  });

  it('of type 2 that is page-selective is invalid without PSI, and only that granularity.', () => {
    expect(verdict(iotlbPages(1, 0n), { psi: false })).toBe(3);
    expect(verdict(iotlbDomain(1), { psi: false })).toBe(0);
    expect(verdict(iotlbGlobal(), { psi: false })).toBe(0);
  });

  it('of type 2 with AM above MAMV is refused.', () => {
    for (let am = 0; am < 64; am++) expect(verdict(iotlbPages(1, 0n, am), { mamv: 9 })).toBe(am > 9 ? 4 : 0);
  });

  /** Reserved bits as vtd.md 5.2 lists them: bits of the low and of the high quadword. */
  it.each([
    { type: 1, base: contextGlobal(), lo: 0xfffc_0000_0000_f1c0n, hi: 0xffff_ffff_ffff_ffffn },
    { type: 2, base: iotlbGlobal(), lo: 0xffff_ffff_0000_f100n, hi: 0x0000_0000_0000_0f80n },
    { type: 3, base: [3n, 0n] as Descriptor, lo: 0xffff_0000_ffe0_f1f0n, hi: 0x0000_0000_0000_0ffen },
    { type: 4, base: [4n, 0n] as Descriptor, lo: 0xffff_0000_07ff_f1e0n, hi: 0xffff_ffff_ffff_ffffn },
    { type: 5, base: wait(0n), lo: 0x0000_0000_ffff_f180n, hi: 0x0000_0000_0000_0003n },
  ])('of type $type is refused for each of its reserved bits and for no other (IQEI 4).', ({ type, base, lo, hi }) => {
    if (type === 3) proves('dev_tlb_inv_dsc.PFSID_3_0', 'dev_tlb_inv_dsc.PFSID_15_4');
    if (type === 5) proves('inv_wait_dsc.PD');
    for (let bit = 0; bit < 128; bit++) {
      // The type, and granularities that may be reserved.
      if (bit < 4 || (bit >= 9 && bit <= 11) || bit === 4 || bit === 5) continue;
      const one = 1n << BigInt(bit % 64);
      const descriptor: Descriptor = bit < 64 ? [base[0] | one, base[1]] : [base[0], base[1] | one];
      const reserved = ((bit < 64 ? lo : hi) & one) !== 0n;
      expect(verdict(descriptor), `bit ${bit}`).toBe(reserved ? 4 : 0);
    }
  });

  it('may hold PFSID with DIT, and PD with PDS.', () => {
    proves('ECAP_REG.DIT', 'ECAP_REG.PDS');
    expect(verdict([3n | 0xf000n | (0xfffn << 52n), 0n], { dit: true })).toBe(0);
    expect(verdict([3n | (0xfn << 48n), 0n], { dit: true })).toBe(4);
    expect(verdict(wait(0x80n), { pds: true })).toBe(0);
  });
});

describe('A queue error', () => {
  it('stops the queue at the bad descriptor, after those before it were carried out.', () => {
    proves('FSTS_REG.IQE');
    const bench = new Bench().enableQueue();
    bench.submit(wait(SW, 1, STATUS), bad, wait(SW, 2, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x10n);
    expect(bench.get(REG.FSTS)).toBe(IQE);
    expect(status(bench)).toBe(1n);
    bench.submit(wait(SW, 3, STATUS));
    expect(bench.get(REG.IQH), 'a tail write does not restart it').toBe(0x10n);
    expect(status(bench)).toBe(1n);
  });

  it('ends when software has repaired the descriptor and cleared IQE: the queue goes on at once.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(bad, wait(SW, 2, STATUS));
    bench.write64(QUEUE, ...wait(0n));
    expect(bench.get(REG.IQH)).toBe(0n);
    bench.set(REG.FSTS, 0n);
    expect(bench.get(REG.IQH)).toBe(0n);
    bench.set(REG.FSTS, IQE);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(bench.get(REG.IQH)).toBe(0x20n);
    expect(status(bench)).toBe(2n);
  });

  it('comes back for the next bad descriptor, even one that is like the first.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(bad, wait(SW, 2, STATUS), bad, wait(SW, 4, STATUS));
    bench.write64(QUEUE, ...wait(0n)).set(REG.FSTS, IQE);
    expect(bench.get(REG.IQH)).toBe(0x20n);
    expect(status(bench)).toBe(2n);
    expect(bench.get(REG.FSTS)).toBe(IQE);
    expect(iqei(bench)).toBe(3);
  });

  it('comes back when IQE is cleared, the descriptor still stands and the tail moves.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(bad).set(REG.FSTS, IQE);
    bench.submit(wait(0n));
    expect(bench.get(REG.IQH)).toBe(0n);
    expect(bench.get(REG.FSTS)).toBe(IQE);
  });

  it('by a tail beyond the ring is IQEI 1, for every size of queue.', () => {
    for (let qs = 0; qs < 8; qs++) {
      const bench = new Bench().enableQueue(BigInt(qs));
      const size = 4096n << BigInt(qs);
      if (size > 0x7_fff0n) continue;
      bench.set(REG.IQT, size, 8);
      expect(bench.get(REG.FSTS), `QS ${qs}`).toBe(IQE);
      expect(iqei(bench)).toBe(1);
      expect(bench.get(REG.IQH)).toBe(0n);
      bench.write64(QUEUE, ...wait(SW, 9, STATUS));
      bench.set(REG.IQT, 0x10n, 8).set(REG.FSTS, IQE);
      expect(bench.get(REG.IQH)).toBe(0x10n);
      expect(status(bench)).toBe(9n);
    }
  });

  it('by a queue where nothing is is IQEI 2.', () => {
    proves('IQERCD_REG.IQEI');
    const bench = new Bench({ ram: [[0n, 0x20_0000n]] });
    bench.set(REG.IQA, 0x4000_0000n, 8).command(QIE).set(REG.IQT, 0x10n, 8);
    expect(bench.get(REG.FSTS)).toBe(IQE);
    expect(iqei(bench)).toBe(2);
  });

  it('by a fetch ends when memory is there, whatever was fetched before it.', () => {
    const there = new Uint8Array(0x4_0000);
    let limit = Number(QUEUE) + 16;
    const memory = {
      read: (address: bigint, length: number) =>
        there.slice(Number(address), Math.min(limit, Number(address) + length)),
      write: (address: bigint, bytes: Uint8Array) => there.set(bytes, Number(address)),
    };
    const bench = new Bench({ memory });
    bench.enableQueue().submit(wait(SW, 1, STATUS), wait(SW, 1, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x10n);
    expect(iqei(bench)).toBe(2);
    limit = there.length;
    bench.set(REG.FSTS, IQE);
    expect(bench.get(REG.IQH)).toBe(0x20n);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('by 256-bit descriptors without scalable and abort-DMA mode is IQEI 5.', () => {
    proves('IQA_REG.DW');
    const bench = new Bench()
      .set(REG.IQA, QUEUE | 0x800n, 8)
      .command(QIE)
      .set(REG.IQT, 0x20n, 8);
    expect(bench.get(REG.FSTS)).toBe(IQE);
    expect(iqei(bench)).toBe(5);
  });

  it('raises one fault event, and none while IQE stands.', () => {
    const bench = new Bench().enableQueue();
    bench.set(REG.FEADDR, MESSAGE).set(REG.FEDATA, 0x52n).set(REG.FECTL, 0n);
    bench.submit(bad);
    expect(bench.messages).toEqual([{ address: MESSAGE, data: 0x52 }]);
    bench.submit(bad);
    expect(bench.messages).toHaveLength(1);
  });

  it('does not keep QIE 0 and 1 from starting afresh once IQE is cleared.', () => {
    const bench = new Bench().enableQueue();
    bench.submit(bad).stop(QIE).set(REG.FSTS, IQE);
    bench.enableQueue().submit(wait(SW | IF | FN, 6, STATUS));
    expect(bench.get(REG.IQH)).toBe(0x10n);
    expect(status(bench)).toBe(6n);
  });
});
