/** Published bandwidths and latencies of pcie-bench (timing.md 3, V2 to V5) against simulations of them. */
import { describe, expect, it } from 'vitest';
import { validatePoint } from '../../../src/machine/index.ts';
import type { Experiment } from '../../../src/machine/validation/pciebench/experiment.ts';
import { simulate } from '../../../src/machine/validation/pciebench/simulate.ts';
import { pointsOf } from './points.ts';

const KIB = 1024;
const paper = pointsOf('pciebench-paper');
const BDW: Experiment = {
  machine: 'bdw',
  iommu: '4K',
  node: 'local',
  kind: 'read',
  engine: 'dma',
  bytes: 64,
  window: 4 * KIB,
  offset: 0,
  cache: 'warm',
  measure: 'bandwidth',
};
const windows = (...kib: number[]): Partial<Experiment>[] => kib.map((one) => ({ window: one * KIB }));

interface Curve {
  readonly name: string;
  readonly of: Partial<Experiment>;
  readonly points: readonly Partial<Experiment>[];
  readonly published: readonly number[];
  /** Mean and largest error in per cent. */
  readonly mean: number;
  readonly most: number;
}

const CURVES: readonly Curve[] = [
  {
    name: 'reads of 64 bytes by window, translated (Fig. 9)',
    of: {},
    points: windows(256, 512, 1024, 2048, 4096, 16_384, 65_536),
    published: [32.4, 22.3, 15.2, 12.1, 10.9, 10.1, 9.8],
    mean: 5,
    most: 8,
  },
  {
    name: 'reads of 64 bytes by window, from the other socket',
    of: { iommu: 'off', node: 'remote' },
    points: windows(256, 4096),
    published: [25.31, 25.59],
    mean: 5,
    most: 5,
  },
  {
    name: 'single reads of 64 bytes by window, translated: mean',
    of: { engine: 'command', measure: 'mean' },
    points: windows(256, 512, 1024, 1536, 2048, 4096, 65_536),
    published: [433, 456, 589, 633, 655, 692, 755],
    mean: 2,
    most: 5,
  },
  {
    name: 'writes of Haswell by size',
    of: { machine: 'hsw', iommu: 'off', kind: 'write', window: 8 * KIB },
    points: [64, 128, 256, 512].map((bytes) => ({ bytes })),
    published: [24.3, 42.4, 50.5, 54.4],
    mean: 2,
    most: 3,
  },
];

describe('The timed path gives', () => {
  it.each(CURVES.map((curve) => [curve.name, curve] as const))('%s.', (_, { of, points, published, mean, most }) => {
    const errors = points.map((point, i) => 100 * (simulate({ ...BDW, ...of, ...point }) / published[i]! - 1));
    const sizes = errors.map((error) => Math.abs(error));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(most);
    expect(sizes.reduce((sum, one) => sum + one, 0) / sizes.length).toBeLessThanOrEqual(mean);
  });

  it('no loss with pages of 2 MiB, which all fit the IOTLB (V7).', () => {
    const of: Experiment = { ...BDW, window: 65_536 * KIB };
    expect(simulate({ ...of, iommu: 'superpages' }) / simulate({ ...of, iommu: 'off' })).toBeCloseTo(1, 1);
  });

  it('its knee where the window no longer fits the IOTLB: nothing is lost at 256 KiB, a third at 512 KiB.', () => {
    const loss = [256, 512].map((kib) => {
      const of: Experiment = { ...BDW, window: kib * KIB };
      return 1 - simulate(of) / simulate({ ...of, iommu: 'off' });
    });
    expect(loss[0]!).toBeLessThan(0.01);
    expect(loss[1]!).toBeGreaterThan(0.25);
    expect(loss[1]!).toBeLessThan(0.4);
  });

  it('64 entries, where the paper says 64, because that is the largest of its windows that fits.', () => {
    const fields = { quantity: 'IO-TLB entries (paper inference)', unit: 'entries', source: 'SIGCOMM18 §6.5' };
    const conditions = 'inferred from BW_RD knee between 256 KiB and 512 KiB windows, 4 KiB pages';
    expect(validatePoint(paper({ ...fields, conditions, value: 64 })).simulated).toBe(64);
    expect(validatePoint(paper({ ...fields, conditions, unit: 'ways' })).status).toBe('no-model');
  });

  it('600 ns for the median of Fig. 6, and says why it is off.', () => {
    const fields = { conditions: '64 B DMA read NFP6000, Xeon E5', quantity: 'median latency', unit: 'ns' };
    const point = paper({ ...fields, source: 'SIGCOMM18 Fig 6', value: 547, suggested_tol_pct: 5 });
    expect(validatePoint(point)).toMatchObject({ status: 'off', reason: expect.stringMatching(/Haswell/) });
  });
});
