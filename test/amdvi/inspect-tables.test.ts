import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count, outline } from '../iommu/table-outline.ts';
import {
  CONTROL,
  DEVICE_TABLE,
  GCR3,
  GUEST,
  HOST,
  HOST_TABLE,
  INTERRUPT_TABLE,
  InspectBench,
  NOBODY,
  RW,
} from './inspect-bench.ts';

const HEAD = ['device table at 0x100000', '  DTE 00:03.0'];
const treeOf = (bench: InspectBench, requester?: number, pasid?: number): string[] =>
  outline(bench.inspector.tables(requester, pasid));

describe('the tree of host tables', () => {
  it('joins pages that lie side by side, names the size that an address encodes, and follows entries that skip levels', () => {
    expect(treeOf(new InspectBench(), HOST)).toEqual([
      ...HEAD,
      '    host PDE, level 3 [0] 0-3fffffff',
      '      host PDE, level 2 [0] 0-1fffff',
      '        host PTE, level 1 [1] 1000-2fff -> 801000 x2 RW',
      '        host PTE, level 1 [3] 3000-3fff -> 803000 x1 R-',
      '        host PDE, level 1 [4] 4000-4fff: reserved bits are set',
      '        host PTE, level 1 [8] 8000-ffff -> 880000 x8 RW: of pages of 0x8000 bytes',
      '      host PTE, level 2 [1] 200000-3fffff -> 600000 x1 RW',
      '      host PTE, level 2 [2] 400000-5fffff -> 400000 x1 RW',
      '    host PDE, level 3 [1] 40000000-401fffff: skips to level 1',
      '      host PTE, level 1 [0] 40000000-40000fff -> 804000 x1 RW',
    ]);
  });

  it('marks what no walk gets through', () => {
    const bench = new InspectBench().put(
      HOST_TABLE,
      0x20_1000n | RW | (3n << 9n),
      0xfff_f000n | RW | (7n << 9n),
      0xfff_f000n | RW | (2n << 9n),
    );
    expect(treeOf(bench, HOST).slice(2)).toEqual([
      '    host PDE, level 3 [0] 0-3fffffff: NextLevel is not below the level of the table',
      '    host PTE, level 3 [1] 40000000-7fffffff: no page of the level has this size',
      '    host PDE, level 3 [2] 80000000-bfffffff',
      '      host PTE, level 2: the table at 0xffff000 cannot be read',
    ]);
  });

  it('has 128 entries at level 6, which reach to the end of 64 bits', () => {
    const bench = new InspectBench().put(DEVICE_TABLE + 0x300n, 0x6000_0000_0050_0c03n);
    bench.put(0x50_03f8n, 0x50_1000n | RW | (1n << 9n)).put(0x50_1ff8n, 0x80_0000n | RW);
    bench.put(0x50_0400n, 0x50_1000n | RW | (1n << 9n));
    expect(treeOf(bench, HOST).slice(2)).toEqual([
      '    host PDE, level 6 [127] fe00000000000000-fe000000001fffff: skips to level 1',
      '      host PTE, level 1 [511] fe000000001ff000-fe000000001fffff -> 800000 x1 RW',
    ]);
  });
});

describe('the tree of a device', () => {
  it('has a branch per PASID, whose tables lie at guest addresses, and one for the host tables', () => {
    expect(treeOf(new InspectBench(), GUEST).slice(0, 9)).toEqual([
      'device table at 0x100000',
      '  DTE 00:04.0',
      '    GCR3 table at 0x300000',
      '      GCR3 entry PASID 2',
      '        guest PML4E [0] 0-7fffffffff',
      '          guest PDPE [0] 0-3fffffff',
      '            guest PDE [0] 0-1fffff',
      '              guest PTE [5] 5000-5fff -> 1000 x1 RW',
      '    host tables of guest addresses',
    ]);
  });

  it('finds guest tables where the host table puts them', () => {
    const bench = new InspectBench().put(HOST_TABLE + 0x1010n, 0x90_0001n | RW);
    // What was at 40_0000h is at 80_0000h now: nothing.
    expect(treeOf(bench, GUEST, 2).slice(3, 5)).toEqual([
      '      GCR3 entry PASID 2',
      '        table at 0x400000: nothing is mapped',
    ]);
    bench.put(0x80_0000n, 0x40_1007n).put(0x80_1000n, 0x40_2007n).put(0x80_2000n, 0x40_0083n);
    expect(treeOf(bench, GUEST, 2).slice(4, 8)).toEqual([
      '        guest PML4E [0] 0-7fffffffff',
      '          guest PDPE [0] 0-3fffffff',
      '            guest PDE (2 MiB page) [0] 0-1fffff -> 400000 x1 RW',
      '    host tables of guest addresses',
    ]);
  });

  it('shows the upper half of guest addresses at the top of 64 bits', () => {
    const bench = new InspectBench().put(0x40_0ff8n, 0x40_1007n);
    expect(treeOf(bench, GUEST, 2).filter((line) => line.includes('PML4E'))).toEqual([
      '        guest PML4E [0] 0-7fffffffff',
      '        guest PML4E [511] ffffff8000000000-ffffffffffffffff',
    ]);
  });

  it('shows one PASID when it is named, through as many GCR3 tables as there are', () => {
    const bench = new InspectBench().put(DEVICE_TABLE + 0x400n, 0x6180_0000_0020_0603n);
    bench.put(GCR3 + 8n, 0x40_8001n).put(0x40_8010n, 0x40_0001n);
    expect(treeOf(bench, GUEST, 0x202).slice(3, 6)).toEqual([
      '      GCR3 entry PASIDs 512-1023',
      '        GCR3 entry PASID 514',
      '          guest PML4E [0] 0-7fffffffff',
    ]);
    expect(treeOf(bench, GUEST, 0x203)[4]).toBe('        GCR3 entry PASID 515: not present');
    expect(treeOf(new InspectBench(), GUEST, 0x202)[3]).toBe('      GCR3 table: too small for this PASID');
    expect(treeOf(new InspectBench(CONTROL & ~(1n << 16n)), GUEST)[2]).toBe(
      '    GCR3 table at 0x300000: guest translation is off',
    );
  });

  it('says what becomes of accesses without any table', () => {
    const bench = new InspectBench();
    const said = (requester: number): string => treeOf(bench, requester)[1]!;
    const put = (...words: bigint[]): string => {
      bench.put(DEVICE_TABLE + 0x600n, ...words);
      return said(NOBODY);
    };
    expect(said(NOBODY)).toBe('  DTE 00:06.0: V is 0: accesses to memory pass');
    expect(said(0x200)).toBe('  DTE 02:00.0: beyond the device table');
    expect(put(1n)).toBe('  DTE 00:06.0: TV is 0: every access to memory is blocked');
    expect(put(3n)).toBe('  DTE 00:06.0: IR and IW are 0: every access to memory is blocked');
    expect(put(3n | (1n << 61n))).toBe('  DTE 00:06.0: addresses pass through');
    expect(put(5n)).toBe('  DTE 00:06.0: a reserved bit is set, or a field without its feature');
  });

  it('stands beside those of all devices in use unless it is named', () => {
    const lines = treeOf(new InspectBench());
    expect(lines.filter((line) => line.includes('DTE'))).toEqual([
      '  DTE 00:03.0',
      '  DTE 00:04.0',
      '  DTE 00:05.0: V is 0: accesses to memory pass',
    ]);
    const empty = new InspectBench(0n).set(0, 0x50_0000n);
    expect(treeOf(empty)).toEqual(['device table at 0x500000: the unit is off, no entry is valid']);
  });
});

describe('the tree of interrupt tables', () => {
  const treeOfInterrupts = (bench: InspectBench): string[] => outline(bench.inspector.interrupts());

  it('shows the entries in use of each device under their own layouts', () => {
    expect(treeOfInterrupts(new InspectBench())).toEqual([
      'interrupt tables by device',
      '  DTE 00:05.0: table at 0x700000 of 512 entries',
      '    IRTE (128 bits) [3]',
      '    IRTE (guest) [4]',
    ]);
    // 32 bits each.
    expect(treeOfInterrupts(new InspectBench(0x1005n)).slice(2)).toEqual([
      '    IRTE (32 bits) [12]',
      '    IRTE (32 bits) [16]',
      '    IRTE (32 bits) [18]',
    ]);
  });

  it('says what becomes of interrupts without a table', () => {
    const bench = new InspectBench().put(DEVICE_TABLE + 0x610n, 0x1000_0000_0000_0001n);
    bench.put(DEVICE_TABLE + 0x710n, 1n).put(DEVICE_TABLE + 0x810n, 0x2000_0000_0000_0019n);
    expect(treeOfInterrupts(bench).filter((line) => line.includes('DTE'))).toEqual([
      '  DTE 00:05.0: table at 0x700000 of 512 entries',
      '  DTE 00:06.0: interrupts pass',
      '  DTE 00:07.0: interrupts are aborted',
      expect.stringMatching(/^ {2}DTE 00:08\.0: Mode, IoCtl/),
    ]);
    bench.put(INTERRUPT_TABLE + 0x30n, 0n, 0n, 0n, 0n);
    expect(treeOfInterrupts(bench)[1]).toMatch(/, none is in use$/);
  });
});

describe('tables that a guest fills with anything', () => {
  const page = fc.integer({ min: 0, max: 0x1000 }).map((n) => BigInt(n) << 12n);
  const entry = fc
    .tuple(page, fc.integer({ min: 0, max: 0xfff }))
    .map(([to, low]) => to | 0x6000_0000_0000_0000n | BigInt(low));
  const word = fc.oneof({ weight: 9, arbitrary: entry }, { weight: 1, arbitrary: fc.bigInt(0n, (1n << 64n) - 1n) });

  it('are shown in bounded time and space', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 3, maxLength: 64 }), (words) => {
        const bench = new InspectBench();
        const repeated = new BigUint64Array(0x20_0000 / 8).map((_, i) => words[i % words.length]!);
        for (let at = 0; at < 0x100_0000; at += 0x20_0000) bench.memory.write(at, new Uint8Array(repeated.buffer));
        bench.set(0, 0x1ffn).set(0x18, CONTROL | (1n << 58n));
        for (const tree of [bench.inspector.tables(), bench.inspector.interrupts(), bench.inspector.queue()]) {
          expect(count(tree)).toBeLessThan(50_000);
        }
      }),
      { numRuns: 4 },
    );
  });

  it('may point to themselves', () => {
    const bench = new InspectBench().put(HOST_TABLE, ...Array<bigint>(512).fill(HOST_TABLE | RW | (2n << 9n)));
    expect(count(bench.inspector.tables(HOST))).toBeLessThan(10_000);
    expect(treeOf(bench, HOST).some((line) => line.includes('NextLevel is not below'))).toBe(true);
  });
});
