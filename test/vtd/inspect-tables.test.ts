import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TableNode } from '../../hardware/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Capabilities } from '../../hardware/vtd/index.ts';
import { TableReader } from '../../hardware/vtd/inspect/tables.ts';
import { count, outline } from '../iommu/table-outline.ts';

const LEGACY = 0;
const SCALABLE = 1;
/** SAGAW for 3, 4 and 5 levels, 2 MiB and 1 GiB pages; scalable mode, first stage, nesting. */
const CAPABILITIES = new Capabilities(
  {
    ver: 0x60n,
    cap: (0b1110n << 8n) | (47n << 16n) | (3n << 34n) | (1n << 56n),
    ecap: (1n << 43n) | (1n << 47n) | (1n << 26n),
  },
  46,
);

class Tables {
  readonly memory = new PhysicalMemory([[0, 0x100_0000]]);

  put(address: number, ...quadwords: bigint[]): this {
    quadwords.forEach((value, i) => {
      this.memory.write64(address + i * 8, value);
    });
    return this;
  }

  tree(mode: number, requester?: number, pasid?: number): TableNode {
    const reader = new TableReader(CAPABILITIES, (address, length) => this.memory.read(address, length));
    return reader.tree({ mode, root: 0x1000, ioRights: false, requester, pasid });
  }
}

const LEGACY_HEAD = ['root table at 0x1000 legacy mode', '  root entry bus 00', '    context entry 00:03.0'];

describe('the tree of legacy tables', () => {
  const tables = () => new Tables().put(0x1000, 0x2001n).put(0x2180, 0x3001n, 0x102n);

  it('joins pages that lie side by side at both ends and have the same rights and size', () => {
    const found = tables().put(0x3000, 0x4003n).put(0x4000, 0x5003n).put(0x5000, 0x6003n);
    found.put(
      0x6000,
      0x10_0003n,
      0x10_1003n,
      0x10_2001n,
      0x10_3001n,
      0n,
      0x10_5001n,
      0x20_0001n,
      0x20_1003n,
      0x20_2002n,
    );
    expect(outline(found.tree(LEGACY))).toEqual([
      ...LEGACY_HEAD,
      '      SS-PML4E [0] 0-7fffffffff',
      '        SS-PDPE [0] 0-3fffffff',
      '          SS-PDE [0] 0-1fffff',
      '            SS-PTE [0] 0-1fff -> 100000 x2 RW',
      '            SS-PTE [2] 2000-3fff -> 102000 x2 R-',
      '            SS-PTE [5] 5000-5fff -> 105000 x1 R-',
      '            SS-PTE [6] 6000-6fff -> 200000 x1 R-',
      '            SS-PTE [7] 7000-7fff -> 201000 x1 RW',
      '            SS-PTE [8] 8000-8fff -> 202000 x1 -W',
    ]);
  });

  it('shows large pages, and marks entries with reserved bits and tables that cannot be read', () => {
    const found = tables()
      .put(0x3000, 0x4003n, 0x4083n, 0x8000_0003n)
      .put(0x4000, 0x4000_0083n, 0x8000_0083n, 0x8020_0083n);
    expect(outline(found.tree(LEGACY, 0x18)).slice(3)).toEqual([
      '      SS-PML4E [0] 0-7fffffffff',
      '        SS-PDPE [0] 0-7fffffff -> 40000000 x2 RW',
      '        SS-PDPE [2] 80000000-bfffffff: reserved bits are set',
      '      SS-PML4E [1] 8000000000-ffffffffff: reserved bits are set',
      '      SS-PML4E [2] 10000000000-17fffffffff',
      '        SS-PDPE: the table at 0x80000000 cannot be read',
    ]);
  });

  it('comes to an end when tables point to themselves', () => {
    const found = tables();
    for (let i = 0; i < 512; i++) found.put(0x3000 + i * 8, 0x3003n);
    const tree = found.tree(LEGACY);
    expect(count(tree)).toBeLessThan(10_000);
    expect(outline(tree).some((line) => line.endsWith('than are shown'))).toBe(true);
  });

  it('says what is not present, passes through, or is out of reach', () => {
    const found = tables().put(0x2190, 0x3009n, 0x102n).put(0x21a0, 0x3001n, 0x100n).put(0x21b0, 0x4001n, 0x101n);
    found.put(0x1010, 0xfff_f000_0001n);
    expect(outline(found.tree(LEGACY, 0x08)).at(-1)).toBe('    context entry 00:01.0: not present');
    expect(outline(found.tree(LEGACY, 0x19)).at(-1)).toBe('    context entry 00:03.1: addresses pass through');
    expect(outline(found.tree(LEGACY, 0x1a)).at(-1)).toBe(
      '    context entry 00:03.2: AW is not a supported address width',
    );
    expect(outline(found.tree(LEGACY, 0x1b)).at(-1)).toBe('      SS-PDPE: nothing is mapped');
    expect(outline(found.tree(LEGACY, 0x100)).at(-1)).toBe(
      '    context entry: the table at 0xffff0000000 cannot be read',
    );
    expect(outline(found.tree(LEGACY, 0x200)).at(-1)).toBe('  root entry bus 02: not present');
    expect(outline(new Tables().tree(LEGACY))).toEqual(['root table at 0x1000 legacy mode: no entry is present']);
    expect(outline(found.tree(3))).toEqual(['root table at 0x1000 abort dma mode: requests use no table in this mode']);
  });
});

describe('the tree of scalable tables', () => {
  /** 00:13.0 in the upper half of the bus; PASID 1 first stage, 2 second stage, 65 nested, 66 pass-through. */
  const tables = () =>
    new Tables()
      .put(0x1000, 0n, 0x2001n)
      .put(0x2000 + 0x18 * 32, 0x3001n, 0n, 0n, 0n)
      .put(0x3000, 0x4001n, 0x5001n)
      .put(0x4040, 0x41n, 0n, 0x1_0000n, 0n)
      .put(0x4080, 0x2_0085n, 0n)
      .put(0x5040, 0x2_00c5n, 0n, 0x3_0000n, 0n)
      .put(0x5080, 0x109n, 0n)
      // First stage of PASID 1: the first page, and the highest 2 MiB.
      .put(0x1_0000, 0x1_1007n)
      .put(0x1_0ff8, 0x1_1007n)
      .put(0x1_1000, 0x1_2007n)
      .put(0x1_1ff8, 0x1_2007n)
      .put(0x1_2000, 0x1_3007n)
      .put(0x1_2ff8, 0x20_0087n)
      .put(0x1_3000, 0x10_0005n)
      // Second stage of three levels: guest 0x3_xxxx is at host 0x4_xxxx.
      .put(0x2_0000, 0x2_1003n)
      .put(0x2_1000, 0x2_2003n)
      .put(0x2_2000 + 0x30 * 8, 0x4_0003n, 0x4_1003n, 0x4_2003n, 0x4_3003n)
      // The nested first stage, at those host addresses.
      .put(0x4_0000, 0x3_1007n)
      .put(0x4_1000, 0x3_2007n)
      .put(0x4_2000, 0x3_3007n)
      .put(0x4_3000, 0x7_0007n);

  it('has a branch per PASID with the stages that it uses; the upper half of a first stage is at the top of 64 bits', () => {
    expect(outline(tables().tree(SCALABLE, 0x98, 1))).toEqual([
      'root table at 0x1000 scalable mode',
      '  scalable-mode root entry bus 00',
      '    scalable-mode context entry 00:13.0',
      '      PASID-directory entry PASIDs 0-63',
      '        PASID-table entry PASID 1',
      '          FS-PML4E [0] 0-7fffffffff',
      '            FS-PDPE [0] 0-3fffffff',
      '              FS-PDE [0] 0-1fffff',
      '                FS-PTE [0] 0-fff -> 100000 x1 R-',
      '              FS-PDE [511] 3fe00000-3fffffff -> 200000 x1 RW',
      '            FS-PDPE [511] 7fc0000000-7fffffffff',
      '              FS-PDE [0] 7fc0000000-7fc01fffff',
      '                FS-PTE [0] 7fc0000000-7fc0000fff -> 100000 x1 R-',
      '              FS-PDE [511] 7fffe00000-7fffffffff -> 200000 x1 RW',
      '          FS-PML4E [511] ffffff8000000000-ffffffffffffffff',
      '            FS-PDPE [0] ffffff8000000000-ffffff803fffffff',
      '              FS-PDE [0] ffffff8000000000-ffffff80001fffff',
      '                FS-PTE [0] ffffff8000000000-ffffff8000000fff -> 100000 x1 R-',
      '              FS-PDE [511] ffffff803fe00000-ffffff803fffffff -> 200000 x1 RW',
      '            FS-PDPE [511] ffffffffc0000000-ffffffffffffffff',
      '              FS-PDE [0] ffffffffc0000000-ffffffffc01fffff',
      '                FS-PTE [0] ffffffffc0000000-ffffffffc0000fff -> 100000 x1 R-',
      '              FS-PDE [511] ffffffffffe00000-ffffffffffffffff -> 200000 x1 RW',
    ]);
  });

  it('finds the tables of a nested first stage through the second stage', () => {
    expect(outline(tables().tree(SCALABLE, 0x98, 65)).slice(4)).toEqual([
      '        PASID-table entry PASID 65',
      '          first stage tables at guest addresses',
      '            FS-PML4E [0] 0-7fffffffff',
      '              FS-PDPE [0] 0-3fffffff',
      '                FS-PDE [0] 0-1fffff',
      '                  FS-PTE [0] 0-fff -> 70000 x1 RW',
      '          second stage of guest addresses',
      '            SS-PDPE [0] 0-3fffffff',
      '              SS-PDE [0] 0-1fffff',
      '                SS-PTE [48] 30000-33fff -> 40000 x4 RW',
    ]);
  });

  it('shows every PASID that is there unless one is named, and says what is not', () => {
    const all = outline(tables().tree(SCALABLE, 0x98));
    expect(all.filter((line) => line.includes('PASID-table entry'))).toEqual([
      '        PASID-table entry PASID 1',
      '        PASID-table entry PASID 2',
      '        PASID-table entry PASID 65',
      '        PASID-table entry PASID 66: addresses pass through',
    ]);
    expect(outline(tables().tree(SCALABLE))).toEqual(all);
    expect(outline(tables().tree(SCALABLE, 0x98, 3)).at(-1)).toBe('        PASID-table entry PASID 3: not present');
    expect(outline(tables().tree(SCALABLE, 0x98, 200)).at(-1)).toBe(
      '      PASID-directory entry PASIDs 192-255: not present',
    );
    expect(outline(tables().tree(SCALABLE, 0x98, 0x2000)).at(-1)).toBe(
      '      PASID directory: too small for this PASID',
    );
    expect(outline(tables().tree(SCALABLE, 0x18)).at(-1)).toBe('  scalable-mode root entry bus 00: not present');
  });
});

describe('tables that a guest fills with anything', () => {
  const PAGES = 16;
  const page = fc.integer({ min: 0, max: PAGES + 1 });
  const entry = fc
    .tuple(page, fc.integer({ min: 0, max: 0xfff }))
    .map(([to, low]) => BigInt(to) * 0x1000n + BigInt(low));
  const word = fc.oneof({ weight: 9, arbitrary: entry }, { weight: 1, arbitrary: fc.bigInt(0n, (1n << 64n) - 1n) });

  it.each([LEGACY, SCALABLE])('are shown in bounded time and space, mode %i', (mode) => {
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 8, maxLength: 64 }),
        fc.constantFrom(undefined, 0, 0x98),
        (words, requester) => {
          const tables = new Tables();
          const repeated = Array.from({ length: PAGES * 512 }, (_, i) => words[i % words.length]!);
          tables.put(0, ...repeated);
          expect(count(tables.tree(mode, requester))).toBeLessThan(50_000);
        },
      ),
      { numRuns: 5 },
    );
  });

  it('may lie beyond every address', () => {
    const far = new TableReader(CAPABILITIES, () => undefined);
    for (const mode of [LEGACY, SCALABLE]) {
      const tree = far.tree({ mode, root: 0xffff_ffff_f000 * 0x1000, ioRights: false });
      expect(tree).toMatchObject({ note: 'no entry is present', children: [] });
    }
  });
});
