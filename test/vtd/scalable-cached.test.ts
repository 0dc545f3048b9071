/**
 * A unit with every cache against one with none, which is the plain reference walker: while each edit of a table is
 * followed by a global invalidation of everything, no outcome may differ, nor any flag left in memory.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressType, NO_PASID } from '../../hardware/iommu/index.ts';
import { contextGlobal, iotlbGlobal } from './descriptors.ts';
import { ALL, FS, PASID, type PasidFields, RID_PASID, SS, secondAt } from './scalable.ts';
import { pasidCacheGlobal } from './scalable-spaces.ts';
import { ALL_CACHES, type Caches, NO_CACHES, UnitBench } from './scalable-unit.ts';
import { type BenchOptions, BOTH, DATA, PS, SPARE, tableAt } from './tables.ts';

const SLOTS = 3;
const rare = <T>(usual: T, other: fc.Arbitrary<T>, weight = 1): fc.Arbitrary<T> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight, arbitrary: other });
const bit = fc.nat(63).map((n) => 1n << BigInt(n));

/** Down to the next table, or a page; now and then anything. */
const entry = (down: (level: number) => bigint, all: bigint, flags: bigint) =>
  fc
    .record({
      level: fc.integer({ min: 1, max: 5 }),
      slot: fc.nat(SLOTS - 1),
      rights: rare(all, fc.bigInt(0n, 7n), 4),
      page: fc.constantFrom(DATA, DATA + 0x1000n, 0x20_0000n, SPARE, tableAt(2), 0xfee0_0000n, 0x4000_0000n),
      large: rare(0n, fc.constant(PS), 3),
      flags: fc.bigInt(0n, 0xfffn).map((n) => n & flags),
      flip: rare(0n, bit),
    })
    .map(({ level, slot, rights, page, large, flags: set, flip }) => {
      const isPage = level === 1 || (level < 4 && large !== 0n);
      const size = 12n + 9n * BigInt(level - 1);
      const target = isPage ? (page >> size) << size : down(level - 1);
      return { level, slot, value: (target | rights | (level < 4 ? large : 0n) | set) ^ flip };
    });

const pasidFields: fc.Arbitrary<PasidFields> = fc.record({
  p: rare(true, fc.constant(false)),
  fpd: fc.boolean(),
  pgtt: fc.oneof({ weight: 10, arbitrary: fc.constantFrom(1, 2, 3, 3, 4) }, { weight: 1, arbitrary: fc.nat(7) }),
  aw: rare(2, fc.constantFrom(1, 3)),
  ssade: fc.boolean(),
  pwsnp: rare(true, fc.constant(false), 2),
  pgsnp: fc.boolean(),
  sre: fc.boolean(),
  fspm: rare(0, fc.constant(1), 3),
  wpe: fc.boolean(),
  eafe: fc.boolean(),
});

/** PASIDs by number; each has a domain of its own, so that no rule of programming is broken. */
const PASIDS = [PASID, PASID + 1, RID_PASID];

const edit = fc.oneof(
  {
    weight: 4,
    arbitrary: entry((l) => tableAt(l), ALL, FS.A | FS.D | FS.EA).map((e) => ({ kind: 'first' as const, ...e })),
  },
  {
    weight: 4,
    arbitrary: entry((l) => secondAt(l), BOTH, SS.A | SS.D | SS.SNP).map((e) => ({ kind: 'second' as const, ...e })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('page' as const),
      page: fc.constantFrom(tableAt(1), tableAt(2), tableAt(3), tableAt(4), tableAt(5), DATA),
      rights: fc.bigInt(0n, 3n),
      flags: fc.constantFrom(0n, SS.A, SS.A | SS.D),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pasid' as const), pasid: fc.nat(2), fields: pasidFields }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('context' as const),
      fpd: fc.boolean(),
      dte: fc.boolean(),
      paside: rare(true, fc.constant(false)),
      ridPriv: fc.boolean(),
      p: rare(true, fc.constant(false)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('directory' as const), low: rare(1n, fc.bigInt(0n, 7n)) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'mend' as const }) },
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

const request = fc.record({
  kind: fc.constant('request' as const),
  slots: fc.array(fc.nat(SLOTS - 1), { minLength: 2, maxLength: 5 }),
  offset: fc.nat(0xfff),
  upper: rare(0n, fc.constantFrom(1n << 47n, 1n << 56n, 0xffffn << 48n)),
  access: fc.constantFrom(1, 1, 2, 2, 3, 9, 10, 5, 17),
  pasid: fc.constantFrom(NO_PASID, NO_PASID, PASID, PASID, PASID + 1, RID_PASID),
  addressType: rare(0, fc.constantFrom(1, 2), 3),
});
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: edit }, { weight: 9, arbitrary: request }), {
  minLength: 30,
  maxLength: 80,
});

function carryOut(bench: UnitBench, change: Edit): void {
  if (change.kind === 'first') bench.entry(change.level, change.slot, change.value);
  else if (change.kind === 'second') bench.second(change.level, change.slot, change.value);
  else if (change.kind === 'page') bench.mapPage(change.page, change.page | change.rights | change.flags);
  else if (change.kind === 'pasid') bench.pasid(PASIDS[change.pasid]!, { ...change.fields, did: 7 + change.pasid });
  else if (change.kind === 'context') bench.smContext(change);
  else if (change.kind === 'directory') bench.directory(0x6000n | change.low);
  else bench.firstTables().secondTables().smContext({}).directory(0x6001n);
  bench.flush(contextGlobal(), pasidCacheGlobal(), iotlbGlobal());
}

function tables(bench: UnitBench): bigint[] {
  const flagged = [1, 2, 3, 4, 5].flatMap((level) => [tableAt(level), secondAt(level)]);
  return flagged.flatMap((table) => Array.from({ length: 512 }, (_, i) => bench.read64(table + BigInt(i) * 8n)));
}

function compare(
  options: BenchOptions,
  caches: Caches,
  script: readonly (Edit | { readonly kind: 'request' })[],
): string[] {
  const seen: string[] = [];
  const benches = [new UnitBench(options, caches), new UnitBench(options, NO_CACHES)] as const;
  for (const bench of benches) {
    bench.scalable();
    PASIDS.forEach((pasid, i) => {
      bench.pasid(pasid, { pgtt: i + 1, did: 7 + i });
    });
    bench.on();
  }
  for (const step of script) {
    if (step.kind !== 'request') {
      for (const bench of benches) carryOut(bench, step as Edit);
      continue;
    }
    const { slots, offset, upper, ...rest } = step as typeof request extends fc.Arbitrary<infer T> ? T : never;
    const address = slots.reduce((sum, slot, i) => sum | (BigInt(slot) << BigInt(12 + 9 * i)), BigInt(offset) | upper);
    const [cached, plain] = benches.map((bench) => {
      const { fault, status, hpaHi, hpaLo, snoop, recorded, leaf } = bench.answer({ address, ...rest });
      if (fault !== null || status !== 0) return { fault: fault?.name, status, recorded };
      // Rights and size are part of the answer to a translation request alone.
      const { rights, shift } = leaf;
      return { hpaHi, hpaLo, snoop, ...(rest.addressType === AddressType.TRANSLATION ? { rights, shift } : {}) };
    });
    expect(cached, JSON.stringify(rest)).toEqual(plain);
    seen.push(cached?.fault ?? 'ok');
  }
  expect(tables(benches[0])).toEqual(tables(benches[1]));
  return seen;
}

describe('A unit with all caches answers as one without any', () => {
  const outcomes = new Set<string>();
  const options = fc.record({
    cm: fc.boolean(),
    zlr: fc.boolean(),
    sc: rare(true, fc.constant(false)),
    nfr: fc.constant(8),
  });
  const small: Caches = {
    iotlb: { sets: 2, ways: 2, policy: 'plru' },
    contextCache: { sets: 1, ways: 1 },
    pasidCache: { sets: 1, ways: 2 },
    firstStageCache: { sets: 1, ways: 2, policy: 'fifo' },
    secondStageCache: { sets: 2, ways: 1, policy: 'random' },
  };

  it.each([
    ['large caches', ALL_CACHES],
    ['small caches', small],
  ] as const)('as long as every edit is followed by a global invalidation: %s.', (_, caches) => {
    fc.assert(
      fc.property(options, steps, (given, script) => {
        for (const outcome of compare(given, caches, script)) outcomes.add(outcome);
      }),
      { numRuns: 30 },
    );
  });

  it('and the sequences reach most ways in which a request can end.', () => {
    expect(outcomes.size).toBeGreaterThan(15);
    expect(outcomes).toContain('ok');
  });
});
