/** The walk through host tables (amd-vi.md sections 3.1 to 3.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL_CACHES, Bench, DATA, hostAt, INVALIDATE_ALL, IR, IW, level, NO_CACHES, outcome, PR, RW } from './bench.ts';

const CACHES = [NO_CACHES, ALL_CACHES];

describe('A host walk', () => {
  it.each([1, 2, 3, 4, 5, 6])('of %i levels takes 9 bits of the address at each, and 7 at the sixth.', (levels) => {
    proves('DTE.Mode', 'DTE.HostPTRoot', 'host PTE.PageAddress');
    if (levels > 1) proves('host PDE.NextTable', 'host PTE.NextLevel');
    const address = 0xfedc_ba98_7654_3210n & ((1n << BigInt(Math.min(64, 12 + 9 * levels))) - 1n);
    const index = (n: number) => Number((address >> BigInt(12 + 9 * (n - 1))) & (n === 6 ? 0x7fn : 0x1ffn));
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).device({ mode: levels });
      for (let n = levels; n > 1; n--) bench.host(n, index(n), hostAt(n - 1) | RW | level(n - 1));
      bench.host(1, index(1), 0xf_edcb_a987_6000n | RW).enable();
      expect(outcome(bench.ask(address))).toBe(0xf_edcb_a987_6210n);
      expect(bench.tableReads()).toBe(levels);
      expect(outcome(bench.ask(address ^ 0xabcn))).toBe(0xf_edcb_a987_6210n ^ 0xabcn);
      expect(bench.tableReads()).toBe(caches === NO_CACHES ? levels : 0);
    }
  });

  it.each([1, 2, 3, 4, 5])('covers no more than the tables of Mode %i do.', (mode) => {
    const bench = new Bench().usual({ mode }).enable();
    for (let bit = 12 + 9 * mode; bit < 64; bit++) {
      expect(outcome(bench.ask(1n << BigInt(bit)))).toBe('IO_PAGE_FAULT.OUT_OF_RANGE');
    }
    expect(outcome(bench.ask(0n))).toBe(DATA);
  });

  /** By literal size: 4 KiB, 2 MiB, 1 GiB, 512 GiB, 256 TiB. */
  it.each([
    { at: 1, size: 0x1000n, frame: 0xf_edcb_a987_6000n },
    { at: 2, size: 0x20_0000n, frame: 0xf_edcb_a980_0000n },
    { at: 3, size: 0x4000_0000n, frame: 0xf_edcb_8000_0000n },
    { at: 4, size: 0x80_0000_0000n, frame: 0xf_ed80_0000_0000n },
    { at: 5, size: 0x1_0000_0000_0000n, frame: 0xf_0000_0000_0000n },
  ])('may end at level $at in a page of $size bytes with NextLevel 0.', ({ at, size, frame }) => {
    for (const caches of CACHES) {
      const bench = new Bench({ caches })
        .usual({ mode: 6 })
        .host(at, 0, frame | RW)
        .enable();
      // Bytes all over the page, first from the tables and then from the IOTLB; the first one behind it is not mapped.
      for (const offset of [0n, size - 1n, size / 2n, size / 3n, size / 2n - 1n]) {
        expect(outcome(bench.ask(offset)), `${offset}`).toBe(frame + offset);
        expect(outcome(bench.ask(offset, { write: true }))).toBe(frame + offset);
      }
      expect(outcome(bench.ask(size))).toBe('IO_PAGE_FAULT.NOT_PRESENT');
    }
  });

  it('may not end at level 6, nor with NextLevel 0 nor with 7.', () => {
    for (const next of [0, 7]) {
      const bench = new Bench()
        .usual({ mode: 6 })
        .host(6, 0, RW | level(next))
        .enable();
      expect(outcome(bench.ask(0n))).toBe('IO_PAGE_FAULT.PAGE_SIZE');
      expect(bench.events()).toEqual([[0x2010_0005_0000_0108n, 0n]]);
    }
  });

  it('finds in NextLevel 7 every power of two between the sizes of two levels, and no other.', () => {
    proves('host PTE.NextLevel');
    // At each level the sizes that it may encode, as powers of two.
    const allowed = [[], [13, 20], [22, 29], [31, 38], [40, 47], [49, 52]];
    for (let at = 1; at <= 5; at++) {
      const bench = new Bench().usual({ mode: 6 }).enable();
      for (let power = 13; power <= 52; power++) {
        const size = 1n << BigInt(power);
        // All ones below half the size, which is 0.
        const encoded = size / 2n - 0x1000n;
        const frame = power < 51 ? 0xc_0000_0000_0000n : 0n;
        const entry = (frame & ~(size - 1n)) | encoded | RW | level(7);
        const [first, last] = allowed[at]!;
        const indexOf = (address: bigint) => Number((address >> BigInt(12 + 9 * (at - 1))) & 0x1ffn);
        const offset = size / 2n + 0x234n < 1n << BigInt(12 + 9 * at) ? size / 2n + 0x234n : 0x234n;
        // Each place of the table that the page covers holds the same entry.
        bench.host(at, indexOf(offset), entry).host(at, indexOf(size - 1n), entry);
        const legal = power >= first! && power <= last!;
        const expected = legal ? (frame & ~(size - 1n)) + offset : 'IO_PAGE_FAULT.PAGE_SIZE';
        expect(outcome(bench.ask(offset)), `level ${at}, 2^${power}`).toBe(expected);
        if (legal) expect(outcome(bench.ask(size - 1n))).toBe((frame & ~(size - 1n)) + size - 1n);
      }
    }
  });

  it('finds no size in an address of ones.', () => {
    const bench = new Bench()
      .usual({ mode: 5 })
      .host(5, 0, 0xf_ffff_ffff_f000n | RW | level(7))
      .enable();
    expect(outcome(bench.ask(0n))).toBe('IO_PAGE_FAULT.PAGE_SIZE');
  });

  it('goes from any level to any lower one; the address bits of those between are 0.', () => {
    proves('host PTE.NextLevel');
    for (const caches of CACHES) {
      for (let from = 2; from <= 6; from++) {
        for (let to = 1; to < from; to++) {
          const bench = new Bench({ caches }).usual({ mode: from }).enable();
          bench.host(from, 3, hostAt(to) | RW | level(to));
          const top = 3n << BigInt(12 + 9 * (from - 1));
          expect(outcome(bench.ask(top))).toBe(DATA);
          bench.tableReads();
          for (let bit = 12 + 9 * to; bit < 12 + 9 * (from - 1); bit++) {
            expect(outcome(bench.ask(top | (1n << BigInt(bit)))), `${from} to ${to}, bit ${bit}`).toBe(
              'IO_PAGE_FAULT.SKIPPED',
            );
          }
          expect(outcome(bench.ask(top + 0xffcn))).toBe(DATA + 0xffcn);
        }
      }
    }
  });

  it('does not go to its own level or up: tables that name themselves end it at once.', () => {
    for (let at = 1; at <= 6; at++) {
      for (let to = at; to <= 6; to++) {
        const bench = new Bench({ caches: ALL_CACHES }).usual({ mode: 6 }).enable();
        bench.host(at, 0, hostAt(to) | RW | level(to));
        expect(outcome(bench.ask(0n)), `${at} to ${to}`).toBe('IO_PAGE_FAULT.NEXT_LEVEL');
        expect(bench.tableReads()).toBe(7 - at);
      }
    }
  });

  it('reads addresses of 52 bits in every entry.', () => {
    proves('DTE.HostPTRoot', 'host PTE.PageAddress');
    const high = 0xf_ffff_f000_0000n;
    const bench = new Bench({ ram: 1n << 52n }).device({ mode: 3, root: high });
    bench.write64(high, (high + 0x1000n) | RW | level(2));
    bench.write64(high + 0x1000n, (high + 0x2000n) | RW | level(1));
    bench.write64(high + 0x2000n, 0xf_ffff_ffff_f000n | RW);
    expect(bench.enable().write(0xffcn)).toEqual({ ok: true, segments: [{ address: 0xf_ffff_ffff_fffcn, length: 4 }] });
  });
});

describe('Each single bit of a present host entry', () => {
  const bits = Array.from({ length: 64 }, (_, bit) => bit);
  it('of a table is ignored, has a meaning, or is reserved.', () => {
    proves('host PDE.IGNORED_4_1', 'host PDE.IGNORED_8_6', 'host PDE.IGNORED_63');
    const bench = new Bench().usual().enable();
    const reserved = bits.filter((bit) => {
      bench.host(2, 0, hostAt(1) | RW | level(1) | (1n << BigInt(bit)));
      return outcome(bench.ask(0n)) === 'IO_PAGE_FAULT.RESERVED';
    });
    expect(reserved).toEqual([52, 53, 54, 55, 56, 57, 58, 59, 60]);
  });

  it('of a page changes nothing unless it belongs to the address or to NextLevel.', () => {
    proves('host PTE.IGNORED_4_1', 'host PTE.IGNORED_8_7', 'host PTE.IGNORED_58_52', 'host PTE.IGNORED_63');
    const bench = new Bench().usual().enable();
    const changes = bits.filter((bit) => {
      bench.host(1, 0, RW | (1n << BigInt(bit)));
      return outcome(bench.ask(0n)) !== 0n;
    });
    expect(changes).toEqual(bits.slice(9, 52));
  });

  it('counts only while PR is 1.', () => {
    const bench = new Bench().usual().host(2, 0, 0xffff_ffff_ffff_fffen).enable();
    expect(outcome(bench.ask(0n))).toBe('IO_PAGE_FAULT.NOT_PRESENT');
  });
});

describe('Rights', () => {
  it('are what every level grants.', () => {
    proves('host PTE.IR', 'host PTE.IW');
    const grants = [PR, PR | IR, PR | IW, RW];
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).device({ mode: 3 }).enable();
      for (let n = 0; n < 64; n++) {
        const [a, b, c] = [n & 3, (n >> 2) & 3, n >> 4] as const;
        bench.submit(INVALIDATE_ALL);
        bench.host(3, 0, hostAt(2) | level(2) | grants[a]!);
        bench.host(2, 0, hostAt(1) | level(1) | grants[b]!);
        bench.host(1, 0, DATA | grants[c]!);
        for (let again = 0; again < 2; again++) {
          for (const [write, needed] of [
            [false, 1],
            [true, 2],
          ] as const) {
            const expected = (a & b & c & needed) !== 0 ? DATA : 'IO_PAGE_FAULT.DENIED';
            expect(outcome(bench.ask(0n, { write })), `${a} ${b} ${c}`).toBe(expected);
          }
        }
      }
    }
  });

  it('to read are what a read of no bytes needs.', () => {
    const bench = new Bench().usual({}, DATA | PR | IW).enable();
    expect(outcome(bench.ask(0n, { length: 0 }))).toBe('IO_PAGE_FAULT.DENIED');
  });
});
