/** Each bit of an entry of guest tables: what it is, for a walk that meets it (amd-vi.md section 3.4). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { Bench, DATA, guestAt, outcome, PASID, PS, USER_PAGE } from './bench.ts';

const IGNORED_IN_TABLES = ['IGNORED_6', 'IGNORED_8', 'IGNORED_11_9', 'IGNORED_62_52'];
const IGNORED_IN_PAGES = ['IGNORED_11_9', 'IGNORED_62_52'];
const bits = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

describe('Each single bit of a present guest entry', () => {
  it.each([
    { name: 'guest PML5E', level: 5, entry: guestAt(4), reserved: [7] },
    { name: 'guest PML4E', level: 4, entry: guestAt(3), reserved: [7] },
    // With PS it is a page, and no page is aligned as tables are.
    { name: 'guest PDPE', level: 3, entry: guestAt(2), reserved: [7] },
    { name: 'guest PDE', level: 2, entry: guestAt(1), reserved: [7] },
    { name: 'guest PDPE (1 GiB page)', level: 3, entry: PS, reserved: bits(13, 29) },
    { name: 'guest PDE (2 MiB page)', level: 2, entry: PS, reserved: bits(13, 20) },
    { name: 'guest PTE', level: 1, entry: DATA, reserved: [] },
  ])('is declared or reserved ($name).', ({ name, level, entry, reserved }) => {
    const isPage = level === 1 || entry === PS;
    proves(...(isPage ? IGNORED_IN_PAGES : IGNORED_IN_TABLES).map((field) => `${name}.${field}`));
    const bench = new Bench().guests({ fiveLevels: true }).enable();
    const found = bits(0, 63).filter((bit) => {
      bench.guest(level, 0, entry | USER_PAGE | (1n << BigInt(bit)));
      return outcome(bench.ask(0n, { pasid: PASID })) === 'IO_PAGE_FAULT.GUEST_RESERVED';
    });
    expect(found).toEqual(reserved);
  });
});
