import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { PageTable } from '../../src/kernel/iommu/page-table.ts';
import { PageAllocator } from '../../src/kernel/page-allocator.ts';
import { ENOMEM } from '../../src/uapi/index.ts';

const PAGE = 4096;
const RW = { read: true, write: true };

function make(levels: 3 | 4 | 5, superpages: readonly (2 | 3)[], pages = 4096) {
  const memory = new PhysicalMemory();
  const cpu = {
    read: (address: number, length: number) => memory.read(address, length)!,
    write: (address: number, bytes: Uint8Array) => void memory.write(address, bytes),
    read64: (address: number) => memory.read64(address),
    write64: (address: number, value: bigint) => void memory.write64(address, value),
  };
  const allocator = new PageAllocator(cpu, [[0, pages * PAGE]]);
  const format = vtdSecondStage({ levels, superpages });
  const table = PageTable.create(format, allocator, cpu);
  if (typeof table === 'number') throw new Error('no memory');
  /** The frame that a page leads to, found the slow way. */
  const lookup = (page: number): number | undefined => {
    let at = table.root * PAGE;
    for (let level = format.levels; level > 0; level--) {
      const entry = format.decode(level, memory.read64(at + format.indexOf(page, level) * 8));
      if (entry.kind === 'empty') return undefined;
      const span = 2 ** format.pageShift(level) / PAGE;
      if (entry.kind === 'leaf') return entry.address / PAGE + (page % span);
      at = entry.address;
    }
    return undefined;
  };
  return { memory, allocator, table, lookup };
}

describe('the page-table mapper', () => {
  it('writes the entries that VT-d 9.8 describes for one page', () => {
    const { memory, table } = make(4, [2, 3]);
    expect(table.map(0x12345, 0xabcde, 1, { ...RW, snoop: true })).toBe(0);
    const pml4e = memory.read64(table.root * PAGE);
    expect(pml4e & 0xfffn).toBe(3n);
    const pdpe = memory.read64(Number(pml4e & ~0xfffn));
    const pde = memory.read64(Number(pdpe & ~0xfffn) + 0x91 * 8);
    expect(memory.read64(Number(pde & ~0xfffn) + 0x145 * 8)).toBe(0xabcde803n);
  });

  it.each([
    ['2 MiB', 512, 2],
    ['1 GiB', 512 * 512, 3],
  ])('uses one entry for an aligned %s', (_, pages, level) => {
    const { table, lookup, allocator } = make(4, [2, 3]);
    expect(table.map(pages, pages * 4, pages, RW)).toBe(0);
    expect(table.entries).toBe(5 - level);
    expect(lookup(pages)).toBe(pages * 4);
    expect(lookup(2 * pages - 1)).toBe(pages * 5 - 1);
    expect(lookup(2 * pages)).toBeUndefined();
    const { tables, entries } = table.unmap(0, 4 * pages);
    expect(entries).toBe(5 - level);
    expect(tables).toHaveLength(4 - level);
    table.reclaim(tables);
    table.destroy();
    expect(allocator.free).toBe(allocator.total);
  });

  it('falls back to small pages where frames are not aligned or the unit lacks the size', () => {
    for (const [frame, superpages] of [
      [513, [2, 3]],
      [512, []],
    ] as const) {
      const { table } = make(4, superpages);
      expect(table.map(512, frame, 512, RW)).toBe(0);
      expect(table.entries).toBe(512 + 3);
    }
  });

  it('keeps an emptied table until it is told that hardware has forgotten it', () => {
    const { table, allocator } = make(4, []);
    table.map(7, 1, 1, RW);
    const free = allocator.free;
    const { tables } = table.unmap(7, 1);
    expect(tables).toHaveLength(3);
    expect(allocator.free).toBe(free);
    table.reclaim(tables);
    expect(allocator.free).toBe(free + 3);
  });

  it('leaves tables of neighbours where they are when it is told to, even without entries', () => {
    const { table, lookup } = make(4, [2]);
    const tableOf = (): number => table.map(8, 2, 1, RW) + table.tables;
    table.map(7, 1, 1, RW);
    expect(table.unmap(7, 1, 'covered').tables).toEqual([]);
    expect(tableOf(), 'the old tables do').toBe(0);
    // All that a table of 4 KiB pages could map: that one goes, and the table of 2 MiB pages above it stays.
    expect(table.unmap(0, 512, 'covered').tables).toHaveLength(1);
    table.map(7, 1, 1, RW);
    table.unmap(7, 1, 'covered');
    table.map(0, 512, 512, RW);
    expect(table.entries, 'small pages in the table that is there').toBe(512);
    expect(lookup(511)).toBe(1023);
    expect(table.unmap(0, 512).tables).toHaveLength(3);
  });

  it('stops with -ENOMEM and can take back what it has mapped', () => {
    const { table, allocator } = make(4, [], 8);
    expect(table.map(0, 100, 512 * 20, RW)).toBe(-ENOMEM);
    table.reclaim(table.unmap(0, 512 * 20).tables);
    expect(allocator.free).toBe(allocator.total - 1);
  });

  it('throws when it would map a page twice or cut a large one: its callers must know', () => {
    const { table } = make(4, [2]);
    table.map(512, 512, 512, RW);
    expect(() => table.map(600, 0, 1, RW)).toThrow(/mapped already/);
    expect(() => table.map(512, 512, 512, RW)).toThrow(/mapped already/);
    expect(() => table.unmap(512, 100)).toThrow(/cut/);
  });

  it('leads every page where a plain map says, whatever was mapped and unmapped', () => {
    const step = fc.record({
      first: fc.integer({ min: 0, max: 3000 }),
      frame: fc.oneof(
        fc.integer({ min: 0, max: 1e6 }),
        fc.nat({ max: 100 }).map((n) => n * 512),
      ),
      pages: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(512, 1024, 700)),
      remove: fc.boolean(),
      unlinking: fc.constantFrom('emptied' as const, 'covered' as const),
    });
    const shape = fc.record({
      levels: fc.constantFrom(3 as const, 4 as const, 5 as const),
      superpages: fc.subarray([2, 3] as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), shape, (steps, { levels, superpages }) => {
        const { table, lookup, allocator } = make(levels, superpages);
        const twin = new Map<number, number>();
        const mapped: { first: number; pages: number }[] = [];
        for (const { first, frame, pages, remove, unlinking } of steps) {
          if (remove) {
            const [gone] = mapped.splice(first % Math.max(1, mapped.length), 1);
            if (gone === undefined) continue;
            table.reclaim(table.unmap(gone.first, gone.pages, unlinking).tables);
            for (let i = 0; i < gone.pages; i++) twin.delete(gone.first + i);
            continue;
          }
          if (mapped.some((one) => first < one.first + one.pages && one.first < first + pages)) continue;
          expect(table.map(first, frame, pages, RW)).toBe(0);
          for (let i = 0; i < pages; i++) twin.set(first + i, frame + i);
          mapped.push({ first, pages });
        }
        const wrong = Array.from({ length: 4100 }, (_, page) => page).filter((page) => lookup(page) !== twin.get(page));
        expect(wrong).toEqual([]);
        table.reclaim(table.unmap(0, 2 ** 27).tables);
        expect(allocator.free).toBe(allocator.total - 1);
        table.destroy();
        expect(allocator.free).toBe(allocator.total);
      }),
      { numRuns: 40 },
    );
  });
});
