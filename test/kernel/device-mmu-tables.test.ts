/** The tables of a device's MMU as the kernel remembers them, and where on the bus they lead. */
import { describe, expect, it } from 'vitest';
import { windowIn } from '../../src/kernel/device-mmu/domain.ts';
import { type Change, MmuTables } from '../../src/kernel/device-mmu/tables.ts';

const [R, W, RW] = [
  { read: true, write: false },
  { read: false, write: true },
  { read: true, write: true },
];

const plain = (changes: readonly Change[]) =>
  changes.map(({ table, from, entries, isLast }) => [table, from, [...entries], isLast]);

describe('Tables of a device’s MMU', () => {
  it('have an entry of 4 bytes for each page: valid, readable, writable, and the page on the bus', () => {
    const tables = new MmuTables();
    expect(plain(tables.map(0, 0x10_0000, 2, RW))).toEqual([[0, 0, [0x80_0007, 0x80_000f], false]]);
    expect(plain(tables.map(5, 0x1fff_ffff, 1, R))).toEqual([[0, 5, [0xffff_fffb], false]]);
    expect(plain(tables.map(6, 1, 1, W))).toEqual([[0, 6, [0x0000_000d], false]]);
  });

  it('cover 4 MiB each', () => {
    const tables = new MmuTables();
    expect(plain(tables.map(1023, 8, 2, R))).toEqual([
      [0, 1023, [0x43], false],
      [1, 0, [0x4b], false],
    ]);
    expect(plain(tables.map(0xf_ffff, 8, 1, R))).toEqual([[1023, 1023, [0x43], false]]);
  });

  it('say when nothing is left in one, holes or not', () => {
    const tables = new MmuTables();
    tables.map(1, 0, 1, RW);
    tables.map(9, 0, 1, RW);
    tables.map(1024, 0, 1, RW);
    expect(plain(tables.unmap(0, 4))).toEqual([[0, 0, [0, 0, 0, 0], false]]);
    expect(tables.unmap(0, 4)).toEqual([]);
    expect(plain(tables.unmap(8, 1016 + 1))).toEqual([
      [0, 8, new Array(1016).fill(0), true],
      [1, 0, [0], true],
    ]);
    expect(tables.all()).toEqual([]);
    expect(tables.unmap(0, 2 ** 20)).toEqual([]);
  });

  it('are given whole to a device that has none', () => {
    const tables = new MmuTables();
    tables.map(2, 3, 1, RW);
    const whole = new Array(1024).fill(0);
    whole[2] = 0x1f;
    expect(plain(tables.all())).toEqual([[0, 0, whole, false]]);
  });
});

describe('The window of bus addresses', () => {
  it.each([
    [
      '4 GiB, even where all can be mapped: below are the addresses of a device whose MMU is off',
      2 ** 36,
      [],
      0x10_0000,
    ],
    ['the first that is free of what is reserved', 2 ** 36, [[0x1f_ffff, 0x20_0000]], 0x30_0000],
    ['the last that the device reaches', 2 ** 36, [[0, 0x1fef_ffff]], 0x1ff0_0000],
    ['none beyond that', 2 ** 36, [[0, 0x1ff0_0000]], undefined],
    ['the last that the unit maps', 0x1f_ffff, [], 0x10_0000],
    ['none that the unit maps in part', 0x1f_fffe, [], undefined],
  ] as const)('begins at %s', (_, last, reserved, first) => {
    expect(windowIn({ last, reserved })).toBe(first);
  });
});
