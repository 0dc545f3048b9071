import { describe, expect, it } from 'vitest';
import { type Point, validatePoint } from '../../../src/machine/index.ts';
import { dmaApi } from '../../../src/machine/measured/dma-api/dma-api.ts';
import { type RiommuColumn, riommuParameters, valuesOf } from '../../../src/machine/measured/dma-api/machines.ts';
import { STORAGE_MACHINES } from '../../../src/machine/measured/dma-api/storage-machines.ts';
import { pointsOf } from './points.ts';

const modes = pointsOf('linux-modes');
const riommu = pointsOf('riommu');
const reads = (fields: Partial<Point>) => validatePoint(modes({ unit: 'IOPS', ...fields }));

describe('Reads of drives', () => {
  const C6620 = '4 KiB randread, io_uring, numjobs 4, iodepth 128';

  it.each<[Partial<Point>, number]>([
    [{ id: 'zhzh.c6620.randread4k.passthrough', conditions: C6620, quantity: 'IOPS passthrough' }, 567_910],
    [{ id: 'zhzh.c6620.randread4k.deferred', conditions: C6620, quantity: 'IOPS deferred' }, 568_638],
    [{ id: 'zhzh.c6620.randread4k.strict', conditions: C6620, quantity: 'IOPS strict' }, 554_423],
    [{ id: 'zhzh.c6620.randread4k.no_iommu', conditions: C6620, quantity: 'IOPS no_iommu' }, 562_631],
    [
      { id: 'nvidia.grace.pt', conditions: '2 Grace sockets, 8x NVMe', quantity: 'IOPS passthrough', unit: 'M IOPS' },
      16.5,
    ],
    [{ id: 'nvidia.grace.lazy', conditions: 'same', quantity: 'IOPS lazy', unit: 'M IOPS' }, 16.4],
    [{ id: 'nvidia.grace.strict', conditions: 'same', quantity: 'IOPS strict', unit: 'M IOPS' }, 2.8],
  ])('are within the tolerances of what was measured: %j', (fields, value) => {
    const tolerance = value > 1000 ? 3 : 10;
    expect(reads({ ...fields, value, suggested_tol_pct: tolerance }).status).toBe('ok');
  });

  it('are what the drive gives, in the unit of the point', () => {
    const { value } = STORAGE_MACHINES.c6620.storage.rate;
    const fields = { conditions: `c6620, ${C6620}`, quantity: 'pass-through' };
    expect(Number(reads(fields).simulated) / value).toBeCloseTo(1, 3);
    expect(Number(reads({ ...fields, unit: 'kIOPS' }).simulated) / value).toBeCloseTo(1e-3, 6);
  });

  it('are fewer with fewer under way', () => {
    const fields = { id: 'c6620.randread4k', quantity: 'IOPS strict' };
    const [few, many] = ['numjobs 1 iodepth 4', 'numjobs 2 iodepth 16'].map((conditions) =>
      reads({ ...fields, conditions }),
    );
    expect(few!.simulated).toBeLessThan(Number(many!.simulated));
  });

  it.each<[string, Partial<Point>]>([
    ['other loads', { conditions: 'c6620, 4 KiB randwrite', quantity: 'IOPS strict' }],
    ['other sizes', { conditions: 'c6620, 128 KiB randread', quantity: 'IOPS strict' }],
    ['other machines', { conditions: 'm510, 4 KiB randread', quantity: 'IOPS strict' }],
    ['too many jobs', { conditions: 'c6620, randread, numjobs 1000', quantity: 'IOPS strict' }],
    ['other units', { conditions: 'c6620, 4 KiB randread', quantity: 'latency strict', unit: 'us' }],
  ])('are not simulated of %s', (_, fields) => {
    expect(reads(fields).status).toBe('no-model');
  });
});

describe("Rows of rIOMMU's table", () => {
  const row = (quantity: string, conditions: string, value = 1, unit = 'cycles') =>
    validatePoint(riommu({ quantity, conditions, value, unit, suggested_tol_pct: 20 }));

  // What stands in the print, where it has the invalidation in it.
  it.each<[RiommuColumn, number, number]>([
    ['strict', 2999, 7617],
    ['strict+', 3067, 3794],
    ['defer', 1137, 3388],
    ['defer+', 1240, 1967],
  ])('that sum up an unmap are within a fifth: %s', (column, unmap, both) => {
    expect(row('unmap.sum', column, unmap).status).toBe('ok');
    expect(row('map+unmap', column, both).status).toBe('ok');
  });

  it('of a deferred invalidation are the share of one for a list of 250', () => {
    const simulated = row('unmap.iotlb_inv', 'defer', 9);
    expect(simulated.status).toBe('ok');
    // Where looks fall differs from one mean to another.
    expect(Number(simulated.simulated) * 250).toBeCloseTo(Number(row('unmap.iotlb_inv', 'strict').simulated), -2);
  });

  it.each(['map.iova_alloc', 'map.page_table', 'map.other', 'map.sum', 'unmap.iova_find', 'unmap.page_table'])(
    'of what a core computes are what the machine is built from: %s',
    (quantity) => {
      for (const column of ['strict', 'defer+']) expect(row(quantity, column).status).toBe('parameter');
    },
  );

  it('in other units are times', () => {
    const { unmap } = dmaApi(valuesOf(riommuParameters('strict'), 'riommu'), { cpus: 1, mode: 'strict', seed: 1 });
    expect(row('unmap.sum', 'strict', 1, 'us').simulated).toBeCloseTo(unmap / 1000, 9);
    expect(row('unmap.sum', 'strict', 1, 'W').status).toBe('no-model');
    expect(row('unmap.sum', '', 1).status).toBe('no-model');
  });
});
