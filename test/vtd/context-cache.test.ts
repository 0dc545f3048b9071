/** The context cache: what fills it, and what each invalidation removes (vtd.md sections 1.8, 5.2, 7.1, 7.2). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { contextDevice, contextDomain, contextGlobal, type Descriptor, iotlbGlobal } from './descriptors.ts';
import { removesExactly } from './removes-exactly.ts';
import { Bench, type BenchOptions, BOTH, DATA, outcome, REG, tableAt } from './tables.ts';

interface Source {
  readonly sid: number;
  readonly did: number;
}
/** Eight functions of one device, another device, another bus. */
const SOURCES: readonly Source[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((fn) => ({ sid: 0x18 + fn, did: fn % 2 === 0 ? 1 : 2 })),
  { sid: 0x1d ^ 0x38, did: 1 },
  { sid: 0x20, did: 1 },
  { sid: 0x118, did: 1 },
  { sid: 0x11c, did: 0x102 },
];
const FRESH = 0x5000n;

/** Every source is in the context cache, and no context entry backs it any more. */
function filled(options: BenchOptions = {}): Bench {
  const bench = new Bench(options).usual();
  bench.root(0x3001n, 0n, 1).entry(1, 5, DATA | BOTH);
  for (const { sid, did } of SOURCES) bench.context(tableAt(4) | 1n, 2n | (BigInt(did) << 8n), sid);
  bench.enable();
  for (const { sid } of SOURCES) expect(outcome(bench.read(0n, 4, sid))).toBe(DATA);
  for (const { sid } of SOURCES) bench.context(0n, 0n, sid);
  expect(standing(bench)).toEqual(SOURCES);
  return bench;
}

/** The sources whose context entry is still known: seen at a page that the IOTLB does not have. */
const standing = (bench: Bench): readonly Source[] => SOURCES.filter(({ sid }) => bench.probe(FRESH, { sid }).ok);

interface Invalidation {
  readonly granularity: 1 | 2 | 3;
  readonly did: number;
  readonly sid: number;
  readonly fm: number;
}

const descriptorOf = ({ granularity, did, sid, fm }: Invalidation): Descriptor =>
  [contextGlobal(), contextDomain(did), contextDevice(did, sid, fm)][granularity - 1]!;

function byRegister(bench: Bench, { granularity, did, sid, fm }: Invalidation, size: 4 | 8): number {
  const command = (1n << 63n) | (BigInt(granularity) << 61n) | (BigInt(fm) << 32n) | (BigInt(sid) << 16n) | BigInt(did);
  if (size === 8) bench.set(REG.CCMD, command, 8);
  else bench.set(REG.CCMD, command & 0xffff_ffffn).set(REG.CCMD + 4, command >> 32n);
  const status = bench.get(REG.CCMD, 8);
  expect(status >> 63n, 'ICC').toBe(0n);
  expect(status & 0x3_ffff_0000n, 'SID and FM are write-only').toBe(0n);
  return Number((status >> 59n) & 3n);
}

function remaining({ granularity, did, sid, fm }: Invalidation): readonly Source[] {
  const left = [0b000, 0b100, 0b110, 0b111][fm]!;
  return SOURCES.filter((source) => {
    if (granularity === 1) return false;
    const isDevice = granularity === 2 || (source.sid | left) === (sid | left);
    return !(source.did === did && isDevice);
  });
}

const invalidations: fc.Arbitrary<Invalidation> = fc.record({
  granularity: fc.constantFrom(1, 2, 3, 3, 3, 3),
  did: fc.constantFrom(0, 1, 1, 2, 0x102),
  sid: fc.constantFrom(...SOURCES.map((source) => source.sid), 0x10, 0x218),
  fm: fc.nat(3),
});

describe('A context-cache invalidation', () => {
  removesExactly('its granularity, domain, source and function mask name', {
    invalidations,
    filled: () => filled(),
    descriptorOf,
    byRegister,
    standing,
    remaining,
    runs: { descriptor: 150, register: 100 },
  });

  it('leaves the IOTLB alone: a page that is there is still reached.', () => {
    const bench = filled().enableQueue();
    bench.submit(contextGlobal());
    expect(outcome(bench.probe(0n))).toBe(DATA);
    bench.submit(iotlbGlobal());
    expect(outcome(bench.probe(0n))).toBe('02h');
  });

  it('is ignored, and reports 0, for the reserved granularity, while QIES is 1, and from major version 6 on.', () => {
    const global: Invalidation = { granularity: 1, did: 1, sid: 0x18, fm: 0 };
    const cases: readonly [BenchOptions, number, boolean][] = [
      [{}, 0, false],
      [{}, 1, true],
      [{ major: 6 }, 1, false],
    ];
    for (const [options, granularity, queue] of cases) {
      const bench = filled(options);
      if (queue) bench.enableQueue();
      expect(byRegister(bench, { ...global, granularity: granularity as 1 }, 8)).toBe(0);
      expect(standing(bench)).toEqual(SOURCES);
    }
  });

  it('does not start before ICC is written in the upper half of CCMD.', () => {
    const bench = filled();
    bench.set(REG.CCMD + 4, 0x2000_0000n).set(REG.CCMD, 0x18_0001n);
    expect(standing(bench)).toEqual(SOURCES);
    expect(bench.get(REG.CCMD, 8) & 0xffffn).toBe(1n);
  });
});

describe('Caching mode', () => {
  it('0: a fault leaves nothing behind, and the next request sees the repaired entry.', () => {
    const bench = new Bench({ cm: false }).usual().enable();
    const reserved = 1n << 62n;
    const repairs: readonly [name: string, breaks: () => void][] = [
      ['root entry not present', () => bench.root(0n)],
      ['root entry with reserved bits', () => bench.root(0x2003n)],
      ['context entry not present', () => bench.context(0n, 0n)],
      ['context entry with reserved bits', () => bench.context(tableAt(4) | 0x11n, 0x102n)],
      ['AW unsupported', () => bench.context(tableAt(4) | 1n, 0x107n)],
      ['TT unsupported', () => bench.context(tableAt(4) | 0xdn, 0x102n)],
      ['table not present', () => bench.entry(3, 0, 0n)],
      ['table with reserved bits', () => bench.entry(3, 0, tableAt(2) | BOTH | reserved)],
      ['page not present', () => bench.entry(1, 0, 0n)],
      ['page with reserved bits', () => bench.entry(1, 0, DATA | BOTH | reserved)],
      ['page without W', () => bench.entry(1, 0, DATA | 1n)],
    ];
    bench.enableQueue();
    for (const [name, breaks] of repairs) {
      breaks();
      expect(bench.write(0n).ok, name).toBe(false);
      bench.usual();
      expect(outcome(bench.write(0n)), name).toBe(DATA);
      bench.submit(contextGlobal(), iotlbGlobal());
    }
  });

  it('1: a page that was not present stays so until its domain or page is invalidated in the IOTLB.', () => {
    for (const [descriptor, helps] of [
      [[0x12n, 0n], true],
      [[0x1_0022n, 0n], true],
      [[0x1_0032n, 0n], true],
      [[0x2_0022n, 0n], false],
      [[0x1_0032n, 0x1000n], false],
      [[0x11n, 0n], false],
    ] as const) {
      const bench = new Bench({ cm: true }).usual({ leaf: 0n }).enable().enableQueue();
      expect(outcome(bench.write(0x10n))).toBe('05h');
      bench.usual();
      expect(outcome(bench.write(0x10n))).toBe('05h');
      expect(outcome(bench.read(0x10n))).toBe('06h');
      bench.submit(descriptor);
      expect(outcome(bench.write(0x10n))).toBe(helps ? DATA + 0x10n : '05h');
    }
  });

  it('1: a faulting context entry is cached under domain 0.', () => {
    proves('cc_inv_dsc.G', 'cc_inv_dsc.DID', 'cc_inv_dsc.SID', 'cc_inv_dsc.FM', 'CAP_REG.CM');
    for (const [descriptor, helps] of [
      [contextGlobal(), true],
      [contextDomain(0), true],
      [contextDevice(0, 0x18), true],
      [contextDomain(1), false],
      [contextDevice(1, 0x18), false],
      [contextDevice(0, 0x19), false],
      [contextDevice(0, 0x1c, 1), true],
    ] as const) {
      for (const faulty of [0n, tableAt(4) | 0x11n, tableAt(4) | 0xdn]) {
        const bench = new Bench({ cm: true }).usual().context(faulty, 0x102n).enable().enableQueue();
        const before = outcome(bench.read(0n));
        expect(before).toBe(faulty === 0n ? '02h' : faulty & 0x10n ? '0Bh' : '03h');
        bench.usual();
        expect(outcome(bench.read(0n))).toBe(before);
        bench.submit(descriptor);
        expect(outcome(bench.read(0n))).toBe(helps ? DATA : before);
      }
    }
  });
});
