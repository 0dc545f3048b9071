/** What each command removes from the caches, and what stays (amd-vi.md sections 4.2 and 4.3). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TranslateRequest } from '../../hardware/index.ts';
import { proves } from '../proves.ts';
import {
  ALL_CACHES,
  Bench,
  DATA,
  GCR3,
  guestAt,
  hostAt,
  INVALIDATE_ALL,
  level,
  NO_CACHES,
  type Pair,
  RW,
  USER_PAGE,
} from './bench.ts';

/** One place of the IOTLB. */
interface Entry {
  readonly requester: number;
  readonly domain: number;
  readonly pasid?: number;
  /** Over a host table. */
  readonly nested?: boolean;
  readonly page: bigint;
  /** Pages, a power of two. */
  readonly pages: bigint;
}

const [PLAIN, OTHER, GUEST, NESTED] = [0x0108, 0x0110, 0x0118, 0x0120];
const PASIDS = [0x21, 0x22];
const SMALL = [0n, 1n, 2n, 3n, 0x40n, 0x1ffn];
/** A page of 2 MiB. */
const LARGE = 0x400n;

const ENTRIES: readonly Entry[] = [
  ...[PLAIN, OTHER].flatMap((requester, i) => [
    ...SMALL.map((page) => ({ requester, domain: 5 + i, page, pages: 1n })),
    { requester, domain: 5 + i, page: LARGE, pages: 512n },
  ]),
  ...[GUEST, NESTED].flatMap((requester, i) =>
    PASIDS.flatMap((pasid) =>
      SMALL.map((page) => ({ requester, domain: 7 + i, pasid, nested: i === 1, page, pages: 1n })),
    ),
  ),
];

const requestOf = ({ requester, pasid, page }: Entry): TranslateRequest => ({
  requester,
  address: page << 12n,
  write: false,
  ...(pasid === undefined ? {} : { pasid }),
});

/** A unit whose IOTLB holds every entry. */
function filled(): Bench {
  // Room for all.
  const caches = { ...ALL_CACHES, iotlb: { sets: 64, ways: 8 } };
  const bench = new Bench({ caches }).guests().identity();
  for (const [i, requester] of [PLAIN, OTHER].entries()) bench.device({ mode: 3, domain: 5 + i }, requester);
  bench.device({ mode: 0, gcr3: GCR3, domain: 7 }, GUEST).device({ mode: 3, gcr3: GCR3, domain: 8 }, NESTED);
  for (const pasid of PASIDS) bench.write64(GCR3 + BigInt(pasid) * 8n, guestAt(4) | 1n);
  for (const page of SMALL) bench.guest(1, Number(page), DATA | USER_PAGE);
  bench.host(2, 2, 0x40_0000n | RW).enable();
  for (const entry of ENTRIES) bench.ask(requestOf(entry).address, requestOf(entry));
  expect(standing(bench)).toEqual(ENTRIES);
  return bench;
}

/** The entries that are answered without a look at the tables. Asking changes nothing. */
function standing(bench: Bench): readonly Entry[] {
  return ENTRIES.filter((entry) => {
    bench.accesses.length = 0;
    bench.rig.translate({ ...requestOf(entry), probe: true });
    return bench.tableReads() === 0;
  });
}

interface Invalidation {
  readonly domain: number;
  /** GN with this PASID. */
  readonly pasid?: number;
  readonly page: bigint;
  /** S: as many pages, a power of two above 1; 'all' is the address of everything. */
  readonly pages: bigint | 'all';
  readonly directories: boolean;
}

/** The command, from its bits. */
function commandOf({ domain, pasid, page, pages, directories }: Invalidation): Pair {
  let address = page << 12n;
  if (pages === 'all') address = 0x7fff_ffff_ffff_f000n;
  // Ones below half the size, which is 0.
  else if (pages > 1n) address = ((page & ~(pages - 1n)) | (pages / 2n - 1n)) << 12n;
  const flags = (pages === 1n ? 0n : 1n) | (directories ? 2n : 0n) | (pasid === undefined ? 0n : 4n);
  return [0x3000_0000_0000_0000n | (BigInt(domain) << 32n) | BigInt(pasid ?? 0), address | flags];
}

function isRemoved(entry: Entry, { domain, pasid, page, pages }: Invalidation): boolean {
  if (entry.domain !== domain) return false;
  // A host address does not tell which guest addresses lead to it: all that are nested go.
  if (pasid === undefined && entry.pasid !== undefined) return entry.nested === true;
  if (pasid !== entry.pasid) return false;
  if (pages === 'all') return true;
  const first = page & ~(pages - 1n);
  return entry.page < first + pages && first < entry.page + entry.pages;
}

describe('INVALIDATE_IOMMU_PAGES', () => {
  const page = fc.oneof(fc.constantFrom(...SMALL, LARGE, LARGE + 5n, 0x200n), fc.bigInt(0n, 0x700n));
  const invalidations = fc.record({
    domain: fc.constantFrom(5, 6, 7, 8, 9),
    page,
    pages: fc.oneof(
      fc.constantFrom(1n, 1n, 'all' as const),
      fc.nat(52).map((order) => 1n << BigInt(order)),
    ),
    directories: fc.boolean(),
  });
  const withPasid = fc
    .tuple(invalidations, fc.constantFrom(...PASIDS, 0, 0x10_0021 & 0xf_ffff))
    .map(([one, pasid]): Invalidation => ({ ...one, pasid }));

  it('removes exactly the pages of its domain, and of its PASID with GN, that meet its range.', () => {
    proves('INVALIDATE_IOMMU_PAGES.DomainID', 'INVALIDATE_IOMMU_PAGES.PASID', 'INVALIDATE_IOMMU_PAGES.S');
    proves('INVALIDATE_IOMMU_PAGES.GN', 'INVALIDATE_IOMMU_PAGES.Address');
    fc.assert(
      fc.property(fc.oneof(invalidations as fc.Arbitrary<Invalidation>, withPasid), (invalidation) => {
        const bench = filled();
        bench.submit(commandOf(invalidation));
        expect(standing(bench)).toEqual(ENTRIES.filter((entry) => !isRemoved(entry, invalidation)));
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    { what: 'one page', address: 0x4_0000n, gone: [0x40n] },
    { what: '8 KiB', address: 0x1n, gone: [0n, 1n] },
    { what: '8 KiB from an odd page', address: 0x2001n, gone: [2n, 3n] },
    { what: '16 KiB', address: 0x1001n, gone: [0n, 1n, 2n, 3n] },
    { what: '2 MiB', address: 0xf_f001n, gone: [...SMALL] },
    { what: 'everything', address: 0x7fff_ffff_ffff_f001n, gone: [...SMALL, LARGE] },
    { what: 'an address of ones', address: 0xffff_ffff_ffff_f001n, gone: [...SMALL, LARGE] },
  ])('names its range by the lowest 0 of its address ($what).', ({ address, gone }) => {
    const bench = filled();
    bench.submit([0x3000_0005_0000_0000n, address]);
    const left = standing(bench).filter(({ domain }) => domain === 5);
    expect(left.map((entry) => entry.page)).toEqual([...SMALL, LARGE].filter((one) => !gone.includes(one)));
  });

  it('leaves directories without PDE, and removes those of its range with it.', () => {
    proves('INVALIDATE_IOMMU_PAGES.PDE');
    const reads = (bench: Bench, address: bigint) => {
      bench.accesses.length = 0;
      bench.ask(address, { requester: PLAIN, probe: true });
      return bench.tableReads();
    };
    const bench = filled();
    bench.submit([0x3000_0005_0000_0000n, 0n]);
    expect(reads(bench, 0n)).toBe(1);
    bench.submit([0x3000_0006_0000_0000n, 2n]);
    expect(reads(bench, 0n)).toBe(1);
    bench.submit([0x3000_0005_0000_0000n, 2n]);
    expect(reads(bench, 0n)).toBe(3);
  });

  it('with GN and PDE removes guest directories and the GCR3 entry of the PASID, and of no other.', () => {
    const reads = (bench: Bench, pasid: number) => {
      bench.accesses.length = 0;
      bench.ask(0n, { requester: GUEST, pasid, probe: true });
      return bench.tableReads();
    };
    const bench = filled();
    bench.submit([0x3000_0007_0000_0021n, 4n], [0x3000_0007_0000_0022n, 4n]);
    expect([reads(bench, 0x21), reads(bench, 0x22)]).toEqual([1, 1]);
    bench.submit([0x3000_0007_0000_0021n, 6n]);
    expect([reads(bench, 0x21), reads(bench, 0x22)]).toEqual([5, 1]);
  });
});

/** The device table entries that are read for these devices when they ask. */
function fetched(bench: Bench, devices: readonly number[]): readonly number[] {
  return devices.filter((requester) => {
    bench.accesses.length = 0;
    bench.ask(0n, { requester, probe: true });
    return bench.accesses.some(({ length }) => length === 32);
  });
}

const DEVICES = [PLAIN, OTHER, GUEST, NESTED];

describe('INVALIDATE_DEVTAB_ENTRY', () => {
  it('removes the entry of one device, and no translation.', () => {
    proves('INVALIDATE_DEVTAB_ENTRY.DeviceID');
    const bench = filled();
    expect(fetched(bench, DEVICES)).toEqual([]);
    bench.submit([0x2000_0000_0000_0110n, 0n]);
    expect(fetched(bench, DEVICES)).toEqual([OTHER]);
    expect(standing(bench)).toEqual(ENTRIES);
  });
});

describe('INVALIDATE_IOMMU_ALL', () => {
  it('removes everything.', () => {
    proves('INVALIDATE_IOMMU_ALL');
    const bench = filled();
    bench.submit(INVALIDATE_ALL);
    expect(fetched(bench, DEVICES)).toEqual(DEVICES);
    expect(standing(bench)).toEqual([]);
    bench.ask(0n, { requester: PLAIN, probe: true });
    expect(bench.tableReads()).toBe(3);
  });
});

describe('COMPLETION_WAIT and the commands to devices', () => {
  it.each([
    { name: 'COMPLETION_WAIT', command: [0x1000_0000_0000_0007n | 0x1_3000n, 1n] },
    { name: 'INVALIDATE_IOTLB_PAGES', command: [0x4000_0108_0000_0108n, 0x7fff_ffff_ffff_f001n] },
    { name: 'INVALIDATE_INTERRUPT_TABLE', command: [0x5000_0000_0000_0108n, 0n] },
    { name: 'COMPLETE_PPR_REQUEST', command: [0x7000_0000_0000_0108n, 0n] },
  ] as const)('remove nothing here: $name', ({ command }) => {
    const bench = filled();
    bench.submit(command);
    expect(standing(bench)).toEqual(ENTRIES);
    expect(fetched(bench, DEVICES)).toEqual([]);
  });
});

describe('PREFETCH_IOMMU_PAGES', () => {
  const fresh = (caches = ALL_CACHES) => new Bench({ caches }).guests().identity({ gcr3: GCR3 }).enable();
  const cached = (bench: Bench, address: bigint, more = {}) => {
    bench.accesses.length = 0;
    bench.ask(address, { probe: true, ...more });
    return bench.accesses.length === 0;
  };

  it('fills the caches for as many pages as it says.', () => {
    proves('PREFETCH_IOMMU_PAGES.DeviceID', 'PREFETCH_IOMMU_PAGES.PFCount', 'PREFETCH_IOMMU_PAGES.Address');
    const bench = fresh();
    bench.submit([0x6000_0000_0300_0108n, 0x5000n]);
    const there = [4n, 5n, 6n, 7n, 8n].filter((page) => cached(bench, page << 12n));
    expect(there).toEqual([5n, 6n, 7n]);
  });

  it('reads no more than sixteen pages ahead, whatever it says.', () => {
    const bench = fresh();
    bench.submit([0x6000_0000_ff00_0108n, 0x5000n]);
    const there = [5n, 20n, 21n].filter((page) => cached(bench, page << 12n));
    expect(there).toEqual([5n, 20n]);
  });

  it('with GN does so for a PASID.', () => {
    proves('PREFETCH_IOMMU_PAGES.GN', 'PREFETCH_IOMMU_PAGES.PASID');
    const bench = fresh();
    bench.submit([0x6000_0021_0100_0108n, 4n]);
    expect(cached(bench, 0n, { pasid: 0x21 })).toBe(true);
    expect(cached(bench, 0n)).toBe(false);
  });

  it('with Inval forgets the page first.', () => {
    proves('PREFETCH_IOMMU_PAGES.Inval', 'PREFETCH_IOMMU_PAGES.S');
    const bench = fresh();
    bench.ask(0x5000n);
    bench.host(1, 5, DATA | RW);
    bench.submit([0x6000_0000_0100_0108n, 0x5000n]);
    expect(bench.ask(0x5000n)).toMatchObject({ segments: [{ address: 0x5000n }] });
    bench.submit([0x6000_0000_0100_0108n, 0x5010n]);
    expect(bench.ask(0x5000n)).toMatchObject({ segments: [{ address: DATA }] });
    // With S a range: 8 KiB from 4000h, of which the first page alone is fetched again.
    bench.host(1, 5, 0x5000n | RW).submit([0x6000_0000_0100_0108n, 0x4010n]);
    expect(bench.ask(0x5000n)).toMatchObject({ segments: [{ address: DATA }] });
    bench.submit([0x6000_0000_0100_0108n, 0x4011n]);
    expect(bench.ask(0x5000n)).toMatchObject({ segments: [{ address: 0x5000n }] });
  });

  it('that meets nothing logs no event, and the processor goes on.', () => {
    const bench = fresh();
    bench.submit([0x6000_0000_ff00_0108n, 0x1f_f000n], [0x6000_0000_ff00_0999n, 0xffff_ffff_ffff_f000n]);
    expect(bench.events()).toEqual([]);
    expect(bench.get(0x2000)).toBe(0x20n);
  });
});

describe('A change of the tables', () => {
  it('is seen after the command that Linux gives for it, and every request meets the old or the new.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).usual().enable();
    const at = () => {
      const result = bench.ask(0n);
      return result.ok ? result.segments[0]!.address : result.fault!.name;
    };
    expect(at()).toBe(DATA);
    // A page: INVALIDATE_IOMMU_PAGES alone. A table of pages: with PDE. The root: with INVALIDATE_DEVTAB_ENTRY.
    bench.host(1, 0, (DATA + 0x1000n) | RW);
    expect(at()).toBe(DATA);
    bench.submit([0x3000_0005_0000_0000n, 0n]);
    expect(at()).toBe(DATA + 0x1000n);
    bench.write64(hostAt(8), (DATA + 0x2000n) | RW).host(2, 0, hostAt(8) | RW | level(1));
    bench.submit([0x3000_0005_0000_0000n, 0n]);
    expect(at()).toBe(DATA + 0x1000n);
    bench.submit([0x3000_0005_0000_0000n, 0x7fff_ffff_ffff_f003n]);
    expect(at()).toBe(DATA + 0x2000n);
    bench.write64(hostAt(9), (DATA + 0x3000n) | RW).device({ mode: 1, root: hostAt(9) });
    expect(at()).toBe(DATA + 0x2000n);
    bench.submit([0x2000_0000_0000_0108n, 0n], [0x3000_0005_0000_0000n, 0x7fff_ffff_ffff_f003n]);
    expect(at()).toBe(DATA + 0x3000n);
  });

  it('is seen at once by a unit without caches.', () => {
    const bench = new Bench({ caches: NO_CACHES }).usual().enable();
    bench.ask(0n);
    bench.host(1, 0, (DATA + 0x1000n) | RW);
    expect(bench.ask(0n)).toMatchObject({ segments: [{ address: DATA + 0x1000n }] });
  });
});
