/** What a unit keeps of host permission tables, and what hpt_inv_desc removes (vtd.md sections 5.2, 7.1; VT-d 6.2.6, 6.5.2.7). */
import { describe, expect, it } from 'vitest';
import { Access, AddressType } from '../../hardware/iommu/index.ts';
import { VtdInspector } from '../../hardware/vtd/index.ts';
import { proves } from '../proves.ts';
import { HPT, PASID, RID_PASID, type WideDescriptor } from './scalable.ts';
import { NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { REG, TE } from './tables.ts';

/** Tables of levels 3, 2 and 1; all they say is for the first 32 MiB. */
const L3 = 0x9000n;
const L2 = 0xa000n;
const L1 = 0xb000n;
/** A page of each size that is permitted: 4 KiB, 2 MiB, 1 GiB. */
const PAGES = { small: 0x10_0000n, large: 0x20_0000n, huge: 0x4000_0000n } as const;
type Size = keyof typeof PAGES;
const SIZES = Object.keys(PAGES) as Size[];
/** HPTDID = 9. */
const HPTDID = [320, 323];
const DOMAIN = 9n;

const hpt = (g: bigint, { did = DOMAIN, ih = 3n, address = 0n, am = 0n } = {}): WideDescriptor => [
  0xan | (g << 4n) | (did << 16n),
  address | (ih << 6n) | am,
];
const [GLOBAL, OF_DOMAIN, PAGE] = [0b01n, 0b10n, 0b11n];

/** RW for all pages of `PAGES`, or for none: then a walk for any of them finds nothing. */
function permit(bench: UnitBench, on: boolean): UnitBench {
  const pp = on ? 3n : 0n;
  return bench
    .write64(HPT, 0n, L3 | 1n)
    .write64(L3, pp << 4n, L2 | 1n)
    .write64(L2, pp << 4n, L1 | 1n)
    .write64(L1 + 8n * 16n, pp, 0n);
}

function ready(cached = true): UnitBench {
  const caches = { ...NO_CACHES, hostPermissionCache: cached ? { sets: 16, ways: 4 } : null };
  const bench = new UnitBench({}, caches).scalable({ bits: HPTDID }, { hpte: true, eptr: true });
  return permit(bench, true).on();
}

const ask = (bench: UnitBench, address: bigint, access: number = Access.READ, more = {}) =>
  resultOf(bench.answer({ address, access, addressType: AddressType.TRANSLATED, ...more }));
const passing = (bench: UnitBench): Size[] => SIZES.filter((size) => ask(bench, PAGES[size]) === PAGES[size]);

/** All pages have been used, and are not permitted any more. */
function stale(): UnitBench {
  const bench = ready();
  expect(passing(bench)).toEqual(SIZES);
  return permit(bench, false);
}

describe('A cached host permission', () => {
  it('is used until it is invalidated; without a cache the tables count at once.', () => {
    proves('hpt_inv_desc.G');
    const bench = stale();
    expect(passing(bench)).toEqual(SIZES);
    expect(passing(bench.flush(hpt(GLOBAL)))).toEqual([]);
    expect(ask(bench, PAGES.small)).toBe('HPT.6');
    const plain = ready(false);
    expect(passing(plain)).toEqual(SIZES);
    expect(passing(permit(plain, false))).toEqual([]);
  });

  it('saves the walk, for its requester and PASID alone.', () => {
    const bench = ready();
    const of = (more: object) => ({
      address: PAGES.small,
      access: Access.READ,
      addressType: AddressType.TRANSLATED,
      ...more,
    });
    const walk = ['HPTL4E', 'HPTL3E', 'HPTL2E', 'HPTL1E'];
    const fetched = (more: object) => bench.count(of(more)).filter((what) => what.startsWith('HPT'));
    expect([fetched({}), fetched({})]).toEqual([walk, []]);
    expect([fetched({ pasid: PASID }), fetched({ pasid: PASID })]).toEqual([walk, []]);
    expect(bench.count(of({ effects: false })).filter((what) => what.startsWith('HPT'))).toEqual([]);
  });

  it('grants what the page does: read, write or both.', () => {
    const bench = ready().write64(L1 + 8n * 16n, 1n, 0n);
    for (let round = 0; round < 2; round++) {
      expect(ask(bench, PAGES.small)).toBe(PAGES.small);
      expect(ask(bench, PAGES.small, Access.WRITE)).toBe('HPT.5');
      bench.acknowledge();
    }
  });

  it('is none where nothing was permitted: what is permitted later counts at once.', () => {
    const bench = permit(ready(), false);
    expect(passing(bench)).toEqual([]);
    expect(passing(permit(bench, true))).toEqual(SIZES);
  });

  it('is shown with its range, its rights, its domain and its PASID.', () => {
    proves('PASID-table entry.HPTDID');
    const bench = ready();
    ask(bench, PAGES.large, Access.READ, { pasid: PASID });
    const views = new VtdInspector(bench.unit, bench.memory).caches();
    expect(views.find(({ name }) => name === 'host permission cache')?.entries).toEqual([
      { requester: '00:03.0', first: '0x200000', last: '0x3fffff', access: 'RW', domain: '9', PASID: String(PASID) },
    ]);
  });

  it('goes when remapping is switched off, and stays when page tables are invalidated.', () => {
    const bench = stale();
    bench.flush([0x12n, 0n], [0x6n | (0b10n << 4n) | (7n << 16n) | (BigInt(RID_PASID) << 32n), 0n]);
    expect(passing(bench)).toEqual(SIZES);
    bench.stop(TE).command(TE);
    expect(passing(bench)).toEqual([]);
  });
});

describe('hpt_inv_desc', () => {
  it.each([
    { ih: 0n, left: ['large', 'huge'] },
    { ih: 1n, left: ['huge'] },
    { ih: 2n, left: [] },
    { ih: 3n, left: [] },
  ])('of a domain removes what comes from the levels of IH ($ih).', ({ ih, left }) => {
    if (ih === 1n) proves('hpt_inv_desc.IH', 'hpt_inv_desc.G', 'hpt_inv_desc.HPTDID', 'PASID-table entry.HPTDID');
    expect(passing(stale().flush(hpt(OF_DOMAIN, { ih })))).toEqual(left);
  });

  it('leaves other domains alone, unless it is global.', () => {
    expect(passing(stale().flush(hpt(OF_DOMAIN, { did: 8n }), hpt(PAGE, { did: 8n, am: 30n })))).toEqual(SIZES);
    expect(passing(stale().flush(hpt(GLOBAL, { did: 8n, ih: 0n })))).toEqual([]);
  });

  it.each([
    { address: PAGES.small, am: 0n, left: ['large', 'huge'] },
    { address: PAGES.small + 0x1000n, am: 0n, left: SIZES },
    { address: PAGES.small + 0x1000n, am: 1n, left: ['large', 'huge'] },
    { address: PAGES.large + 0x3000n, am: 0n, left: ['small', 'huge'] },
    { address: PAGES.huge | (1n << 50n), am: 0n, left: ['small', 'large'] },
    { address: 0n, am: 18n, left: ['huge'] },
  ])('of pages removes what overlaps 2 ** $am pages at $address, and ignores address bits above HAW.', (range) => {
    const { left, ...of } = range;
    if (of.am === 1n) proves('hpt_inv_desc.ADDR', 'hpt_inv_desc.AM');
    expect(passing(stale().flush(hpt(PAGE, of)))).toEqual(left);
  });

  it('with the reserved granularity 00b is invalid.', () => {
    const bench = ready().flush(hpt(0b00n));
    expect(bench.get(REG.FSTS)).toBe(0x10n);
    expect(bench.get(REG.IQERCD) & 0xfn).toBe(3n);
  });
});
