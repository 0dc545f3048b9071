/** A NIC that receives under an IOMMU: what is never allowed, what follows from sizes, and which way things move. */
import { describe, expect, it } from 'vitest';
import { FANDS, FANDS_VALUES } from '../../src/machine/measured/fands.ts';
import { ReceiveRun, type Receiving } from '../../src/machine/measured/nic-receive/run.ts';
import {
  PacketGeometry,
  PROTECTIONS,
  type ReceiveSetUp,
  type ReceiveValues,
} from '../../src/machine/measured/nic-receive/values.ts';

const USUAL: ReceiveSetUp = { protection: 'strict', flows: 5, ring: 256, mtu: 4000, seed: 1 };

function measured(setUp: Partial<ReceiveSetUp> = {}, values: Partial<ReceiveValues> = {}): Receiving {
  const run = new ReceiveRun({ ...FANDS_VALUES, ...values }, { ...USUAL, ...setUp });
  run.measure(6000);
  return run.measure(8000);
}

describe('Packets in a receive ring of this driver', () => {
  it.each([
    // One packet of up to 2 KiB is where it stays; larger ones take multiples of 256 bytes.
    [1500, 256, 1448, 2048, 4],
    [4000, 256, 3948, 4096, 8],
    [4000, 2048, 3948, 4096, 64],
    [9000, 256, 8948, 9216, 16],
    [9000, 1024, 8948, 9216, 64],
  ])(
    'with an MTU of %i and a ring of %i: %i bytes of data, every %i bytes, in %i descriptors of 256 KiB',
    (mtu, ring, ...of) => {
      const { payload, stride, descriptors } = new PacketGeometry({ mtu, ring });
      expect([payload, stride, descriptors]).toEqual(of);
    },
  );

  it('whose descriptors are posted two at a time, or one where there are four', () => {
    const together = [1500, 4000].map((mtu) => new PacketGeometry({ mtu, ring: 256 }).postedTogether);
    expect(together).toEqual([1, 2]);
  });

  it('end with the descriptor', () => {
    const geometry = new PacketGeometry({ mtu: 9000, ring: 256 });
    expect([geometry.place(0), geometry.place(27), geometry.place(28)]).toEqual([0, 27 * 9216, -1]);
  });
});

describe('A NIC never writes where it may not', () => {
  it.each(PROTECTIONS)('with protection %s: the IOMMU refuses nothing', (protection) => {
    for (const flows of [5, 20]) {
      const receiving = measured({ protection, flows });
      expect(receiving.faults).toBe(0);
      expect(receiving.gigabits).toBeGreaterThan(20);
    }
  });
});

describe('What protection costs', () => {
  const of = (protection: ReceiveSetUp['protection'], flows = 10) => measured({ protection, flows });

  it('is nothing at the IOMMU without one, and no walk where it lets the device pass', () => {
    expect(of('off').per4K).toMatchObject({ iotlb: 0, reads: 0, unmapped: 0 });
    expect(of('pass-through').per4K.reads).toBe(0);
  });

  it('is least with huge pages, then where pages stay mapped, then where few invalidations are, and most page by page', () => {
    const order = (['huge', 'persistent', 'lazy', 'strict'] as const).map((one) => of(one).per4K.reads);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('is a walk of one read for each page where structures stay cached', () => {
    const { per4K } = of('fands');
    expect(per4K.iotlb).toBeGreaterThan(1);
    expect(per4K.level3).toBeLessThan(0.02);
    expect(of('fands').gigabits).toBeGreaterThan(of('strict').gigabits);
  });

  it('grows with flows that share cores, because pages wait longer for their readers', () => {
    const unmapped = [5, 10, 20, 40].map((flows) => of('strict', flows).per4K);
    const reads = unmapped.map((one) => one.reads);
    expect(reads).toEqual([...reads].sort((a, b) => a - b));
    expect(unmapped[3]!.unmapped).toBeGreaterThan(5 * unmapped[0]!.unmapped);
  });

  it('grows with the ring, whose pages lie in more tables', () => {
    const level3 = [256, 512, 1024].map((ring) => measured({ ring }).per4K.level3);
    expect(level3).toEqual([...level3].sort((a, b) => a - b));
  });
});

describe('A machine that receives', () => {
  it('gives the same figures each time', () => {
    expect(measured()).toEqual(measured());
  });

  it('is not faster with slower walks, and not slower with more entries or a faster network', () => {
    const gigabits = (values: Partial<ReceiveValues>) => measured({ flows: 10 }, values).gigabits;
    const now = gigabits({});
    expect(gigabits({ read: 250 })).toBeLessThan(now);
    expect(gigabits({ iotlb: 1024 })).toBeGreaterThan(now);
    expect(measured({ protection: 'off' }, { network: 50 }).gigabits).toBeLessThan(50);
  });

  it('never hands over more than the network carries', () => {
    for (const mtu of [1500, 4000, 9000]) {
      const { payload, wire } = new PacketGeometry({ mtu, ring: 1024 });
      // What waited in the NIC when the measurement began comes on top.
      expect(measured({ protection: 'off', mtu, ring: 1024 }).gigabits).toBeLessThan((102 * payload) / wire);
    }
  });

  it('says of each value its unit, and where it comes from unless it is assumed', () => {
    for (const [name, { value, unit, source, certainty }] of Object.entries(FANDS)) {
      expect(value, name).toBeGreaterThan(0);
      expect(unit, name).not.toBe('');
      expect(source !== '' || certainty === 'assumed', name).toBe(true);
    }
  });
});
