/** One literal command after another through CCMD, IVA and IOTLB_REG (vtd.md section 1.8). */
import { describe, expect, it } from 'vitest';
import { Access, finish, type Walk } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { Bench, BOTH, DATA, outcome, REG, SPARE, tableAt } from './tables.ts';

const ICC = 1n << 63n;
const IVT = 1n << 63n;
const DOMAIN = 2n;
const DEVICE = 3n;
const PAGES = 3n;
/** Two functions of one device in domain 1, and another device in domain 2. */
const SOURCES = [
  { sid: 0x18, did: 1 },
  { sid: 0x1c, did: 1 },
  { sid: 0x20, did: 2 },
] as const;

/** Every source is cached with pages 0 to 7, and nothing in memory backs it any more. */
function filled(): Bench {
  const bench = new Bench().usual();
  for (let page = 0; page < 16; page++) bench.entry(1, page, (DATA + (BigInt(page) << 12n)) | BOTH);
  for (const { sid, did } of SOURCES) bench.context(tableAt(4) | 1n, 2n | (BigInt(did) << 8n), sid);
  bench.enable();
  for (const { sid } of SOURCES) for (let page = 0n; page < 8n; page++) bench.read(page << 12n, 4, sid);
  return bench;
}

describe('CCMD_REG', () => {
  const run = (bench: Bench, granularity: bigint, command: bigint): bigint => {
    for (const { sid } of SOURCES) bench.context(0n, 0n, sid);
    bench.set(REG.CCMD, ICC | (granularity << 61n) | command, 8);
    const status = bench.get(REG.CCMD, 8);
    expect(status & ICC, 'ICC').toBe(0n);
    return (status >> 59n) & 3n;
  };
  /** Known at a page that is in no IOTLB. */
  const known = (bench: Bench) => SOURCES.map(({ sid }) => outcome(bench.probe(0x9000n, { sid })) === DATA + 0x9000n);

  it('removes the context entries of a domain, and CAIG repeats what CIRG asked for.', () => {
    proves('CCMD_REG.ICC', 'CCMD_REG.CIRG', 'CCMD_REG.CAIG', 'CCMD_REG.DID');
    const bench = filled();
    expect(run(bench, DOMAIN, 2n)).toBe(DOMAIN);
    expect(known(bench)).toEqual([true, true, false]);
  });

  it('removes the context entry of one device, or those of all functions that FM does not tell apart.', () => {
    proves('CCMD_REG.SID', 'CCMD_REG.FM');
    const one = filled();
    expect(run(one, DEVICE, (0x1cn << 16n) | 1n)).toBe(DEVICE);
    expect(known(one)).toEqual([true, false, true]);
    const several = filled();
    expect(run(several, DEVICE, (1n << 32n) | (0x1cn << 16n) | 1n)).toBe(DEVICE);
    expect(known(several)).toEqual([false, false, true]);
  });
});

describe('IVA_REG and IOTLB_REG', () => {
  it('remove 2^AM pages of one domain.', () => {
    proves('IVA_REG.ADDR', 'IVA_REG.AM', 'IOTLB_REG.DID', 'IOTLB_REG.IVT', 'IOTLB_REG.IIRG', 'IOTLB_REG.IAIG');
    const bench = filled();
    bench.entry(4, 0, 0n);
    bench.set(REG.IVA, 0x4000n | 1n, 8).set(REG.IOTLB, IVT | (PAGES << 60n) | (1n << 32n), 8);
    expect(bench.get(REG.IOTLB, 8) & (IVT | (3n << 57n))).toBe(PAGES << 57n);
    const standing = SOURCES.map(({ sid }) =>
      [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].filter((page) => bench.probe(page << 12n, { sid }).ok),
    );
    expect(standing).toEqual([
      [0n, 1n, 2n, 3n, 6n, 7n],
      [0n, 1n, 2n, 3n, 6n, 7n],
      [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n],
    ]);
  });

  it.each([
    { ih: 0n, stays: false },
    { ih: 1n, stays: true },
  ])('remove cached tables too unless IH says that only leaves have changed (IH $ih).', ({ ih, stays }) => {
    if (stays) proves('IVA_REG.IH');
    const caches = { ...NO_CACHES, secondStageCache: { sets: 4, ways: 4 } };
    const bench = new UnitBench({ major: 1, smts: false, pasid: false }, caches).usual().enable();
    const read = () => resultOf(bench.answer({ address: 0n, access: Access.READ }));
    expect(read()).toBe(DATA);
    bench.entry(2, 0, SPARE | BOTH).write64(SPARE, (DATA + 0x1000n) | BOTH);
    bench.set(REG.IVA, ih << 6n, 8).set(REG.IOTLB, IVT | (PAGES << 60n) | (1n << 32n), 8);
    expect(read()).toBe(stays ? DATA : DATA + 0x1000n);
  });
});

describe('A command that drains', () => {
  const DW = 1n << 48n;
  const DR = 1n << 49n;
  const [DWD, DRD] = [1n << 54n, 1n << 55n];
  const GLOBAL = 1n;

  /** IVT and IAIG before and after the requests under way have been answered. */
  function invalidate(bits: bigint, { major = 1n, lacks = 0n } = {}): readonly [before: bigint, after: bigint] {
    const { cap, ecap } = capabilities();
    const memory = new PhysicalMemory();
    const unit = bareUnit({ capabilities: { ver: major << 4n, cap: cap & ~lacks, ecap } }, { memory });
    const held: Walk[] = [];
    unit.run = (walk) => held.push(walk);
    unit.write(REG.IOTLB, 8, IVT | (GLOBAL << 60n) | bits);
    const status = () => unit.read(REG.IOTLB, 8) & (IVT | (3n << 57n));
    const before = status();
    for (const walk of held) finish(walk, memory);
    return [before, status()];
  }
  const DONE = GLOBAL << 57n;

  it('is complete when the requests under way have been answered; one that does not, at once.', () => {
    proves('IOTLB_REG.DW', 'IOTLB_REG.DR', 'CAP_REG.DWD', 'CAP_REG.DRD');
    for (const bits of [DW, DR, DW | DR]) expect(invalidate(bits)).toEqual([IVT, DONE]);
    expect(invalidate(0n)).toEqual([DONE, DONE]);
  });

  it('is one that asks for what the unit can drain, and from major version 2 on every one.', () => {
    proves('VER_REG.MAX');
    expect(invalidate(DW, { lacks: DWD })).toEqual([DONE, DONE]);
    expect(invalidate(DR, { lacks: DRD })).toEqual([DONE, DONE]);
    expect(invalidate(0n, { major: 2n })).toEqual([IVT, DONE]);
    expect(invalidate(0n, { major: 5n, lacks: DWD | DRD })).toEqual([IVT, DONE]);
  });

  it('is not one that is refused.', () => {
    expect(invalidate(DW | DR, { major: 6n })).toEqual([0n, 0n]);
  });
});
