/** What every page-table format must do, whatever its entries look like. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PageTableFormat } from '../../hardware/formats/index.ts';

/** Bits of a host address that a table or a page can have here. */
const ADDRESS_BITS = 52;

export function formatContract(format: PageTableFormat): void {
  const levels = Array.from({ length: format.levels }, (_, i) => i + 1);
  const pageNumbers = fc.bigInt(0n, 2n ** 52n - 1n).map(Number);
  const aligned = (shift: number) =>
    fc.bigInt(0n, 2n ** BigInt(ADDRESS_BITS - shift) - 1n).map((n) => Number(n << BigInt(shift)));

  it('has one level or more, 8-byte entries, and pages of 4 KiB at level 1.', () => {
    expect(format.name).not.toBe('');
    expect(format.levels).toBeGreaterThanOrEqual(1);
    expect(format.entryBytes).toBe(8);
    expect(format.leafLevels).toContain(1);
    expect(format.pageShift(1)).toBe(12);
    for (const level of format.leafLevels) expect(levels).toContain(level);
  });

  it('decodes an empty entry as empty at every level.', () => {
    for (const level of levels) expect(format.decode(level, format.empty)).toEqual({ kind: 'empty' });
  });

  it('decodes a table entry as the address it was made with, above level 1.', () => {
    for (const level of levels.slice(1)) {
      fc.assert(
        fc.property(aligned(12), (address) => {
          expect(format.decode(level, format.table(level, address))).toEqual({ kind: 'table', address });
        }),
      );
    }
  });

  it('decodes a leaf as the address and the rights it was made with, at every level that may have one.', () => {
    const rights = fc
      .record({ read: fc.boolean(), write: fc.boolean(), snoop: fc.boolean() })
      .filter(({ read, write }) => read || write);
    for (const level of format.leafLevels) {
      fc.assert(
        fc.property(aligned(format.pageShift(level)), rights, (address, protection) => {
          const found = format.decode(level, format.leaf(level, address, protection));
          expect(found).toEqual({ kind: 'leaf', address, ...protection });
          const leaf = format.leaf(level, address, protection);
          expect(leaf & format.dirty, 'a new page has not been written').toBe(0n);
          expect(format.decode(level, leaf | format.dirty)).toEqual(found);
        }),
      );
    }
  });

  it('makes entries of 64 bits.', () => {
    const all = 2 ** ADDRESS_BITS - 4096;
    const entries = [
      format.table(format.levels, all),
      ...format.leafLevels.map((level) => format.leaf(level, all, { read: true, write: true, snoop: true })),
    ];
    for (const entry of entries) expect(BigInt.asUintN(64, entry)).toBe(entry);
  });

  it('covers with each entry what a whole table of the level below covers.', () => {
    for (const level of levels.slice(1)) expect(format.pageShift(level)).toBeGreaterThan(format.pageShift(level - 1));
  });

  it('finds a page by its indices: they and the page name each other.', () => {
    fc.assert(
      fc.property(pageNumbers, (page) => {
        const covered = page % 2 ** (format.pageShift(format.levels) - 12 + 9);
        let sum = 0;
        for (const level of levels) {
          const index = format.indexOf(page, level);
          expect(index).toBe(Math.trunc(index));
          expect(index).toBeGreaterThanOrEqual(0);
          sum += index * 2 ** (format.pageShift(level) - 12);
        }
        expect(sum).toBe(covered);
      }),
    );
  });
}
