/** Several spaces side by side, for tests of what an invalidation removes, and the descriptors of vtd.md section 5.2. */
import { Access } from '../../hardware/iommu/index.ts';
import { contextDevice, contextDomain, contextGlobal, iotlbDomain, iotlbGlobal, iotlbPages } from './descriptors.ts';
import { ALL, Pgtt, RID_PASID, type WideDescriptor } from './scalable.ts';
import { type Caches, NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { type BenchOptions, BOTH, DATA } from './tables.ts';

export { contextDevice, contextDomain, contextGlobal, iotlbDomain, iotlbGlobal, iotlbPages };

export const pasidIotlb = (did: number, pasid: number): WideDescriptor => [
  0x26n | (BigInt(did) << 16n) | (BigInt(pasid) << 32n),
  0n,
];
export const pasidPages = (did: number, pasid: number, address: bigint, am = 0, ih = 0): WideDescriptor => [
  0x36n | (BigInt(did) << 16n) | (BigInt(pasid) << 32n),
  address | (BigInt(ih) << 6n) | BigInt(am),
];
export const pasidCacheDomain = (did: number): WideDescriptor => [0x07n | (BigInt(did) << 16n), 0n];
export const pasidCachePasid = (did: number, pasid: number): WideDescriptor => [
  0x17n | (BigInt(did) << 16n) | (BigInt(pasid) << 32n),
  0n,
];
export const pasidCacheGlobal = (): WideDescriptor => [0x37n, 0n];

export interface Space {
  readonly name: string;
  /** -1: requests without PASID, which RID_PASID serves. */
  readonly pasid: number;
  readonly pgtt: number;
  readonly did: number;
}

export const SPACES: readonly Space[] = [
  { name: 'first 7/5', pasid: 5, pgtt: Pgtt.FIRST, did: 7 },
  { name: 'first 8/6', pasid: 6, pgtt: Pgtt.FIRST, did: 8 },
  { name: 'first 7/7', pasid: 7, pgtt: Pgtt.FIRST, did: 7 },
  { name: 'first 7/RID', pasid: -1, pgtt: Pgtt.FIRST, did: 7 },
  { name: 'second 9/8', pasid: 8, pgtt: Pgtt.SECOND, did: 9 },
  { name: 'nested 9/9', pasid: 9, pgtt: Pgtt.NESTED, did: 9 },
  { name: 'second 10/10', pasid: 10, pgtt: Pgtt.SECOND, did: 10 },
  { name: 'nested 11/11', pasid: 11, pgtt: Pgtt.NESTED, did: 11 },
];

/** Number of a space's PASID in invalidations. */
export const pasidOf = ({ pasid }: Space): number => (pasid < 0 ? RID_PASID : pasid);

/** A 4 KiB page, its neighbour, and a page of the next 2 MiB. */
export const PAGES = [0n, 0x5000n, 0x20_0000n] as const;
const NEXT_FIRST = 0x6_0000n;
const NEXT_SECOND = 0x6_1000n;

/** All spaces over the same tables; every page of PAGES is mapped at both stages. */
export function spaces(caches: Partial<Caches>, options: BenchOptions = {}): UnitBench {
  const bench = new UnitBench(options, { ...NO_CACHES, ...caches }).scalable();
  for (const space of SPACES) bench.pasid(pasidOf(space), { pgtt: space.pgtt, did: space.did });
  bench
    .entry(1, 5, (DATA + 0x5000n) | ALL)
    .entry(2, 1, NEXT_FIRST | ALL)
    .write64(NEXT_FIRST, 0x20_0000n | ALL);
  bench.second(2, 1, NEXT_SECOND | BOTH).write64(NEXT_SECOND, (DATA + 0x8000n) | BOTH);
  return bench.on();
}

export function read(bench: UnitBench, space: Space, address: bigint, effects = true): string | bigint {
  return resultOf(bench.answer({ address, access: Access.READ, pasid: space.pasid, effects }));
}

/** Reads every page of every space. */
export function prime(bench: UnitBench): UnitBench {
  for (const space of SPACES) for (const page of PAGES) read(bench, space, page);
  return bench;
}

export const nameOf = (space: Space, page: bigint): string => `${space.name} ${page.toString(16)}h`;

/** Names of the pairs of space and page for which `test` holds. */
export function select(test: (space: Space, page: bigint) => boolean): string[] {
  return SPACES.flatMap((space) => PAGES.filter((page) => test(space, page)).map((page) => nameOf(space, page)));
}
