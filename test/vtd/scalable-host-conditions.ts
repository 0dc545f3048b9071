/** The fault conditions of host permission tables (vtd.md sections 2.6 and 4.1). */
import { HOLE, HPT, PASID, type ScalableBench } from './scalable.ts';
import type { Ask, Condition } from './scalable-conditions.ts';

const TRANSLATED: readonly Ask[] = [
  { addressType: 'translated', address: 0x10_0123n },
  { addressType: 'translated', address: 0x10_0123n, pasid: PASID },
];
const WRITTEN = TRANSLATED.map((ask) => ({ ...ask, write: true }));
const checked = { hpte: true, eptr: true };
/** Address of the table that a level leads to, as the high word of an entry with AV. */
const LEVEL = [0n, 0x9000n, 0xa000n, 0xb000n] as const;
/** Four tables that lead down; the pages from 1 MiB on may be read and written. */
export function permit(b: ScalableBench): ScalableBench {
  b.write64(HPT, 0n, LEVEL[1] | 1n)
    .write64(LEVEL[1], 0n, LEVEL[2] | 1n)
    .write64(LEVEL[2], 0n, LEVEL[3] | 1n);
  return b.write64(LEVEL[3] + 8n * 16n, 3n, 0n);
}
const hpt = (at: bigint, lo: bigint, hi: bigint) => (b: ScalableBench) => permit(b).write64(at, lo, hi);
const L1 = LEVEL[3] + 8n * 16n;
const perm = (c: Omit<Condition, 'met' | 'asks'> & { readonly asks?: readonly Ask[] }): Condition => ({
  asks: TRANSLATED,
  context: checked,
  met: 3,
  ...c,
});

export const HOST_CONDITIONS: readonly Condition[] = [
  perm({
    fr: 0x60,
    name: 'SPT.9: beyond HPTSZ 0',
    options: { haw: 52 },
    asks: [{ addressType: 'translated', address: 1n << 49n }],
  }),
  perm({
    fr: 0x60,
    name: 'SPT.9: beyond HPTSZ 2',
    options: { haw: 52 },
    pasid: { hptsz: 2 },
    asks: [{ addressType: 'translated', address: 1n << 51n, write: true }],
  }),
  perm({ fr: 0xa0, name: 'HPT.1: HPTL4E leads nowhere', answer: 'CA', set: hpt(HPT, 0n, HOLE | 1n) }),
  perm({ fr: 0xa0, name: 'HPT.1: HPTL3E leads nowhere', answer: 'CA', set: hpt(LEVEL[1], 0n, HOLE | 1n) }),
  perm({ fr: 0xa0, name: 'HPT.1: HPTL2E leads nowhere', answer: 'CA', set: hpt(LEVEL[2], 0n, HOLE | 1n) }),
  ...[1n, 1n << 63n].map((lo) =>
    perm({ fr: 0xa1, name: `HPT.2: HPTL4E bits ${lo}`, answer: 'CA', set: hpt(HPT, lo, LEVEL[1] | 1n) }),
  ),
  ...[1n, 11n, 48n, 51n].map((bit) =>
    perm({
      fr: 0xa1,
      name: `HPT.2: HPTL4E bit ${bit + 64n}`,
      answer: 'CA',
      set: hpt(HPT, 0n, LEVEL[1] | 1n | (1n << bit)),
    }),
  ),
  perm({ fr: 0xa1, name: 'HPT.2: HPTL3E bit 32', answer: 'CA', set: hpt(LEVEL[1], 1n << 32n, LEVEL[2] | 1n) }),
  perm({
    fr: 0xa1,
    name: 'HPT.2: HPTL3E permissions while HPT1GPS is 0',
    options: { hpt1gps: false },
    answer: 'CA',
    set: hpt(LEVEL[1], 3n, LEVEL[2] | 1n),
  }),
  perm({ fr: 0xa1, name: 'HPT.2: HPTL2E bit 65', answer: 'CA', set: hpt(LEVEL[2], 0n, LEVEL[3] | 3n) }),
  perm({ fr: 0xa2, name: 'HPT.3: HPTPTR leads nowhere', answer: 'CA', pasid: { hptptr: HOLE } }),
  perm({
    fr: 0xa3,
    name: 'HPT.4: HPTL4E with AV 0',
    asks: TRANSLATED.map((a) => ({ ...a, length: 0 })),
    set: hpt(HPT, 0n, LEVEL[1]),
  }),
  perm({
    fr: 0xa3,
    name: 'HPT.4: HPTL1E without permission',
    asks: TRANSLATED.map((a) => ({ ...a, length: 0 })),
    set: hpt(L1, 0n, 0n),
  }),
  perm({ fr: 0xa4, name: 'HPT.5: read permission alone', asks: WRITTEN, set: hpt(L1, 1n, 0n) }),
  perm({ fr: 0xa4, name: 'HPT.5: HPTL3E with AV 0', asks: WRITTEN, set: hpt(LEVEL[1], 0n, 0n) }),
  perm({
    fr: 0xa4,
    name: 'HPT.5: the permission of 1 GiB ends the walk',
    asks: WRITTEN,
    set: hpt(LEVEL[1], 1n, LEVEL[2] | 1n),
  }),
  perm({ fr: 0xa5, name: 'HPT.6: write permission alone', set: hpt(L1, 2n, 0n) }),
  perm({ fr: 0xa5, name: 'HPT.6: HPTL2E with AV 0', set: hpt(LEVEL[2], 0n, 0n) }),
  perm({ fr: 0xa5, name: 'HPT.6: the permission of another page', set: hpt(L1, 0x30n, 0n) }),
  perm({
    fr: 0xa5,
    name: 'HPT.6: a zero-length read while ZLR is 0',
    options: { zlr: false },
    asks: [{ addressType: 'translated', address: 0x10_0000n, length: 0 }],
    set: hpt(L1, 2n, 0n),
  }),
];
