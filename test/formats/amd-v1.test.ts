/** The AMD-Vi host format: the contract, and entries and page-size codes as the sources give them. */
import { describe, expect, it } from 'vitest';
import { amdV1, encodedShift, isSizeOf, v1AddressBits, v1SkipsBits } from '../../hardware/formats/index.ts';
import { formatContract } from '../contracts/format-contract.ts';

describe.each([1, 2, 3, 4, 5, 6])('The host format with %i levels', (levels) => {
  formatContract(amdV1({ levels }));
});

describe('A host entry', () => {
  const format = amdV1({ levels: 4 });

  it('points to a table at level 2 with NextLevel 2.', () => {
    expect(format.table(3, 0x5000)).toBe(0x6000_0000_0000_5401n);
  });

  it('is a page of its level with NextLevel 0: 4 KiB, read and write, coherent.', () => {
    expect(format.leaf(1, 0x26cc_6000, { read: true, write: true, snoop: true })).toBe(0x7000_0000_26cc_6001n);
  });

  it('grants read and write apart.', () => {
    expect(format.leaf(2, 0x20_0000, { read: true, write: false })).toBe(0x2000_0000_0020_0001n);
    expect(format.leaf(2, 0x20_0000, { read: false, write: true })).toBe(0x4000_0000_0020_0001n);
  });

  it('with NextLevel 7 is a page whatever its size.', () => {
    const words = { kind: 'leaf', address: 0x10_7000, read: true, write: true, snoop: true };
    expect(format.decode(1, 0x7000_0000_0010_7e01n)).toEqual(words);
  });
});

describe('The page-size code', () => {
  it.each([
    ['8 KiB', 0x0000_0000, 0, 13],
    ['16 KiB', 0x0000_1000, 0, 14],
    ['64 KiB at 1 MiB', 0x0010_7000, 0, 16],
    ['1 MiB', 0x0007_f000, 0, 20],
    ['4 GiB', 0x7fff_f000, 0, 32],
    ['8 GiB', 0xffff_f000, 0, 33],
    ['all ones', 0xffff_f000, 0x000f_ffff, 0],
  ])('for %s is its lowest 0 bit.', (_, lo, hi, shift) => {
    expect(encodedShift(hi, lo)).toBe(shift);
  });

  it('must lie between the sizes of its level and of the next.', () => {
    expect([13, 20].every((shift) => isSizeOf(1, shift))).toBe(true);
    expect([12, 21, 22].some((shift) => isSizeOf(1, shift))).toBe(false);
    expect(isSizeOf(2, 22)).toBe(true);
    expect(isSizeOf(6, 60)).toBe(false);
  });
});

describe('A table', () => {
  it('covers 12 + 9 bits per level, at most 64.', () => {
    expect([1, 2, 3, 4, 5, 6].map(v1AddressBits)).toEqual([21, 30, 39, 48, 57, 64]);
  });

  it('that is reached over a skipped level serves only addresses whose bits of that level are 0.', () => {
    // From level 3 to level 1: bits 29:21 belong to level 2.
    expect(v1SkipsBits(3, 1, 0, 0x3fff_ffff)).toBe(true);
    expect(v1SkipsBits(3, 1, 0, 0x0020_0000)).toBe(true);
    expect(v1SkipsBits(3, 1, 0, 0xc01f_ffff | 0)).toBe(false);
    expect(v1SkipsBits(2, 1, 0, -1)).toBe(false);
    // From level 6 to level 4: bits 56:48.
    expect(v1SkipsBits(6, 4, 0x0001_0000, 0)).toBe(true);
    expect(v1SkipsBits(6, 4, 0xfe00_ffff | 0, 0)).toBe(false);
  });
});
