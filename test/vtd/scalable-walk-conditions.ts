/** The fault conditions of the page tables and host permission tables of scalable mode (vtd.md section 4.1). */
import { ALL, FS, HOLE, PASID, type PasidFields, Pgtt, type ScalableBench, SS, secondAt } from './scalable.ts';
import { type Ask, type Condition, UNTRANSLATED } from './scalable-conditions.ts';
import { BOTH, DATA, PS, READ, tableAt, WRITE } from './tables.ts';

const READS: readonly Ask[] = [{}, { pasid: PASID }];
const WRITES: readonly Ask[] = [{ write: true }, { pasid: PASID, write: true }];
/** Requests without PASID have user privilege too while RID_PRIV is 0. */
const at = (asks: readonly Ask[], address: bigint): Ask[] => asks.map((ask) => ({ ...ask, address }));

const met = 3;
const one = (c: Omit<Condition, 'met' | 'asks'> & { readonly asks?: readonly Ask[] }): Condition => ({
  asks: UNTRANSLATED,
  met,
  ...c,
});
const nested: PasidFields = { pgtt: Pgtt.NESTED };
const second: PasidFields = { pgtt: Pgtt.SECOND };
const five: PasidFields = { fspm: 1 };
/** The last page of the first 2 MiB: translations in it touch no table. */
const PAGE = 0x10_0000n;

const fs = (level: number, value: bigint) => (b: ScalableBench) => b.entry(level, 0, value);
const ss =
  (level: number, value: bigint, index = 0) =>
  (b: ScalableBench) =>
    b.second(level, index, value);
const map = (page: bigint, value: bigint) => (b: ScalableBench) => b.mapPage(page, page | value);
const table = (level: number): bigint => (level === 1 ? DATA : tableAt(level - 1));

const FIRST: readonly Condition[] = [
  ...[4, 3, 2].map((l) => one({ fr: 0x70, name: `SFS.1: level ${l} leads nowhere`, set: fs(l, HOLE | ALL) })),
  one({ fr: 0x70, name: 'SFS.1: level 5 leads nowhere', pasid: five, set: fs(5, HOLE | ALL) }),
  ...[4, 3, 2, 1].map((l) => one({ fr: 0x71, name: `SFS.2: P is 0 at level ${l}`, set: fs(l, table(l) | 6n) })),
  one({ fr: 0x71, name: 'SFS.2: P is 0 at level 5', pasid: five, set: fs(5, table(5) | 6n) }),
  ...[4, 3, 2, 1].flatMap((l) =>
    [48n, 51n].map((bit) =>
      one({ fr: 0x72, name: `SFS.3: bit ${bit} at level ${l}`, set: fs(l, table(l) | ALL | (1n << bit)) }),
    ),
  ),
  one({ fr: 0x72, name: 'SFS.3: PS at level 4', set: fs(4, table(4) | ALL | PS) }),
  one({ fr: 0x72, name: 'SFS.3: PS at level 5', pasid: five, set: fs(5, table(5) | ALL | PS) }),
  ...[13n, 20n].map((bit) =>
    one({ fr: 0x72, name: `SFS.3: bit ${bit} of a 2 MiB page`, set: fs(2, ALL | PS | (1n << bit)) }),
  ),
  ...[13n, 21n, 29n].map((bit) =>
    one({ fr: 0x72, name: `SFS.3: bit ${bit} of a 1 GiB page`, set: fs(3, ALL | PS | (1n << bit)) }),
  ),
  one({ fr: 0x72, name: 'SFS.3: a 1 GiB page while FS1GP is 0', options: { fs1gp: false }, set: fs(3, ALL | PS) }),
  one({ fr: 0x73, name: 'SFS.4: FSPTPTR leads nowhere', pasid: { fsptptr: HOLE } }),
  one({ fr: 0x73, name: 'SFS.4: FSPTPTR leads nowhere, 5 levels', pasid: { fsptptr: HOLE, fspm: 1 } }),
  ...[4, 3, 2, 1].map((l) =>
    one({
      fr: 0x74,
      name: `SFS.5: ADDR of level ${l} beyond AW`,
      pasid: { ...nested, aw: 1 },
      set: fs(l, (1n << 39n) | ALL),
    }),
  ),
  one({ fr: 0x75, name: 'SFS.6: no read permission for the top entry', pasid: nested, set: map(tableAt(4), WRITE) }),
  one({
    fr: 0x75,
    name: 'SFS.6: no write permission for the top entry, SSADE is 1',
    pasid: { ...nested, ssade: true },
    set: map(tableAt(4), READ),
  }),
  ...[3, 2, 1].map((l) =>
    one({ fr: 0x76, name: `SFS.7: no read permission for level ${l}`, pasid: nested, set: map(tableAt(l), WRITE) }),
  ),
  one({
    fr: 0x76,
    name: 'SFS.7: no write permission for level 2, SSADE is 1',
    pasid: { ...nested, ssade: true },
    set: map(tableAt(2), READ),
  }),
  ...[4, 3, 2, 1].map((l) =>
    one({ fr: 0x77, name: `SFS.8: A of level ${l} cannot be set`, pasid: nested, set: map(tableAt(l), READ) }),
  ),
  one({
    fr: 0x77,
    name: 'SFS.8: D cannot be set',
    pasid: nested,
    asks: WRITES,
    set: (b) => map(tableAt(1), READ)(b) && b.entry(1, 0, DATA | ALL | FS.A),
  }),
  one({ fr: 0x80, name: 'SGN.1: bit 47, 4 levels', asks: at(UNTRANSLATED, 1n << 47n) }),
  one({ fr: 0x80, name: 'SGN.1: bit 63, 4 levels', asks: at(UNTRANSLATED, 1n << 63n) }),
  one({ fr: 0x80, name: 'SGN.1: bits 63:48, 4 levels', asks: at(UNTRANSLATED, 0xffffn << 48n) }),
  one({ fr: 0x80, name: 'SGN.1: bit 56, 5 levels', pasid: five, asks: at(UNTRANSLATED, 1n << 56n) }),
  one({ fr: 0x80, name: 'SGN.1: bit 48, nested', pasid: nested, asks: at(UNTRANSLATED, 1n << 48n) }),
  ...[4, 3, 2, 1].map((l) => one({ fr: 0x81, name: `SGN.2: U/S is 0 at level ${l}`, set: fs(l, table(l) | 3n) })),
  one({
    fr: 0x81,
    name: 'SGN.2: U/S is 0, nested, SRE is 1',
    pasid: { ...nested, sre: true },
    set: fs(3, table(3) | 3n),
  }),
  one({ fr: 0x90, name: 'SFS.9: A at level 4, PWSNP is 0', pasid: { pwsnp: false } }),
  one({
    fr: 0x90,
    name: 'SFS.9: A at level 4, SMPWCS is 0',
    options: { smpwcs: false, ssads: false, eafs: false },
    pasid: { pwsnp: false },
  }),
  one({
    fr: 0x90,
    name: 'SFS.9: D, PWSNP is 0',
    pasid: { pwsnp: false },
    asks: WRITES,
    set: (b) => [4, 3, 2, 1].map((l) => b.entry(l, 0, table(l) | ALL | FS.A)),
  }),
  one({
    fr: 0x90,
    name: 'SFS.9: EA, PWSNP is 0',
    pasid: { pwsnp: false, eafe: true },
    set: (b) => [4, 3, 2, 1].map((l) => b.entry(l, 0, table(l) | ALL | FS.A | FS.D)),
  }),
];

const SECOND: readonly Condition[] = [
  ...[4, 3, 2].map((l) =>
    one({ fr: 0x78, name: `SSS.1: level ${l} leads nowhere`, pasid: second, set: ss(l, HOLE | BOTH) }),
  ),
  one({ fr: 0x78, name: 'SSS.1: level 2 leads nowhere, nested', pasid: nested, set: ss(2, HOLE | BOTH) }),
  ...[4, 3, 2, 1].map((l) =>
    one({ fr: 0x79, name: `SSS.2: R=W=0 at level ${l}`, pasid: second, set: ss(l, secondAt(l)) }),
  ),
  one({
    fr: 0x79,
    name: 'SSS.2: neither R nor W is left',
    pasid: second,
    set: (b) => ss(2, secondAt(1) | READ)(b) && ss(1, WRITE)(b),
  }),
  one({ fr: 0x79, name: 'SSS.2: the page of a first-stage table', pasid: nested, set: map(tableAt(2), 0n) }),
  one({
    fr: 0x79,
    name: 'SSS.2: neither R nor W is left for a first-stage table',
    pasid: nested,
    set: (b) => ss(2, secondAt(1) | READ)(b) && map(tableAt(4), WRITE)(b),
  }),
  one({ fr: 0x79, name: 'SSS.2: the page itself, nested', pasid: nested, set: map(PAGE, 0n) }),
  one({
    fr: 0x79,
    name: 'SSS.2: neither R nor W is left for the page, nested',
    pasid: nested,
    set: (b) => {
      b.entry(1, 0, 0x20_0000n | ALL).second(2, 1, 0x1_8000n | READ);
      return b.write64(0x1_8000n, DATA | WRITE);
    },
  }),
  ...[7n, 11n, 48n, 62n].map((bit) =>
    one({
      fr: 0x7a,
      name: `SSS.3: bit ${bit} at level 4`,
      pasid: second,
      set: ss(4, secondAt(3) | BOTH | (1n << bit)),
    }),
  ),
  ...[48n, 51n, 62n].map((bit) =>
    one({ fr: 0x7a, name: `SSS.3: bit ${bit} at level 1`, pasid: second, set: ss(1, BOTH | (1n << bit)) }),
  ),
  one({ fr: 0x7a, name: 'SSS.3: bit 12 of a 2 MiB page', pasid: second, set: ss(2, 0x1000n | BOTH | PS) }),
  one({ fr: 0x7a, name: 'SSS.3: bit 29 of a 1 GiB page', pasid: second, set: ss(3, 0x2000_0000n | BOTH | PS) }),
  one({
    fr: 0x7a,
    name: 'SSS.3: a 2 MiB page while SSLPS is 0',
    options: { sslps: 0 },
    pasid: second,
    set: ss(2, BOTH | PS),
  }),
  one({ fr: 0x7a, name: 'SSS.3: SNP while SC is 0', options: { sc: false }, pasid: second, set: ss(1, BOTH | SS.SNP) }),
  one({ fr: 0x7a, name: 'SSS.3: for a first-stage table', pasid: nested, set: map(tableAt(3), BOTH | (1n << 62n)) }),
  one({ fr: 0x7b, name: 'SSS.4: SSPTPTR leads nowhere', pasid: { ...second, ssptptr: HOLE } }),
  one({ fr: 0x7b, name: 'SSS.4: SSPTPTR leads nowhere, nested', pasid: { ...nested, ssptptr: HOLE } }),
  one({ fr: 0x7c, name: 'SSS.5: A, PWSNP is 0', pasid: { ...second, ssade: true, pwsnp: false } }),
  one({
    fr: 0x7c,
    name: 'SSS.5: D, PWSNP is 0',
    pasid: { ...second, ssade: true, pwsnp: false },
    asks: WRITES,
    set: (b) => [4, 3, 2, 1].map((l) => b.second(l, 0, (l === 1 ? 0n : secondAt(l - 1)) | BOTH | SS.A)),
  }),
  one({ fr: 0x7c, name: 'SSS.5: A, nested, PWSNP is 0', pasid: { ...nested, ssade: true, pwsnp: false } }),
  one({ fr: 0x84, name: 'SGN.5: beyond AW 1', pasid: { ...second, aw: 1 }, asks: at(UNTRANSLATED, 1n << 39n) }),
  one({ fr: 0x84, name: 'SGN.5: beyond AW 2', pasid: second, asks: at(UNTRANSLATED, 1n << 48n) }),
  one({ fr: 0x84, name: 'SGN.5: beyond AW 3', pasid: { ...second, aw: 3 }, asks: at(UNTRANSLATED, 1n << 57n) }),
  one({
    fr: 0x84,
    name: 'SGN.5: beyond MGAW',
    options: { mgaw: 48 },
    pasid: { ...second, aw: 3 },
    asks: at(UNTRANSLATED, 1n << 48n),
  }),
];

const GENERAL: readonly Condition[] = [
  one({
    fr: 0x83,
    name: 'SGN.4.2: a pass-through address beyond HAW',
    pasid: { pgtt: Pgtt.PASS },
    asks: at(UNTRANSLATED, 1n << 48n),
  }),
  one({
    fr: 0x83,
    name: 'SGN.4.1: a translated address beyond HAW',
    asks: [{ addressType: 'translated', address: 1n << 48n }],
    met: 1,
  } as Condition),
  ...[4, 3, 2, 1].map((l) =>
    one({ fr: 0x85, name: `SGN.6: R/W is 0 at level ${l}`, asks: WRITES, set: fs(l, table(l) | 5n) }),
  ),
  one({
    fr: 0x85,
    name: 'SGN.6: R/W is 0 and WPE is 1',
    pasid: { sre: true, wpe: true },
    asks: [{ pasid: PASID, privileged: true, write: true }],
    set: fs(1, DATA | 5n),
  }),
  ...[4, 3, 2, 1].map((l) =>
    one({
      fr: 0x85,
      name: `SGN.6: W is 0 at level ${l}`,
      pasid: second,
      asks: WRITES,
      rows: ['SS-PTE.R'],
      set: ss(l, (l === 1 ? 0n : secondAt(l - 1)) | READ),
    }),
  ),
  one({ fr: 0x85, name: 'SGN.6: W is 0 for the page, nested', pasid: nested, asks: WRITES, set: map(PAGE, READ) }),
  one({ fr: 0x85, name: 'SGN.6: R/W is 0, nested', pasid: nested, asks: WRITES, set: fs(1, DATA | 5n) }),
  one({
    fr: 0x86,
    name: 'SGN.7: R is 0 at level 1',
    pasid: second,
    asks: READS,
    set: ss(1, WRITE),
    rows: ['SS-PTE.W'],
  }),
  one({ fr: 0x86, name: 'SGN.7: R is 0 at level 3', pasid: second, asks: READS, set: ss(3, secondAt(2) | WRITE) }),
  one({ fr: 0x86, name: 'SGN.7: R is 0 for the page, nested', pasid: nested, asks: READS, set: map(PAGE, WRITE) }),
  one({
    fr: 0x86,
    name: 'SGN.7: a zero-length read while ZLR is 0',
    options: { zlr: false },
    pasid: second,
    asks: [{ length: 0 }],
    set: ss(1, WRITE),
  }),
  one({ fr: 0x87, name: 'SGN.8.1: the output of the first stage', set: fs(1, 0xfee0_0000n | ALL) }),
  one({ fr: 0x87, name: 'SGN.8.1: the output of the second stage', pasid: second, set: ss(1, 0xfeef_f000n | BOTH) }),
  one({
    fr: 0x87,
    name: 'SGN.8.1: the output of both stages',
    pasid: nested,
    set: (b) => b.mapPage(PAGE, 0xfee0_1000n | BOTH),
  }),
  one({
    fr: 0x87,
    name: 'SGN.8.1: pass-through with PASID',
    pasid: { pgtt: Pgtt.PASS },
    asks: [
      { pasid: PASID, address: 0xfee0_0000n },
      { pasid: PASID, address: 0xfee0_0000n, write: true },
    ],
  }),
  one({
    fr: 0x87,
    name: 'SGN.8.3: a translated address',
    asks: [{ addressType: 'translated', address: 0xfee0_0000n }],
    met: 1,
  } as Condition),
];

export const WALK_CONDITIONS: readonly Condition[] = [...FIRST, ...SECOND, ...GENERAL];
