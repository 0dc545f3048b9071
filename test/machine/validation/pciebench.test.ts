import { describe, expect, it } from 'vitest';
import type { Point } from '../../../src/machine/index.ts';
import { changeOf } from '../../../src/machine/validation/pciebench/changes.ts';
import { type Experiment, experimentOf } from '../../../src/machine/validation/pciebench/conditions.ts';

const point = (fields: Partial<Point>): Point => ({
  id: 'p',
  group: 'pciebench-window',
  conditions: '',
  quantity: '',
  value: 1,
  unit: 'Gb/s',
  ...fields,
});

const latency = (conditions: string, quantity = 'LAT_DMA_RD latency median') =>
  experimentOf(point({ conditions, quantity, unit: 'ns' }));
const bandwidth = (conditions: string, quantity = 'BW_RD payload bandwidth') =>
  experimentOf(point({ conditions, quantity }));

/** Reads of 64 bytes on Broadwell, at the benchmark's window of 8 KiB. */
const READS: Experiment = {
  machine: 'bdw',
  iommu: 'off',
  node: 'local',
  kind: 'read',
  engine: 'dma',
  bytes: 64,
  window: 8192,
  offset: 0,
  cache: 'warm',
  measure: 'bandwidth',
};
const LATENCIES: Experiment = { ...READS, measure: 'median' };

const DATA = 'pcie-bench/data (github, Apache-2.0), dir nfp6000-1.2GHz_';
const DEVICE =
  'NFP-6000 PCIe Gen3 x8, MPS 256, RCB 64, 64 MiB host buffer, random order, offset 0, 8388608 transactions';

describe('A point of pcie-bench is recognised', () => {
  it.each<[string, Partial<Point>, Experiment]>([
    [
      'a bandwidth over windows, without a translation',
      {
        id: 'pciebench.bdw.noiommu.bw_rd.64B.win4K.hwarm',
        conditions: `Broadwell E5-2630v4 (25 MB LLC) local node, IOMMU off, Linux 3.19; ${DEVICE}; transfer 64 B; window 4 KiB; cache HWarm`,
        quantity: 'BW_RD payload bandwidth',
        source: `${DATA}bdw-Xeon-E5-2630v4-dell-t430-s0-s0-s0/bw_dma_win_sweep_rd_rnd_64.txt ; paper`,
      },
      { ...READS, window: 4096 },
    ],
    [
      'a bandwidth over windows, with pages of 4 KiB',
      {
        id: 'pciebench.hsw.iommu4k.bw_wr.256B.win65536K.hwarm',
        conditions: `Haswell E5-2637v3, intel_iommu=on,sp_off; ${DEVICE}; transfer 256 B; window 65536 KiB; cache HWarm`,
        quantity: 'BW_WR payload bandwidth',
      },
      { ...READS, machine: 'hsw', iommu: '4K', kind: 'write', bytes: 256, window: 65_536 * 1024 },
    ],
    [
      'a bandwidth with the buffer on the other socket',
      {
        id: 'pciebench.bdw.remote.bw_wr.512B.win1536K.hwarm',
        conditions: `Broadwell E5-2630v4 buffer on REMOTE node, IOMMU off; ${DEVICE}; transfer 512 B; window 1536 KiB; cache HWarm`,
        quantity: 'BW_WR payload bandwidth',
      },
      { ...READS, node: 'remote', kind: 'write', bytes: 512, window: 1536 * 1024 },
    ],
    [
      'a bandwidth over sizes, which only the id tells',
      {
        id: 'pciebench.hsw.noiommu.bw_dma_rw.129B.size_sweep',
        conditions: 'Haswell E5-2637v3 NFP6000 Gen3x8 IOMMU off; window 8 KiB, HWarm, random',
        quantity: 'BW_DMA_RW payload bandwidth',
      },
      { ...READS, machine: 'hsw', kind: 'readWrite', bytes: 129 },
    ],
    [
      'a latency of commands',
      {
        id: 'pciebench.bdw.iommu4k.lat_cmd_rd.64B.win512K.cold.mean',
        unit: 'ns',
        conditions:
          'Broadwell E5-2630v4, intel_iommu=on,sp_off; single outstanding; 64 B; window 512 KiB; cache Cold (timer resolution 13.3 ns = 16 cycles @1.2 GHz)',
        quantity: 'LAT_CMD_RD latency mean',
      },
      { ...READS, iommu: '4K', engine: 'command', window: 512 * 1024, cache: 'cold', measure: 'mean' },
    ],
    [
      'a latency of a write and a read of the same',
      {
        id: 'pciebench.hsw.noiommu.lat_dma_wrrd.1520B.win8K.hwarm.p95',
        unit: 'ns',
        conditions: 'Haswell E5-2637v3, IOMMU off; single outstanding; 1520 B; window 8 KiB; cache HWarm',
        quantity: 'LAT_DMA_WRRD latency p95',
      },
      { ...READS, machine: 'hsw', kind: 'writeRead', bytes: 1520, measure: 'p95' },
    ],
    [
      'a figure of the paper, which names neither machine nor window',
      {
        id: 'pciebench.paper.64B_median_E5',
        unit: 'ns',
        conditions: '64 B DMA read NFP6000, Xeon E5',
        quantity: 'median latency',
        source: 'SIGCOMM18 Fig 6',
      },
      { ...LATENCIES, machine: 'hsw' },
    ],
  ])('%s', (_, fields, expected) => {
    expect(experimentOf(point(fields))).toEqual(expected);
  });

  it('by its id alone, or by the names of the directory and the file that it comes from', () => {
    expect(experimentOf(point({ id: 'pciebench.snb.iommu.lat_dma_wrrd.64B.win1.5M.cold.p99.9', unit: 'ns' }))).toEqual({
      ...READS,
      machine: 'snb',
      iommu: 'superpages',
      kind: 'writeRead',
      window: 1.5 * 2 ** 20,
      cache: 'cold',
      measure: { percentile: 99.9 },
    });
    const source = `${DATA}ib-Xeon-E5-2620v2_dell-t620-s0-s1-s1-iommu-nosp/bw_dma_win_sweep_wr_rnd_128.txt`;
    expect(experimentOf(point({ source }))).toEqual({
      ...READS,
      machine: 'ivb',
      iommu: '4K',
      node: 'remote',
      kind: 'write',
      bytes: 128,
    });
  });
});

describe('The words of a point name', () => {
  it.each<[string, Experiment['machine']]>([
    ['Sandy Bridge E5-2630', 'snb'],
    ['nfp6000-1.2GHz_snb-Xeon-E5-2630_dell-t620', 'snb'],
    ['NFP6000-IB', 'ivb'],
    ['nfp6000-1.2GHz_ivb-Xeon-E5-2630v2', 'ivb'],
    ['Ivy Bridge', 'ivb'],
    ['Xeon E5-2630', 'snb'],
    ['Broadwell E5-2630', 'bdw'],
    ['Haswell', 'hsw'],
    ['Xeon E5-2637 v3', 'hsw'],
    ['Haswell E5-2620v3', 'hsw-2620v3'],
    ['nfp6000-1.2GHz_hsw-Xeon-E3-1226v3_fujitsu-tx1310', 'hsw-e3'],
    ['NFP6000-HSW-E3', 'hsw-e3'],
    ['Xeon E5-2630v4', 'bdw'],
    ['BDW', 'bdw'],
  ])('the machine: %s', (words, machine) => {
    expect(bandwidth(`${words}; 64 B`)).toEqual({ ...READS, machine });
  });

  it.each<[string, Experiment['iommu']]>([
    ['no IOMMU', 'off'],
    ['intel_iommu=off', 'off'],
    ['intel_iommu=on iommu=pt', 'off'],
    ['IOMMU disabled, 4 KiB pages', 'off'],
    ['IOMMU on', 'superpages'],
    ['intel_iommu=on (super pages)', 'superpages'],
    ['-s0-s0-s0-iommu', 'superpages'],
    ['-s0-s0-s0-iommu-nosp', '4K'],
    ['intel_iommu=on,sp_off', '4K'],
    ['IOMMU on, 4K pages', '4K'],
    ['IOMMU on (4 KiB only)', '4K'],
    ['IOMMU on, super pages off', '4K'],
    ['IOMMU without super pages', '4K'],
  ])('the translation: %s', (words, iommu) => {
    expect(bandwidth(`Broadwell ${words}; 64 B`)).toEqual({ ...READS, iommu });
  });

  it.each<[string, Experiment['node']]>([
    ['remote node', 'remote'],
    ['memory of node 1', 'remote'],
    ['s0-s1-s1', 'remote'],
    ['s0-s1-s0', 'remote'],
    ['s0-s0-s1', 'local'],
    ['s1-s1-s0', 'local'],
    ['node 0', 'local'],
  ])('whose memory it is: %s', (words, node) => {
    expect(bandwidth(`Broadwell, ${words}; 64 B`)).toEqual({ ...READS, node });
  });

  it.each<[string, Experiment['cache']]>([
    ['HWarm', 'warm'],
    ['DWarm', 'warm'],
    ['cache warm', 'warm'],
    ['Cold', 'cold'],
    ['DThrash', 'cold'],
    ['bw_dma_off_rd_cold.txt', 'cold'],
  ])('what the cache holds: %s', (words, cache) => {
    expect(bandwidth(`Broadwell; 64 B; ${words}`)).toEqual({ ...READS, cache });
  });

  it.each<[string, Partial<Experiment>]>([
    ['64 B; window 8192 B', {}],
    ['64 B; window 1536K', { window: 1_572_864 }],
    ['64 B; win4M', { window: 4_194_304 }],
    ['64 B; WinSZ 1.5MB', { window: 1_572_864 }],
    ['64-byte reads in a 16 MiB window', { window: 16_777_216 }],
    ['transfer 2 KiB', { bytes: 2048 }],
    ['size=407, host offset 63', { bytes: 407, offset: 63 }],
    ['64 B, HO 3', { offset: 3 }],
    ['64 B, device offset 3', {}],
    ['64 B cache lines, 32 KiB buffer, 4 KiB pages, MPS 256 B; 16 B', { bytes: 16 }],
  ])('sizes: %s', (words, expected) => {
    expect(bandwidth(`Broadwell; ${words}`)).toEqual({ ...READS, ...expected });
  });

  it.each<[string, Experiment['measure']]>([
    ['LAT_DMA_RD Avg(ns)', 'mean'],
    ['LAT_DMA_RD Med(ns)', 'median'],
    ['LAT_DMA_RD Min(ns)', 'min'],
    ['LAT_DMA_RD maximum', 'max'],
    ['LAT_DMA_RD 95%(ns)', 'p95'],
    ['LAT_DMA_RD 99.9%(ns)', { percentile: 99.9 }],
    ['LAT_DMA_RD p50', 'median'],
    ['LAT_DMA_RD 99th percentile', { percentile: 99 }],
    ['LAT_DMA_RD p999', { percentile: 99.9 }],
    ['LAT_DMA_RD latency', 'median'],
  ])('what is said of latencies: %s', (quantity, measure) => {
    expect(latency('Broadwell, IOMMU off; 64 B', quantity)).toEqual({ ...LATENCIES, measure });
  });

  it('the engine; what is small is else measured with commands, in a window of their own', () => {
    const engine = (bytes: number, quantity: string) => {
      const found = latency(`Broadwell; ${bytes} B`, quantity);
      return [found?.engine, found?.window];
    };
    expect(engine(64, 'LAT_DMA_RD')).toEqual(['dma', 8192]);
    expect(engine(64, 'LAT_CMD_RD')).toEqual(['command', 4096]);
    expect(engine(64, 'median latency of reads')).toEqual(['command', 4096]);
    expect(engine(65, 'median latency of reads')).toEqual(['dma', 8192]);
  });

  it('rates and times in other units as well', () => {
    const measure = (unit: string, quantity: string) =>
      experimentOf(point({ conditions: 'Broadwell; 64 B', quantity, unit }))?.measure;
    expect(measure('M trans/s', 'BW_RD')).toBe('bandwidth');
    expect(measure('us', 'LAT_DMA_RD mean')).toBe('mean');
    expect(measure('entries', 'BW_RD')).toBeUndefined();
  });
});

describe('A point is not recognised that', () => {
  it.each([
    ['is of another device', 'NetFPGA-HSW; 64 B', 'BW_RD'],
    ['is of another slot', 'Broadwell, Gen2 x4; 64 B', 'BW_RD'],
    ['is of another machine', 'Skylake; 64 B', 'BW_RD'],
    ['names no size', 'Broadwell; window 8 KiB; MPS 256', 'BW_RD'],
    ['does not say what is transferred', 'Broadwell; 64 B', 'bandwidth'],
    ['does not fit its window', 'Broadwell; 64 B; window 64 B; offset 1', 'BW_RD'],
    ['has a window beyond the buffer', 'Broadwell; 64 B; window 128 MiB', 'BW_RD'],
    ['says how two experiments differ', 'Broadwell; 64 B', 'BW_RD difference, remote vs local'],
  ])('%s', (_, conditions, quantity) => {
    expect(bandwidth(conditions, quantity)).toBeUndefined();
  });

  it.each([
    ['writes alone, which tell nobody when they arrive', 'LAT_DMA_WR latency median'],
    ['the benchmark as a whole', 'LAT_DMA_RD TAvg(ns)'],
  ])('is a latency of %s', (_, quantity) => {
    expect(latency('Broadwell; 64 B', quantity)).toBeUndefined();
  });
});

describe('A point that compares two experiments', () => {
  const BOTH = { ...READS, window: 256 * 1024 };

  it('names them: with a translation and without', () => {
    const fields = {
      id: 'pciebench.fig9.bdw.rd64.win256K.pctchange',
      group: 'pciebench-fig9',
      source: 'computed from pcie-bench/data (BDW local iommu-nosp vs no-iommu)',
      conditions: 'BW_RD 64 B, warm, 4 KiB mappings, window 256 KiB',
      quantity: 'BW change IOMMU on vs off',
      unit: '%',
    };
    const expected = { with: { ...BOTH, iommu: '4K' }, without: BOTH, falls: false };
    expect(changeOf(point(fields))).toEqual(expected);
    expect(changeOf(point({ id: fields.id, unit: '%' }))).toEqual(expected);
    expect(experimentOf(point(fields))).toBeUndefined();
    expect(
      changeOf(
        point({
          conditions: 'Ivy Bridge E5-2620v2, super pages; BW_WR 64 B, window 256 KiB',
          quantity: 'bandwidth change IOMMU on vs off',
          unit: '%',
        }),
      ),
    ).toEqual({
      with: { ...BOTH, machine: 'ivb', kind: 'write', iommu: 'superpages' },
      without: { ...BOTH, machine: 'ivb', kind: 'write' },
      falls: false,
    });
  });

  it('on the other socket and on the own', () => {
    const fields = { conditions: '64 B reads warm, remote vs local', quantity: 'BW drop', unit: '%' };
    expect(changeOf(point({ ...fields, source: 'SIGCOMM18 §6.4' }))).toEqual({
      with: { ...READS, node: 'remote' },
      without: READS,
      falls: true,
    });
  });

  it('with a cold cache and with a warm one, whichever it names first', () => {
    const commands = { ...LATENCIES, machine: 'snb', engine: 'command', bytes: 8, window: 4096 };
    expect(
      changeOf(
        point({
          conditions: '8 B reads, LLC resident vs not; also WRRD beyond ~10 % of LLC',
          quantity: 'latency difference',
          unit: 'ns',
          source: 'SIGCOMM18 §6.3',
        }),
      ),
    ).toEqual({ with: { ...commands, cache: 'cold' }, without: commands, falls: false });
  });

  it('where every translation misses, in the largest window, and where every one hits, in the usual one', () => {
    const commands = { ...LATENCIES, engine: 'command', iommu: '4K' };
    expect(
      changeOf(point({ conditions: '64 B reads, BDW', quantity: 'IO-TLB miss + walk latency adder', unit: 'ns' })),
    ).toEqual({ with: { ...commands, window: 64 * 2 ** 20 }, without: { ...commands, window: 4096 }, falls: false });
  });

  it.each([
    ['measures one thing', '64 B reads, BDW', 'BW_RD bandwidth', 'Gb/s'],
    ['does not say in what they differ', '64 B reads, BDW', 'BW change', '%'],
    ['says so in another unit', '64 B reads, BDW, remote vs local', 'BW ratio', 'x'],
    ['is of no machine that was measured', '64 B reads, remote vs local', 'BW change', '%'],
  ])('is none when it %s', (_, conditions, quantity, unit) => {
    expect(changeOf(point({ conditions, quantity, unit }))).toBeUndefined();
  });
});
