/** The interrupt entry cache (VT-d 6.4, 6.5.2.8): an entry stays until exactly its invalidation, and nobody else's. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { flush, flushIndex, POSTED, POSTED_HIGH, posting, request, SN, send, TO_23, vector } from './posting.ts';
import { Bench, type BenchOptions, IRE, REG, SIRTP } from './tables.ts';

const entry = (v: number): bigint => 0x0000_0100_0000_0001n | vector(v);
const delivered = (v: number) => [{ address: 0xfee0_1000n, data: 0x4000 | v }];
const IQE = 0x10n;

/** The entries `indexes` are in the cache with vector 41h, and have 42h in memory. */
function stale(indexes: readonly number[], options: BenchOptions = {}): Bench {
  const bench = new Bench({ pi: true, ...options }).enableInterrupts({ size: 15n }).enableQueue();
  for (const index of indexes) bench.irte(index, entry(0x41));
  for (const index of indexes) expect(send(bench, request(index))).toEqual(delivered(0x41));
  for (const index of indexes) bench.irte(index, entry(0x42));
  return bench;
}

/** The indexes whose old entry is still used. */
const held = (bench: Bench, indexes: readonly number[]): number[] =>
  indexes.filter((index) => {
    const found = send(bench, request(index));
    if (found !== '22h') expect([delivered(0x41), delivered(0x42)]).toContainEqual(found);
    return typeof found === 'object' && found[0]!.data === 0x4041;
  });

describe('An entry of the interrupt remapping table', () => {
  it('stays in use after software has changed it, until its index is invalidated.', () => {
    proves('iec_inv_dsc.IIDX', 'iec_inv_dsc.G');
    const bench = stale([3, 4]);
    expect(send(bench, request(3))).toEqual(delivered(0x41));
    flushIndex(bench, 3);
    expect(send(bench, request(3))).toEqual(delivered(0x42));
    expect(send(bench, request(4))).toEqual(delivered(0x41));
    flush(bench);
    expect(send(bench, request(4))).toEqual(delivered(0x42));
  });

  it('stays through every invalidation that is for DMA, and through P = 0 in memory.', () => {
    const bench = stale([3]).irte(3, 0n);
    bench.submit([0x11n, 0n], [0x12n, 0n], [0x3n, 0n]).enable();
    expect(send(bench, request(3))).toEqual(delivered(0x41));
    bench.set(REG.IOTLB + 4, 0x9000_0000n).set(REG.CCMD + 4, 0xa000_0000n);
    expect(send(bench, request(3))).toEqual(delivered(0x41));
    flush(bench);
    expect(send(bench, request(3))).toBe('22h');
  });

  it.each([0, 1, 2, 3, 5])('is removed with 2^IM aligned neighbours and no others: IM %i.', (im) => {
    proves(...(im > 0 ? ['iec_inv_dsc.IM'] : []));
    const indexes = Array.from({ length: 48 }, (_, i) => i);
    for (const index of [0, 13, 31]) {
      const bench = stale(indexes);
      flushIndex(bench, index, im);
      const first = (index >>> im) << im;
      expect(held(bench, indexes)).toEqual(indexes.filter((i) => i < first || i >= first + 2 ** im));
    }
  });

  it('is tagged by all 16 bits of its index.', () => {
    const indexes = [0x0003, 0x0103, 0x4003, 0x8003];
    for (const index of indexes) {
      const bench = stale(indexes);
      flushIndex(bench, index);
      expect(held(bench, indexes)).toEqual(indexes.filter((i) => i !== index));
    }
    expect(held(flushIndex(stale(indexes), 0, 15), indexes)).toEqual([0x8003]);
  });

  it('is the same for every sender, each of which is checked anew.', () => {
    const bench = stale([3]).irte(3, entry(0x41), 0x4_0018n);
    flush(bench);
    expect(send(bench, request(3))).toEqual(delivered(0x41));
    bench.irte(3, 0n);
    expect(send(bench, request(3), 0, 0x0020)).toBe('26h');
    expect(send(bench, request(3))).toEqual(delivered(0x41));
  });

  it('in posted format stays too; the descriptor itself is never cached.', () => {
    const bench = posting().irte(3, POSTED | vector(0x41), POSTED_HIGH);
    send(bench);
    const pid = 0x1_0005_0040n;
    bench.irte(3, POSTED | vector(0x42), POSTED_HIGH).write64(pid, 0n, 0n, 0n, 0n, TO_23 | SN);
    expect(send(bench)).toEqual([]);
    expect(bench.read64(pid + 8n), 'vector 41h').toBe(2n);
    flushIndex(bench, 3);
    send(bench);
    expect(bench.read64(pid + 8n), 'and now 42h').toBe(6n);
  });

  it('beyond the table that SIRTP has made smaller is not used, whatever the cache holds.', () => {
    const bench = stale([0x20])
      .set(REG.IRTA, 0x3_0000n | 3n, 8)
      .command(SIRTP);
    expect(send(bench, request(0x20))).toBe('21h');
  });
});

describe('An entry that led to a fault', () => {
  const faulty: readonly { readonly lo: bigint; readonly hi: bigint; readonly fault: string }[] = [
    { lo: 0n, hi: 0n, fault: '22h' },
    { lo: 0x0041_1001n, hi: 0n, fault: '24h' },
    { lo: 0x0041_0001n, hi: 0x4_0020n, fault: '26h' },
    { lo: 0x0000_0000_0041_8001n, hi: 0x0000_0002_0000_0000n, fault: '27h' },
  ];
  const ram: BenchOptions['ram'] = [[0n, 0x100_0000n]];

  it.each(faulty)('is not kept without caching mode: $fault', ({ lo, hi, fault }) => {
    const bench = posting({ ram }).irte(3, lo, hi);
    expect(send(bench)).toBe(fault);
    bench.irte(3, entry(0x41));
    expect(send(bench)).toEqual(delivered(0x41));
  });

  it.each(faulty)('is kept with caching mode until it is invalidated: $fault', ({ lo, hi, fault }) => {
    proves('CAP_REG.CM');
    const bench = posting({ ram, cm: true }).irte(3, lo, hi);
    expect(send(bench)).toBe(fault);
    bench.irte(3, entry(0x41));
    expect(send(bench)).toBe(fault);
    flushIndex(bench, 2);
    expect(send(bench)).toBe(fault);
    flushIndex(bench, 3);
    expect(send(bench)).toEqual(delivered(0x41));
  });
});

describe('An index mask', () => {
  it.each([0, 1, 7, 15])('may go up to MHMV, here %i; above it the queue stops (IQEI 4).', (mhmv) => {
    if (mhmv > 0) proves('ECAP_REG.MHMV');
    for (let im = 0; im < 32; im++) {
      const bench = flushIndex(stale([3], { mhmv }), 3, im);
      expect(bench.get(REG.FSTS), `IM ${im}`).toBe(im > mhmv ? IQE : 0n);
      expect(bench.get(REG.IQERCD, 8) & 0xfn).toBe(im > mhmv ? 4n : 0n);
      expect(send(bench, request(3))).toEqual(delivered(im > mhmv ? 0x41 : 0x42));
    }
  });

  it('counts for nothing in a global invalidation.', () => {
    const bench = stale([3], { mhmv: 0 }).submit([0x4n | (31n << 27n) | (0x99n << 32n), 0n]);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(send(bench, request(3))).toEqual(delivered(0x42));
  });
});

describe('With ESIRTPS', () => {
  it.each([false, true])('SIRTP empties the cache, and without it leaves it: %s.', (esirtps) => {
    if (esirtps) proves('CAP_REG.ESIRTPS');
    const bench = stale([3], { esirtps }).command(SIRTP);
    expect(send(bench, request(3))).toEqual(delivered(esirtps ? 0x42 : 0x41));
  });

  it.each([false, true])('switching remapping off empties the cache, and without it leaves it: %s.', (esirtps) => {
    const bench = stale([3], { esirtps }).stop(IRE);
    expect(send(bench, request(3)), 'off, messages pass').toEqual([{ address: request(3), data: 0 }]);
    bench.command(IRE);
    expect(send(bench, request(3))).toEqual(delivered(esirtps ? 0x42 : 0x41));
  });

  it('writing GCMD with IRE as it stands empties nothing.', () => {
    const bench = stale([3], { esirtps: true }).command(IRE);
    expect(send(bench, request(3))).toEqual(delivered(0x41));
  });
});

describe('What the interrupt entry cache holds', () => {
  it('is shown entry by entry, by index and in its format.', () => {
    const bench = posting().irte(4, entry(0x41));
    send(bench);
    send(bench, request(4));
    const view = bench.rig
      .inspect()
      .caches()
      .find(({ name }) => name === 'interrupt entry cache');
    expect(view?.size).toEqual({ sets: 16, ways: 4 });
    expect(view?.entries).toMatchObject([
      { index: '0x3', format: 'posted', VV: '0x41', PDAH: '1', P: '1' },
      { index: '0x4', format: 'remapped', V: '0x41', P: '1' },
    ]);
    flushIndex(bench, 3);
    const left = bench.rig
      .inspect()
      .caches()
      .find(({ name }) => name === 'interrupt entry cache');
    expect(left?.entries.map(({ index }) => index)).toEqual(['0x4']);
  });
});
