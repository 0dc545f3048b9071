import { describe, expect, it } from 'vitest';
import {
  isSecondStageLeaf,
  LEAF_MASKS,
  type SecondStageShape,
  secondStageLayout,
  secondStageReserved,
  vtdSecondStage,
} from '../../hardware/formats/index.ts';
import { formatContract } from '../contracts/format-contract.ts';
import vectors from '../vectors/vtd/second-stage.json' with { type: 'json' };

const SHAPES: readonly SecondStageShape[] = ([3, 4, 5] as const).flatMap((levels) =>
  ([[], [2], [2, 3]] as const).map((superpages) => ({ levels, superpages })),
);

describe.each(SHAPES)('A VT-d second stage of $levels levels with superpages $superpages', (shape) => {
  const format = vtdSecondStage(shape);
  formatContract(format);

  it('has leaves at level 1 and where superpages are.', () => {
    expect(format.leafLevels).toEqual([1, ...shape.superpages]);
    expect(format.levels).toBe(shape.levels);
  });
});

describe('An entry of the second stage', () => {
  const format = vtdSecondStage({ levels: 5, superpages: [2, 3] });

  it.each(vectors.entries)('$raw at level $level is what the specification says, both ways.', (vector) => {
    const { level, kind, raw, ...rest } = vector;
    const address = Number(vector.address);
    expect(format.decode(level, BigInt(raw))).toEqual({ kind, ...rest, address });
    const made =
      kind === 'table'
        ? format.table(level, address)
        : format.leaf(level, address, { read: vector.read!, write: vector.write!, snoop: vector.snoop! });
    expect(made).toBe(BigInt(raw));
  });

  it('without R and W is empty, whatever else it holds.', () => {
    for (let level = 1; level <= 5; level++) {
      expect(format.decode(level, 0xffff_ffff_ffff_fffcn)).toEqual({ kind: 'empty' });
    }
  });

  it('takes 9 bits of the page number, with literal indices and shifts.', () => {
    const page = Number(0x0123_4567_89ab_cn);
    expect([1, 2, 3, 4, 5].map((level) => format.indexOf(page, level))).toEqual(
      [0xbc, 0x4d, 0x19e, 0x8a, 0x123].map((_, i) => Number((0x0123_4567_89ab_cn >> BigInt(9 * i)) & 0x1ffn)),
    );
    expect([1, 2, 3, 4, 5].map((level) => format.pageShift(level))).toEqual([12, 21, 30, 39, 48]);
    expect(format.indexOf(2 ** 52 - 1, 5)).toBe(511);
    expect(format.indexOf(2 ** 36, 5)).toBe(1);
    expect(format.indexOf(2 ** 36, 4)).toBe(0);
  });

  it('is a leaf at level 1 always, at levels 2 and 3 by PS, at levels 4 and 5 never.', () => {
    const leaf = (flags: number) => [1, 2, 3, 4, 5].map((level) => isSecondStageLeaf(level, flags));
    expect(leaf(0x03)).toEqual([true, false, false, false, false]);
    expect(leaf(0x83)).toEqual([true, true, true, false, false]);
    const names = (flags: number) => [1, 2, 3, 4, 5].map((level) => secondStageLayout(level, flags).$.name);
    expect(names(0x03)).toEqual(['SS-PTE', 'SS-PDE', 'SS-PDPE', 'SS-PML4E', 'SS-PML5E']);
    expect(names(0x83)).toEqual(['SS-PTE', 'SS-PDE (2 MiB page)', 'SS-PDPE (1 GiB page)', 'SS-PML4E', 'SS-PML5E']);
  });
});

describe('Reserved bits of the second stage', () => {
  const KINDS = {
    PTE: LEAF_MASKS + 1,
    'PDE page': LEAF_MASKS + 2,
    'PDPE page': LEAF_MASKS + 3,
    PDE: 2,
    PDPE: 3,
    PML4E: 4,
    PML5E: 5,
  } as const;

  it.each(vectors.reserved)('are the literal masks for HAW $haw, SC $sc and SSLPS $sslps', (vector) => {
    const { haw: hostAddressWidth, sc: snoopControl, sslps: largePages } = vector;
    const { lo, hi } = secondStageReserved({ hostAddressWidth, snoopControl, largePages });
    for (const [name, index] of Object.entries(KINDS)) {
      const mask = (BigInt(hi[index]! >>> 0) << 32n) | BigInt(lo[index]! >>> 0);
      expect(mask, name).toBe(BigInt(vector[name as keyof typeof KINDS]));
    }
  });
});
