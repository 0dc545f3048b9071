/** What invalidations remove from the IOTLB and the paging-structure caches, and what stays (vtd.md section 5.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, Pgtt, type WideDescriptor } from './scalable.ts';
import {
  contextGlobal,
  iotlbDomain,
  iotlbGlobal,
  iotlbPages,
  PAGES,
  pasidCacheGlobal,
  pasidIotlb,
  pasidOf,
  pasidPages,
  prime,
  read,
  SPACES,
  type Space,
  select,
  spaces,
} from './scalable-spaces.ts';
import { BOTH, DATA, REG } from './tables.ts';

const usesFirst = ({ pgtt }: Space): boolean => pgtt === Pgtt.FIRST || pgtt === Pgtt.NESTED;
const usesSecond = ({ pgtt }: Space): boolean => pgtt === Pgtt.SECOND || pgtt === Pgtt.NESTED;
/** The aligned 2^am pages around an address hold the page. */
const covers = (address: bigint, am: number, page: bigint): boolean =>
  page >> (12n + BigInt(am)) === address >> (12n + BigInt(am));
const never = (): boolean => false;

interface Row {
  readonly name: string;
  readonly descriptor: WideDescriptor;
  /** Which entries the table of vtd.md 5.3 says go. */
  readonly iotlb: (space: Space, page: bigint) => boolean;
  readonly first: (space: Space, page: bigint) => boolean;
  readonly second: (space: Space, page: bigint) => boolean;
}

const inDomain =
  (did: number) =>
  (space: Space): boolean =>
    space.did === did;
const own =
  (did: number, pasid: number) =>
  (space: Space): boolean =>
    space.did === did && pasidOf(space) === pasid;
/** A paging-structure entry goes with its 2 MiB. */
const region = (page: bigint): bigint => page >> 21n;

function pages(did: number, address: bigint, am: number, ih: number): Row {
  return {
    name: `type 2 page, DID ${did}, ${address.toString(16)}h, AM ${am}, IH ${ih}`,
    descriptor: iotlbPages(did, address, am, ih),
    iotlb: (s, p) => s.did === did && (usesFirst(s) || covers(address, am, p)),
    first: inDomain(did),
    second: (s, p) => s.did === did && ih === 0 && (region(p) === region(address) || covers(address, am, p)),
  };
}
function pasidPage(did: number, pasid: number, address: bigint, am: number, ih: number): Row {
  const mine = own(did, pasid);
  return {
    name: `type 6 page, DID ${did}, PASID ${pasid}, ${address.toString(16)}h, AM ${am}, IH ${ih}`,
    descriptor: pasidPages(did, pasid, address, am, ih),
    iotlb: (s, p) => mine(s) && usesFirst(s) && covers(address, am, p),
    first: (s, p) => mine(s) && ih === 0 && (region(p) === region(address) || covers(address, am, p)),
    second: never,
  };
}
function whole(name: string, descriptor: WideDescriptor, iotlb: Row['iotlb'], first = iotlb, second = iotlb): Row {
  return { name, descriptor, iotlb, first, second };
}

const ROWS: readonly Row[] = [
  whole('type 2 global', iotlbGlobal(), () => true),
  ...[7, 8, 9, 10, 12].map((did) => whole(`type 2 domain, DID ${did}`, iotlbDomain(did), inDomain(did))),
  ...[7, 9, 10].flatMap((did) => [0, 1].map((ih) => pages(did, 0n, 0, ih))),
  pages(9, 0x5000n, 0, 0),
  pages(10, 0x4000n, 2, 1),
  pages(10, 0x20_0000n, 9, 0),
  pages(9, 0n, 18, 0),
  pages(9, 0x30_0000n, 0, 0),
  ...SPACES.map((s) =>
    whole(
      `type 6 PASID, ${s.name}`,
      pasidIotlb(s.did, pasidOf(s)),
      own(s.did, pasidOf(s)),
      own(s.did, pasidOf(s)),
      never,
    ),
  ),
  whole('type 6 PASID, another DID', pasidIotlb(8, 5), never),
  whole('type 6 PASID, another PASID', pasidIotlb(7, 6), never),
  ...[0, 1].flatMap((ih) => [
    pasidPage(7, 5, 0n, 0, ih),
    pasidPage(7, 2, 0x5000n, 0, ih),
    pasidPage(9, 9, 0x4000n, 2, ih),
    pasidPage(9, 8, 0n, 0, ih),
  ]),
  pasidPage(7, 5, 0x20_0000n, 9, 0),
  pasidPage(7, 7, 0n, 18, 0),
  pasidPage(7, 7, 0n, 52, 0),
  pasidPage(8, 5, 0n, 0, 0),
  whole('type 1 global', contextGlobal(), never),
  whole('type 7 global', pasidCacheGlobal(), never),
];
const rows = ROWS.map((row) => [row.name, row] as const);
const left = (gone: Row['iotlb']): string[] => select((s, p) => !gone(s, p));

describe('The IOTLB in scalable mode', () => {
  it.each(rows)('loses what the descriptor names and nothing else: %s.', (_, row) => {
    if (row.name.startsWith('type 6') && select(row.iotlb).length > 0) {
      proves('p_iotlb_inv_dsc.G', 'p_iotlb_inv_dsc.DID', 'p_iotlb_inv_dsc.PASID', 'p_iotlb_inv_dsc.AM');
      proves('p_iotlb_inv_dsc.ADDR', 'PASID-table entry.DID');
    }
    const bench = prime(spaces({ iotlb: { sets: 16, ways: 16 } })).directory(0n);
    expect(select((s, p) => typeof read(bench, s, p, false) === 'bigint')).toEqual(select(() => true));
    bench.flush(row.descriptor);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(select((s, p) => typeof read(bench, s, p, false) === 'bigint')).toEqual(left(row.iotlb));
  });

  it('keeps large pages whole: a page-selective invalidation anywhere in one removes it.', () => {
    for (const [am, address, stays] of [
      [0, 0x4567_8000n, false],
      [0, 0x8000_0000n, true],
      [18, 0x4000_0000n, false],
    ] as const) {
      const bench = spaces({ iotlb: { sets: 16, ways: 16 } }).entry(3, 1, 0x4000_0000n | ALL | 0x80n);
      read(bench, SPACES[0]!, 0x4000_1000n);
      bench.directory(0n).flush(pasidPages(7, 5, address, am));
      expect(typeof read(bench, SPACES[0]!, 0x7fff_f000n, false) === 'bigint').toBe(stays);
    }
  });

  it('finds addresses of the upper canonical half for invalidation.', () => {
    const high = 0xffff_ffff_ffff_f000n;
    const bench = spaces({ iotlb: { sets: 16, ways: 16 } });
    for (let level = 4; level > 1; level--) bench.entry(level, 511, bench.read64(0x1_0000n + BigInt(level) * 0x1000n));
    bench.entry(1, 511, DATA | ALL);
    expect(read(bench, SPACES[0]!, high)).toBe(DATA);
    bench.directory(0n).flush(pasidPages(7, 5, 0x0000_ffff_ffff_f000n));
    expect(read(bench, SPACES[0]!, high, false)).toBe(DATA);
    bench.flush(pasidPages(7, 5, high));
    expect(read(bench, SPACES[0]!, high, false)).toBe('SPD.2');
  });
});

/** Sets of pairs whose walk still uses a table that memory no longer names. */
const stale = (bench: ReturnType<typeof spaces>, applies: (s: Space) => boolean, fresh: bigint): string[] =>
  select((s, p) => applies(s) && read(bench, s, p, false) !== fresh);
const NEW_FIRST = 0x6_2000n;
const NEW_SECOND = 0x6_3000n;

describe('The first-stage paging-structure cache', () => {
  it.each(rows)('loses what the descriptor names and nothing else: %s.', (_, row) => {
    if (row.name.startsWith('type 6 page') && row.name.endsWith('IH 1')) proves('p_iotlb_inv_dsc.IH');
    const bench = prime(spaces({ firstStageCache: { sets: 16, ways: 16 } }));
    bench.write64(NEW_FIRST, ...Array.from({ length: 512 }, () => (DATA + 0x9000n) | ALL));
    bench.entry(2, 0, NEW_FIRST | ALL).entry(2, 1, NEW_FIRST | ALL);
    expect(stale(bench, usesFirst, DATA + 0x9000n)).toEqual(select(usesFirst));
    bench.flush(row.descriptor);
    expect(stale(bench, usesFirst, DATA + 0x9000n)).toEqual(select((s, p) => usesFirst(s) && !row.first(s, p)));
  });

  it('never holds a leaf, nor an entry that is not present, not even while CM is 1.', () => {
    const bench = spaces({ firstStageCache: { sets: 16, ways: 16 } }, { cm: true }).entry(2, 1, 0n);
    expect(read(bench, SPACES[0]!, 0n)).toBe(DATA);
    expect(read(bench, SPACES[0]!, 0x20_0000n)).toBe('SFS.2');
    bench.entry(1, 0, (DATA + 0x1000n) | ALL).entry(2, 1, 0x6_0000n | ALL);
    expect(read(bench, SPACES[0]!, 0n)).toBe(DATA + 0x1000n);
    expect(read(bench, SPACES[0]!, 0x20_0000n)).toBe(0x20_0000n);
  });
});

describe('The second-stage paging-structure cache', () => {
  it.each(rows)('loses what the descriptor names and nothing else: %s.', (_, row) => {
    if (row.name.startsWith('type 2 page') && row.name.endsWith('IH 1')) proves('iotlb_inv_dsc.IH');
    const bench = prime(spaces({ secondStageCache: { sets: 16, ways: 16 } }));
    // Guest addresses of the spaces with a second stage alone; those below 2 MiB hold the first-stage tables too.
    bench.write64(NEW_SECOND, ...Array.from({ length: 512 }, () => (DATA + 0x9000n) | BOTH));
    bench.second(2, 0, NEW_SECOND | BOTH).second(2, 1, NEW_SECOND | BOTH);
    const alone = (s: Space): boolean => s.pgtt === Pgtt.SECOND;
    expect(stale(bench, alone, DATA + 0x9000n)).toEqual(select(alone));
    bench.flush(row.descriptor);
    expect(stale(bench, alone, DATA + 0x9000n)).toEqual(select((s, p) => alone(s) && !row.second(s, p)));
  });

  it.each(rows)('serves nested translation by its domain alone: %s.', (_, row) => {
    const bench = prime(spaces({ secondStageCache: { sets: 16, ways: 16 } }));
    bench.write64(NEW_SECOND, (DATA + 0x9000n) | BOTH).second(2, 1, NEW_SECOND | BOTH);
    const third = PAGES[2];
    bench.flush(row.descriptor);
    for (const space of SPACES.filter(usesSecond)) {
      const expected = DATA + (row.second(space, third) ? 0x9000n : 0x8000n);
      expect(read(bench, space, third, false), space.name).toBe(expected);
    }
  });
});
