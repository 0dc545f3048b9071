/** What leaves the IOTLB, and what stays, when software invalidates (vtd.md sections 1.8, 5.2, 5.3, 7.1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { type Descriptor, iotlbDomain, iotlbGlobal, iotlbPages } from './descriptors.ts';
import { removesExactly } from './removes-exactly.ts';
import { Bench, type BenchOptions, BOTH, DATA, outcome, PS, REG, tableAt } from './tables.ts';

interface Source {
  readonly sid: number;
  readonly did: number;
}
const SOURCES: readonly Source[] = [
  { sid: 0x18, did: 1 },
  { sid: 0x1c, did: 1 },
  { sid: 0x20, did: 2 },
  { sid: 0x118, did: 0x101 },
];

interface Page {
  readonly base: bigint;
  readonly size: bigint;
}
const KIB4 = 0x1000n;
const MIB2 = 0x20_0000n;
const GIB1 = 0x4000_0000n;
const PAGES: readonly Page[] = [
  ...[0n, 1n, 2n, 3n, 4n, 7n, 8n, 0x10n, 0x1ffn].map((n) => ({ base: n * KIB4, size: KIB4 })),
  { base: MIB2, size: MIB2 },
  { base: 2n * MIB2, size: MIB2 },
  { base: GIB1, size: GIB1 },
  { base: 2n ** 39n, size: KIB4 },
];

interface Entry extends Source, Page {}
const ENTRIES: readonly Entry[] = SOURCES.flatMap((source) => PAGES.map((page) => ({ ...source, ...page })));
const nameOf = ({ sid, base }: Entry) => `${sid.toString(16)} ${base.toString(16)}`;

/** Every entry is in the IOTLB, and no table backs it any more. */
function filled(options: BenchOptions = {}): Bench {
  const bench = new Bench(options).usual();
  bench.root(0x3001n, 0n, 1);
  for (const { sid, did } of SOURCES) bench.context(tableAt(4) | 1n, 2n | (BigInt(did) << 8n), sid);
  for (let i = 0; i < 512; i++) bench.entry(1, i, (DATA + BigInt(i) * KIB4) | BOTH);
  bench.entry(2, 1, 0x4000_0000n | BOTH | PS).entry(2, 2, 0x4020_0000n | BOTH | PS);
  bench.entry(3, 1, 0x8000_0000n | BOTH | PS).entry(4, 1, tableAt(3) | BOTH);
  bench.enable();
  for (const { sid, base } of ENTRIES) expect(outcome(bench.read(base, 4, sid))).toBeTypeOf('bigint');
  bench.entry(4, 0, 0n).entry(4, 1, 0n);
  expect(standing(bench)).toEqual(ENTRIES.map(nameOf));
  return bench;
}

/** The entries that still translate, at their first and at their last page. */
function standing(bench: Bench): string[] {
  return ENTRIES.filter(({ sid, base, size }) => {
    const [first, last] = [bench.probe(base, { sid }), bench.probe(base + size - 1n, { sid })];
    expect(first.ok).toBe(last.ok);
    return first.ok;
  }).map(nameOf);
}

interface Invalidation {
  readonly granularity: 1 | 2 | 3;
  readonly did: number;
  readonly address: bigint;
  readonly am: number;
  readonly ih: number;
}

const descriptorOf = ({ granularity, did, address, am, ih }: Invalidation): Descriptor =>
  [iotlbGlobal(), iotlbDomain(did), iotlbPages(did, address, am, ih)][granularity - 1]!;

/** By register, in accesses of 4 or of 8 bytes. */
function byRegister(bench: Bench, { granularity, did, address, am, ih }: Invalidation, size: 4 | 8): number {
  const iva = address | (BigInt(ih) << 6n) | BigInt(am);
  const command = (1n << 63n) | (BigInt(granularity) << 60n) | (BigInt(did) << 32n);
  for (const [offset, value] of [
    [REG.IVA, iva],
    [REG.IOTLB, command],
  ] as const) {
    if (size === 8) bench.set(offset, value, 8);
    else bench.set(offset, value & 0xffff_ffffn).set(offset + 4, value >> 32n);
  }
  const status = bench.get(REG.IOTLB, 8);
  expect(status >> 63n, 'IVT').toBe(0n);
  return Number((status >> 57n) & 3n);
}

function remaining({ granularity, did, address, am }: Invalidation, domainBits = 16): string[] {
  const length = KIB4 << BigInt(am);
  const start = address - (address % length);
  const inDomain = (entry: Entry) => entry.did === (did & (2 ** domainBits - 1));
  const inRange = ({ base, size }: Entry) => base < start + length && base + size > start;
  const goes = [() => true, inDomain, (entry: Entry) => inDomain(entry) && inRange(entry)][granularity - 1]!;
  return ENTRIES.filter((entry) => !goes(entry)).map(nameOf);
}

const invalidations: fc.Arbitrary<Invalidation> = fc.record({
  granularity: fc.constantFrom(1, 2, 3, 3, 3, 3, 3, 3),
  did: fc.constantFrom(0, 1, 1, 2, 0x101, 0x102, 0x8001),
  address: fc.oneof(
    fc.constantFrom(...PAGES.map((page) => page.base)),
    fc.bigInt(0n, 0x900n).map((n) => n * KIB4),
    fc.bigInt(0n, 2n ** 36n - 1n).map((n) => n * KIB4),
  ),
  am: fc.nat(18),
  ih: fc.nat(1),
});

describe('An IOTLB invalidation', () => {
  removesExactly('its granularity names', {
    invalidations,
    filled: () => filled(),
    descriptorOf,
    byRegister,
    standing,
    remaining: (invalidation) => remaining(invalidation),
    runs: { descriptor: 120, register: 80 },
  });

  it.each([9, 18])(
    'with AM %i removes the large page that covers the range, wherever in it the address lies.',
    (am) => {
      proves('iotlb_inv_dsc.G', 'iotlb_inv_dsc.DID', 'iotlb_inv_dsc.ADDR', 'context entry.DID', 'CAP_REG.PSI');
      const bench = filled().enableQueue();
      const address = am === 9 ? MIB2 + 0x5_5000n : GIB1 + 0x2345_6000n;
      bench.submit(iotlbPages(1, address, am));
      expect(standing(bench)).toEqual(remaining({ granularity: 3, did: 1, address, am, ih: 0 }));
      expect(standing(bench)).toHaveLength(ENTRIES.length - 2);
    },
  );

  it('ignores address bits at and above MGAW, and domain-id bits above the width of ND.', () => {
    const bench = filled({ mgaw: 48 }).enableQueue();
    bench.submit(iotlbPages(1, 0xabcd_0000_0000_3000n, 0));
    expect(standing(bench)).toEqual(remaining({ granularity: 3, did: 1, address: 0x3000n, am: 0, ih: 0 }));
    const narrow = filled({ nd: 3 }).enableQueue();
    narrow.submit(iotlbDomain(0xfc01));
    expect(standing(narrow)).toEqual(ENTRIES.filter((entry) => entry.did !== 1).map(nameOf));
  });

  it('by a descriptor removes 2^AM pages of one domain and no other.', () => {
    proves('iotlb_inv_dsc.AM', 'iotlb_inv_dsc.ADDR', 'iotlb_inv_dsc.DID', 'iotlb_inv_dsc.G');
    const bench = filled().enableQueue();
    bench.submit(iotlbPages(1, 2n * KIB4, 1));
    expect(standing(bench)).toEqual(remaining({ granularity: 3, did: 1, address: 2n * KIB4, am: 1, ih: 0 }));
    expect(standing(bench)).toHaveLength(ENTRIES.length - 4);
  });

  it('leaves the context cache alone.', () => {
    const bench = filled().enableQueue();
    bench.usual().context(0n, 0n);
    bench.submit(iotlbGlobal());
    expect(outcome(bench.probe(0n))).toBe(DATA);
  });

  it('lets the next access see the tables as they are.', () => {
    const bench = new Bench().usual().enable().enableQueue();
    expect(outcome(bench.write(0n))).toBe(DATA);
    bench.entry(1, 0, (DATA + KIB4) | BOTH);
    expect(outcome(bench.write(0n))).toBe(DATA);
    bench.submit(iotlbPages(1, 0n));
    expect(outcome(bench.write(0n))).toBe(DATA + KIB4);
  });
});

describe('IOTLB_REG', () => {
  const refuse = (options: BenchOptions, prepare: (bench: Bench) => void, one: Invalidation): void => {
    const bench = filled(options);
    prepare(bench);
    expect(byRegister(bench, one, 8)).toBe(0);
    expect(standing(bench)).toEqual(ENTRIES.map(nameOf));
  };
  const global: Invalidation = { granularity: 1, did: 1, address: 0n, am: 0, ih: 0 };
  const pages: Invalidation = { ...global, granularity: 3 };

  it('reports 0 and removes nothing for the reserved granularity.', () => {
    refuse({}, () => {}, { ...global, granularity: 0 as 1 });
  });
  it('reports 0 and removes nothing for AM above MAMV.', () => {
    proves('CAP_REG.MAMV', 'IVA_REG.AM');
    refuse({ mamv: 9 }, () => {}, { ...pages, am: 10 });
    const bench = filled({ mamv: 9 });
    expect(byRegister(bench, { ...pages, am: 9 }, 8)).toBe(3);
  });
  it('reports 0 and removes nothing while QIES is 1.', () => {
    refuse({}, (bench) => bench.enableQueue(), global);
  });
  it.each([6, 7, 15])('reports 0 and removes nothing with major version %i.', (major) => {
    proves('VER_REG.MAX');
    refuse({ major }, () => {}, global);
  });
  it('works with major version 5, and while TES is 0.', () => {
    proves('IOTLB_REG.IIRG', 'IOTLB_REG.IVT', 'IOTLB_REG.IAIG', 'ECAP_REG.IRO');
    const bench = filled({ major: 5 });
    bench.stop(0x8000_0000n);
    expect(byRegister(bench, global, 8)).toBe(1);
    bench.command(0x8000_0000n);
    expect(standing(bench)).toEqual([]);
  });
  it('does nothing until IVT is written as 1 in its upper half.', () => {
    const bench = filled();
    bench.set(REG.IOTLB + 4, 0x1000_0000n).set(REG.IOTLB, 0xffff_ffffn);
    expect(standing(bench)).toEqual(ENTRIES.map(nameOf));
    bench.set(REG.IOTLB + 4, 0x9000_0000n);
    expect(standing(bench)).toEqual([]);
  });
});
