/** What a machine specification may say about its IOMMU. */
import { z } from 'zod';
import { CAPABILITY_HEADER_DEFAULT, COUNTERS, MISC_INFO_0_DEFAULT } from '../../../hardware/amdvi/index.ts';
import { hex } from '../../../hardware/bits/index.ts';
import { REPLACEMENT_POLICIES, type SetsSpec } from '../../../hardware/iommu/index.ts';
import { PERFORMANCE, PROTECTED_REGION_N } from '../../../hardware/vtd/index.ts';
import { between, flag, oneOf, powerOfTwo, section, whole, word } from '../kinds.ts';

const MOST_ENTRIES = 2 ** 20;

const SIZE = { sets: powerOfTwo(65_536), ways: whole(1, 4096) };
const isSmall = ({ sets, ways }: SetsSpec): boolean => sets * ways <= MOST_ENTRIES;
const TOO_MANY = { error: `at most ${MOST_ENTRIES} entries (sets × ways)` };

const CACHE = section(SIZE).refine(isSmall, TOO_MANY);

/** `policy`: which entry of a full set gives way. */
const ARRAY = { ...SIZE, policy: oneOf(REPLACEMENT_POLICIES).default('lru') };
const hasTree = ({ ways, policy }: SetsSpec): boolean => policy !== 'plru' || (ways & (ways - 1)) === 0;
const NO_TREE = { path: ['ways'], error: 'a power of two, which the policy "plru" needs' };
const OWN_ARRAY = section(ARRAY).refine(isSmall, TOO_MANY).refine(hasTree, NO_TREE);

/** Pages of 2 MiB and of 1 GiB may have arrays of their own; sizes that are `null`, and all others, share one. */
const IOTLB = section({ ...ARRAY, '2M': OWN_ARRAY.nullable().default(null), '1G': OWN_ARRAY.nullable().default(null) })
  .refine(isSmall, TOO_MANY)
  .refine(hasTree, NO_TREE);

/** What every unit has. */
const COMMON = {
  /** Bits of a host physical address that the platform implements. */
  hostAddressWidth: whole(32, 52),
  /** Not architectural: 1 set means fully associative. */
  iotlb: IOTLB,
  /** `null`: every interrupt fetches its entry. */
  interruptEntryCache: CACHE.nullable(),
  /** Nanoseconds for a look-up in the IOTLB. */
  lookup: between(0, 100_000, 'nanoseconds'),
  /** Requests that the unit holds at a time. */
  requests: whole(1, 4096),
  /** Table walks that go on at a time. */
  walkers: whole(1, 256),
  /** Nanoseconds of each read of a table on its way to memory and back, beside memory's own. */
  fetch: between(0, 100_000, 'nanoseconds').default(0),
  /** Nanoseconds from one look-up to the next. */
  lookupInterval: between(0, 100_000, 'nanoseconds').default(0),
  /** A request whose page somebody else is walking for waits for that walk. */
  mergeMisses: flag().default(false),
  /** log2 of the bytes within which only one walk goes on at a time; `null`: walks do not exclude each other. */
  walkRegion: whole(12, 31).nullable().default(null),
  /** Nanoseconds for which the walk for a read keeps its walker beyond its end. */
  readHold: between(0, 100_000, 'nanoseconds').default(0),
};

const INTEL = section({
  vendor: oneOf(['intel']),
  /** The capability registers as software reads them: they govern what the unit does. */
  ver: word(32),
  cap: word(64),
  ecap: word(64),
  ...COMMON,
  contextCache: CACHE,
  /** Entries of PASID tables; only in scalable mode. Here and in the next three `null` means that there is no such cache. */
  pasidCache: CACHE.nullable().default({ sets: 16, ways: 4 }),
  /** Paging-structure caches, each for the tables of all levels of its stage. */
  firstStageCache: CACHE.nullable().default(null),
  secondStageCache: CACHE.nullable().default(null),
  /** Host permissions; only with ECAP.HPTS. */
  hostPermissionCache: CACHE.nullable().default(null),
  /** Drop a fault whose requester has an unread record. */
  faultCompression: flag(),
  /** Bits N:0 of the bases and limits of protected regions that are not implemented; only with CAP.PLMR or CAP.PHMR. */
  protectedRegionN: whole(PROTECTED_REGION_N.first, PROTECTED_REGION_N.last).default(PROTECTED_REGION_N.usual),
  /** Performance counters; only with ECAP.PMS. */
  performance: section({
    counters: whole(1, 64),
    /** Bits of a counter. */
    width: whole(1, 64),
    /** Software may write a counter that is enabled. */
    writableWhileEnabled: flag(),
  }).default(PERFORMANCE),
});

const AMD = section({
  vendor: oneOf(['amd']),
  /** The Extended Feature registers as software reads them: they govern what the unit does. */
  efr: word(64),
  efr2: word(64).default('0x0'),
  /** Of the capability block: its header and what it says of address sizes and interrupts. */
  capHeader: word(32).default(hex(CAPABILITY_HEADER_DEFAULT)),
  miscInfo0: word(32).default(hex(MISC_INFO_0_DEFAULT)),
  miscInfo1: word(32).default('0x0'),
  ...COMMON,
  deviceTableCache: CACHE,
  /** Roots of guest tables; only with EFR.GTSup. Here and in the next two `null` means that there is no such cache. */
  gcr3Cache: CACHE.nullable().default({ sets: 16, ways: 4 }),
  /** Page-directory caches, each for the tables of all levels. */
  hostDirectoryCache: CACHE.nullable().default(null),
  guestDirectoryCache: CACHE.nullable().default(null),
  /** Performance counters; only with EFR.PCSup. */
  counters: section({
    banks: whole(1, 63),
    /** Of each bank. */
    counters: whole(1, 15),
  }).default(COUNTERS),
});

export const IOMMU = z.discriminatedUnion('vendor', [INTEL, AMD], {
  error: ({ code }) =>
    code === 'invalid_union' ? 'one of "intel", "amd"' : 'an object with the field vendor and those of its unit',
});

export type IntelSpec = z.output<typeof INTEL>;
export type AmdSpec = z.output<typeof AMD>;
