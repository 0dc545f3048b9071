/** What pages of studies say of what was found, held against what was kept. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { agrees, type GridPoint, type Row, readResults } from '../../src/study/index.ts';

/** The rows of a study at points that agree with what is wanted, in the order of its grid. */
function rows(name: string): (wanted: GridPoint) => Row[] {
  const file = fileURLToPath(new URL(`../../bench/studies/results/${name}.jsonl`, import.meta.url));
  const all = readResults(readFileSync(file, 'utf8'), name);
  return (wanted) => all.filter(({ point }) => agrees(point, wanted)).map(({ row }) => row);
}

const one = (found: readonly Row[], outcome: string): number => {
  expect(found).toHaveLength(1);
  return found[0]![outcome]!;
};

describe('The study contention', () => {
  const at = rows('contention');
  const rate = (wanted: GridPoint): number => one(at({ pages: 1, work: 0, ...wanted }), 'rate');

  it.each([
    ['linux-6', 1.5],
    ['linux-6.10', 1],
    ['linux-6-amd', 0.85],
    ['linux-6-two-units', 3],
  ])('finds a limit of strict protection on %s, whatever other work there is', (machine, limit) => {
    const strict = { machine, mode: 'strict' };
    for (const cpus of [8, 16, 32, 64]) expect(rate({ ...strict, cpus }) / limit).toBeCloseTo(1, 1);
    expect(rate({ ...strict, cpus: 64, work: 1000 }) / limit).toBeCloseTo(1, 1);
    expect(rate({ ...strict, cpus: 4, work: 1000 })).toBeLessThanOrEqual(rate({ ...strict, cpus: 4 }) * 1.001);
    expect(one(at({ ...strict, cpus: 64, pages: 1, work: 0 }), 'queueLock')).toBeGreaterThan(95);
  });

  it.each(['linux-6', 'linux-6.10', 'linux-6-amd'])(
    'finds that lazy flushing scales on %s, but for the tree',
    (machine) => {
      const lazy = { machine, mode: 'lazy' };
      expect(rate({ ...lazy, cpus: 64 }) / rate({ ...lazy, cpus: 1 })).toBeGreaterThan(60);
      expect(rate({ ...lazy, cpus: 64, pages: 64 }) / rate({ ...lazy, cpus: 1, pages: 64 })).toBeLessThan(2);
      expect(one(at({ ...lazy, cpus: 64, pages: 64, work: 0 }), 'addressLock')).toBeGreaterThan(95);
    },
  );

  it('finds what Table 1 of rIOMMU adds up to, and an invalidation more or less', () => {
    const cycles = (machine: string): number => Math.round(one(at({ machine, cpus: 1, pages: 1, work: 0 }), 'cycles'));
    expect([cycles('linux-3.4-strict'), cycles('linux-3.4-lazy')]).toEqual([7791, 3388]);
  });
});

describe('The study invalidation', () => {
  const at = rows('invalidation');
  const time = (wanted: GridPoint): number => one(at({ piece: 'page', deviceTlbs: 0, ...wanted }), 'time');

  it('finds that many pages with one wait take a third or less', () => {
    for (const machine of ['riommu', 'silver', 'dsa', 'epyc']) {
      expect(time({ machine, batch: 64 }) / time({ machine, batch: 1 })).toBeLessThan(1 / 3);
      for (const batch of [2, 8, 64]) {
        const whole = time({ machine, batch: 1 }) / batch;
        for (const piece of ['range', 'domain']) expect(time({ machine, piece, batch }) / whole).toBeCloseTo(1, 1);
      }
    }
  });

  it('finds that one page waits longer on AMD than on VT-d with the same times, and two do not', () => {
    const of = (batch: number): number[] => ['epyc', 'silver'].map((machine) => time({ machine, batch }));
    const [[one, vtd], [pair, vtdPair]] = [of(1), of(2)];
    expect(one).toBeGreaterThan(1000);
    expect(vtd).toBeLessThan(1000);
    expect(pair! * 2).toBeLessThan(one! + 10);
    expect(pair).toBeLessThan(vtdPair!);
  });
});

describe('The study pri', () => {
  const at = rows('pri');

  it('finds that a fault is the time of software', () => {
    for (const { path } of at({})) expect(path).toBeLessThan(2000);
  });

  it.each(['intel', 'amd'])('finds that many pages of one fault take less than two faults: %s', (vendor) => {
    const time = (pages: number, batch: number): number =>
      one(at({ service: 'connectx', vendor, pages, batch }), 'time');
    expect(time(1024, 1024)).toBeLessThan(2 * time(1, 1));
    expect(time(1024, 1) / time(1, 1)).toBeGreaterThan(1000);
  });
});
