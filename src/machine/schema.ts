/**
 * What a machine specification may say. A specification is plain JSON; every field says in words what it accepts, and
 * that sentence is what somebody reads who got it wrong.
 */
import { z } from 'zod';
import { DMA_ENGINE } from '../../hardware/devices/dma-engine/index.ts';
import { REPLACEMENT_POLICIES, type SetsSpec } from '../../hardware/iommu/index.ts';
import { PERFORMANCE, PROTECTED_REGION_N } from '../../hardware/vtd/index.ts';
import { quote, suggest } from './input-error.ts';

/** A whole number in a closed range. */
function whole(first: number, last: number) {
  const error = `a whole number from ${first} to ${last}`;
  return z.int({ error }).min(first, { error }).max(last, { error });
}

/** A number in a closed range. */
function between(first: number, last: number, unit: string) {
  const error = `a number of ${unit} from ${first} to ${last}`;
  return z.number({ error }).min(first, { error }).max(last, { error });
}

function choice<const T extends readonly number[]>(values: T) {
  return z.literal(values, { error: `one of ${values.join(', ')}` });
}

function flag() {
  return z.boolean({ error: 'true or false' });
}

function powerOfTwo(last: number) {
  const error = `a power of two from 1 to ${last}`;
  return whole(1, last).refine((n) => (n & (n - 1)) === 0, { error });
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: values.length === 1 ? quote(values[0]) : `one of ${values.map(quote).join(', ')}` });
}

function word(bits: 32 | 64) {
  const error = `a hexadecimal ${bits}-bit value as a string, for instance "0x10"`;
  return z.string({ error }).regex(bits === 32 ? /^0x[0-9a-f]{1,8}$/i : /^0x[0-9a-f]{1,16}$/i, { error });
}

function text() {
  const error = 'a text that is not empty';
  return z.string({ error }).min(1, { error });
}

/** An object with exactly these fields. */
function section<S extends z.core.$ZodLooseShape>(shape: S) {
  const fields = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownField(issue.keys[0]!, fields)
        : `an object with the fields ${fields.join(', ')}`,
  });
}

/** The sentence about a field that does not exist. */
export function unknownField(name: string, accepted: readonly string[]): string {
  return `there is no field ${quote(name)}; ${suggest(name, accepted)}`;
}

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

const PLACE = /^00:(0[1-9a-f]|1[0-9a-f])\.[0-7]$/;

const DEVICE = section({
  /** How traces, programs and /dev/vfio/devices call it. */
  name: z
    .string({ error: 'a name of lower-case letters, digits and dashes' })
    .regex(/^[a-z][a-z0-9-]*$/, { error: 'a name of lower-case letters, digits and dashes' }),
  model: oneOf(['dma-engine']),
  /** Bus, device and function. */
  at: z
    .string({ error: 'a place on bus 00 from "00:01.0" to "00:1f.7"' })
    .regex(PLACE, { error: 'a place on bus 00 from "00:01.0" to "00:1f.7"' }),
  /** Largest payload in bytes that the device can handle, and reads that it may have outstanding. */
  payloadSupported: choice([128, 256, 512, 1024, 2048, 4096]).default(DMA_ENGINE.payloadSupported),
  tags: whole(1, 256).default(DMA_ENGINE.tags),
});

export const MACHINE = section({
  name: text(),
  /** One sentence for `ioasim machines`. */
  description: text(),
  /** Start of every random sequence. */
  seed: whole(0, 2 ** 32 - 1),
  memory: section({
    megabytes: whole(64, 1_048_576),
    /** Nanoseconds from a request to its first byte. */
    latency: between(0, 100_000, 'nanoseconds'),
    bytesPerNanosecond: between(0.001, 10_000, 'bytes per nanosecond'),
  }),
  iommu: section({
    vendor: oneOf(['intel']),
    /** The capability registers as software reads them: they govern what the unit does. */
    ver: word(32),
    cap: word(64),
    ecap: word(64),
    /** Bits of a host physical address that the platform implements. */
    hostAddressWidth: whole(32, 52),
    /** Not architectural: 1 set means fully associative. */
    iotlb: IOTLB,
    contextCache: CACHE,
    /** Entries of PASID tables; only in scalable mode. Here and in the next two `null` means that there is no such cache. */
    pasidCache: CACHE.nullable().default({ sets: 16, ways: 4 }),
    /** Paging-structure caches, each for the tables of all levels of its stage. */
    firstStageCache: CACHE.nullable().default(null),
    secondStageCache: CACHE.nullable().default(null),
    /** `null`: every interrupt fetches its entry. */
    interruptEntryCache: CACHE.nullable(),
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
    /** Nanoseconds for a look-up in the IOTLB. */
    lookup: between(0, 100_000, 'nanoseconds'),
    /** Requests that the unit holds at a time. */
    requests: whole(1, 4096),
    /** Table walks that go on at a time. */
    walkers: whole(1, 256),
  }),
  rootComplex: section({
    /** Nanoseconds of a memory request between its link and the IOMMU. */
    latency: between(0, 100_000, 'nanoseconds'),
    /** Nanoseconds of a CPU's access to configuration space and to registers, beside the link's. */
    configAccess: between(0, 100_000, 'nanoseconds'),
    mmioAccess: between(0, 100_000, 'nanoseconds'),
    /** Largest completion in bytes. */
    maxPayload: choice([128, 256, 512, 1024, 2048, 4096]),
    readCompletionBoundary: choice([64, 128]),
  }),
  /** The link of each device to its root port. */
  link: section({
    generation: choice([1, 2, 3, 4, 5, 6]),
    /** Lanes. */
    width: choice([1, 2, 4, 8, 16]),
    /** Nanoseconds from one end to the other, beside the time that the bytes take. */
    latency: between(0, 100_000, 'nanoseconds'),
    /** Requests that each end can hold. */
    credits: section({ posted: whole(1, 4096), nonPosted: whole(1, 4096) }),
  }),
  devices: z
    .array(DEVICE, { error: 'a list of devices, each with the fields name, model, at' })
    .min(1, { error: 'a list with at least one device' })
    .superRefine((devices, context) => {
      for (const field of ['name', 'at'] as const) {
        devices.forEach((device, i) => {
          if (devices.findIndex((other) => other[field] === device[field]) === i) return;
          context.addIssue({ code: 'custom', path: [i, field], message: 'something that no other device has' });
        });
      }
      // A kernel looks for other functions only where function 0 answers.
      devices.forEach(({ at }, i) => {
        const first = `${at.slice(0, -1)}0`;
        if (devices.some((other) => other.at === first)) return;
        context.addIssue({
          code: 'custom',
          path: [i, 'at'],
          message: `a function of a device that has function 0, ${quote(first)}`,
        });
      });
    }),
  firmware: section({
    /** RAM that firmware goes on using together with devices (RMRR): the kernel maps it for them one to one. */
    reservedMemory: z
      .array(
        section({
          start: word(64),
          /** Of 4 KiB. */
          pages: whole(1, 2 ** 20),
          /** By name. */
          devices: z.array(text(), { error: 'a list of names of devices' }),
        }),
        { error: 'a list of ranges, each with the fields start, pages, devices' },
      )
      .default([]),
  }).default({ reservedMemory: [] }),
  kernel: section({
    /** When an unmap drops what the IOMMU has cached: before it returns, or (wrongly) never. */
    invalidate: oneOf(['strict', 'none']),
    /** In which mode IOMMUs work: the newest that they have, or the oldest. */
    iommuMode: oneOf(['auto', 'legacy']).default('auto'),
    /** What the kernel's own work takes, in nanoseconds. */
    costs: section({
      systemCall: between(0, 1_000_000, 'nanoseconds'),
      copyLine: between(0, 1_000_000, 'nanoseconds'),
      allocate: between(0, 1_000_000, 'nanoseconds'),
      clearPage: between(0, 1_000_000, 'nanoseconds'),
      pinPage: between(0, 1_000_000, 'nanoseconds'),
      writeEntry: between(0, 1_000_000, 'nanoseconds'),
      interruptEntry: between(0, 1_000_000, 'nanoseconds'),
      pollFirst: between(0.001, 1_000_000, 'nanoseconds'),
      pollLongest: between(0.001, 1_000_000, 'nanoseconds'),
      hardwareTimeout: between(0.001, 1_000_000_000, 'nanoseconds'),
    }),
  }),
});

/** A complete machine, as plain JSON. */
export type MachineSpec = z.output<typeof MACHINE>;

/** The same as it may be written: what has a default may be left out. */
export type WrittenSpec = z.input<typeof MACHINE>;
