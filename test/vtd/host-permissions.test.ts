/** Host permission tables (vtd.md section 2.6; VT-d 9.12), field by field and through translated requests. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { HPT, PASID, ScalableBench } from './scalable.ts';
import { permit } from './scalable-host-conditions.ts';
import { type BenchOptions, outcome, SID } from './tables.ts';

/** The tables that `permit` writes below the top one. */
const [L3, L2, L1] = [0x9000n, 0xa000n, 0xb000n];
const AV = 1n;
const [READ, WRITE, BOTH] = [1n, 2n, 3n];
/** Free top tables of every size, and a place for a table of another PASID. */
const [WIDE, OTHER] = [0x50_0000n, 0xc000n];

const checked = (options: BenchOptions = {}, hptsz = 0, hptptr = HPT): ScalableBench =>
  permit(new ScalableBench(options).scalable({ hptsz, hptptr }, { hpte: true, eptr: true })).on();

const translated = (bench: ScalableBench, address: bigint, write: boolean, pasid?: number): bigint | string => {
  const request = { requester: SID, address, write, addressType: 'translated', probe: true } as const;
  return outcome(bench.rig.translate(pasid === undefined ? request : { ...request, pasid }));
};

/** An entry of two 64-bit words in which permission `i`, four bits wide, is `permission`. */
function only(i: number, permission: bigint): readonly [bigint, bigint] {
  const bits = permission << BigInt(4 * i);
  return [bits & 0xffff_ffff_ffff_ffffn, bits >> 64n];
}

const levels = [
  { name: 'HPTL1E', table: L1, base: 0x10_0000n, index: 8n, count: 32, size: 0x1000n },
  { name: 'HPTL2E', table: L2, base: 0x200_0000n, index: 1n, count: 16, size: 0x20_0000n },
  { name: 'HPTL3E', table: L3, base: 0x2_0000_0000n, index: 1n, count: 8, size: 0x4000_0000n },
] as const;
const permissions = levels.flatMap((level) => Array.from({ length: level.count }, (_, i) => ({ ...level, i })));

describe('A host permission', () => {
  it.each(permissions)('PP$i of $name is that of its range alone.', ({ name, table, base, index, count, size, i }) => {
    proves(`${name}.PP${i}`);
    if (name === 'HPTL3E') proves('ECAP_REG.HPT1GPS');
    const bench = checked().write64(table + index * 16n, ...only(i, BOTH));
    const [first, end] = [base + BigInt(i) * size, base + BigInt(i + 1) * size];
    for (const address of [first, end - 4n]) expect(translated(bench, address, true)).toBe(address);
    if (i > 0) expect(translated(bench, first - 4n, true)).toBe('A4h');
    if (i + 1 < count) expect(translated(bench, end, true)).toBe('A4h');
  });

  it.each(levels)('of $name is for reading, for writing, or for both.', ({ table, base, index }) => {
    for (const [permission, read, write] of [
      [READ, base, 'A4h'],
      [WRITE, 'A5h', base],
      [BOTH, base, base],
    ] as const) {
      const bench = checked().write64(table + index * 16n, ...only(0, permission));
      expect([translated(bench, base, false), translated(bench, base, true)]).toEqual([read, write]);
    }
  });

  it('is found level by level through entries with AV, whose upper bits are ignored.', () => {
    for (const name of ['HPTL4E', 'HPTL3E', 'HPTL2E']) {
      proves(`${name}.AV`, `${name}.ADDRESS`, `${name}.IGNORED_127_116`);
    }
    proves('ECAP_REG.HPTS', 'ECAP_REG.DT', 'scalable-mode context entry.DTE', 'scalable-mode context entry.HPTE');
    const ignored = 0xfffn << 52n;
    const bench = checked();
    bench
      .write64(HPT, 0n, L3 | AV | ignored)
      .write64(L3, 0n, L2 | AV | ignored)
      .write64(L2, 0n, L1 | AV | ignored);
    expect(translated(bench, 0x10_0000n, true)).toBe(0x10_0000n);
    expect(translated(bench, 0x10_1000n, true)).toBe('A4h');
  });

  it('of a request with PASID stands in the table of that PASID.', () => {
    proves('PASID-table entry.HPTPTR', 'scalable-mode context entry.EPTR', 'ECAP_REG.PTRS');
    const bench = checked().pasid(PASID, { hptptr: OTHER }).write64(OTHER, 0n, 0x9000n);
    expect(translated(bench, 0x10_0000n, true)).toBe(0x10_0000n);
    expect(translated(bench, 0x10_0000n, true, PASID)).toBe('A4h');
    bench.write64(OTHER, 0n, L3 | AV);
    expect(translated(bench, 0x10_0000n, true, PASID)).toBe(0x10_0000n);
  });

  it.each([0, 1, 2, 3])('is known for addresses of 49 bits and HPTSZ more, with HPTSZ %i.', (hptsz) => {
    if (hptsz > 0) proves('PASID-table entry.HPTSZ');
    const end = 1n << BigInt(49 + hptsz);
    const last = end - 0x1000n;
    // Bits HAW-1:41 of the address find the top entry; the last GiB has the last permission of the last HPTL3E.
    const bench = checked({ haw: 52 }, hptsz, WIDE).write64(WIDE + (last >> 41n) * 16n, 0n, L3 | AV);
    bench.write64(L3 + 255n * 16n, ...only(7, BOTH));
    expect(translated(bench, last, true)).toBe(last);
    if (hptsz < 3) expect(translated(bench, end, true)).toBe('60h');
  });
});
