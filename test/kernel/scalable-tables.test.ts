import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { DomainOptions } from '../../src/kernel/iommu/driver.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { EBUSY, EIO, ENOMEM } from '../../src/uapi/index.ts';
import { batchesOf } from './batches.ts';
import { Bench, held } from './bench.ts';
import { behind, dmaRead, mapPage, SCALABLE, scalableBench, sure, tapMemory } from './scalable-bench.ts';

const AT = 0x40_0000;
const IOVA_PAGE = AT / PAGE_SIZE;
const PASID = 0x4_1234;

/** Where the context entry of a device and the PASID-table entry of a PASID are. */
function entriesOf(bench: Bench, { rid }: PciDevice, pasid: number): { context: number; entry: number } {
  const follow = (at: number): number => Number(bench.memory.read64(at) & ~0xfffn);
  const context = follow(bench.unit.translator.root.table + (rid >>> 8) * 16) + (rid & 0x7f) * 32;
  return { context, entry: follow(follow(context) + Math.floor(pasid / 64) * 8) + (pasid % 64) * 64 };
}

/** Every write into `words` 64-bit words from `start` on, as the number of the word and its new and old value. */
function writesInto(writes: readonly (readonly [number, bigint])[], start: number, words: number) {
  const content = new Array<bigint>(words).fill(0n);
  return writes
    .filter(([at]) => at >= start && at < start + words * 8)
    .map(([at, value]) => {
      const word = (at - start) / 8;
      const before = [...content];
      content[word] = value;
      return { word, value, before };
    });
}

const STAGES: readonly [string, DomainOptions][] = [
  ['a second stage', { stage: 'second' }],
  ['a first stage', { stage: 'first' }],
];

describe('the entries of scalable mode', () => {
  it.each(STAGES)('become present with their last write, and lose P alone before anything else: %s', (_, options) => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    const writes: [number, bigint][] = [];
    tapMemory(bench, (address, value) => void writes.push([address, value]));
    const places = bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain(options));
        writes.length = 0;
        yield* domain.attach(device, { pasid: PASID });
        const found = entriesOf(bench, device, PASID);
        yield* domain.detach(device, PASID);
        return found;
      })(),
    );
    for (const [start, words] of [
      [places.context, 4],
      [places.entry, 8],
    ] as const) {
      const seen = writesInto(writes, start, words);
      const filled = seen.slice(0, words);
      // Filled from the last word to the first, which has P.
      expect(filled.map(({ word }) => word)).toEqual(Array.from({ length: words }, (_, i) => words - 1 - i));
      expect(filled.map(({ value, word }) => (word === 0 ? value & 1n : 0n)).at(-1)).toBe(1n);
      // While it is present nothing but P is ever changed.
      const live = seen.filter(({ before }) => (before[0]! & 1n) === 1n);
      expect(live).toHaveLength(1);
      expect(live[0]).toMatchObject({ word: 0, value: live[0]!.before[0]! & ~1n });
    }
  });

  it.each([
    ['a second stage', { stage: 'second' }, 'IOTLB_INVALIDATE'],
    ['a first stage', { stage: 'first' }, 'PASID_IOTLB_INVALIDATE'],
  ] as const)('are forgotten in the order that the specification asks for: %s', (_, options, iotlb) => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const batches = batchesOf(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain(options));
        yield* domain.attach(devices[0]!);
        yield* domain.attach(devices[0]!, { pasid: 5 });
        expect(batches).toEqual([]);
        yield* domain.detach(devices[0]!, 5);
        yield* domain.detach(devices[0]!);
      })(),
    );
    expect(batches).toEqual([
      ['PASID_CACHE_INVALIDATE', iotlb, 'INVALIDATION_WAIT'],
      ['PASID_CACHE_INVALIDATE', iotlb, 'INVALIDATION_WAIT'],
      ['CONTEXT_CACHE_INVALIDATE', 'INVALIDATION_WAIT'],
    ]);
  });

  it('are forgotten by device TLBs too, after the unit has forgotten them', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    expect(driver.prepare(device, { deviceTlb: true, pageRequests: false })).toBe(0);
    const sent: unknown[] = [];
    bench.unit.devices.taker = (message) => void sent.push(message);
    const batches = batchesOf(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 1);
        yield* domain.attach(device);
        yield* domain.attach(device, { pasid: 5 });
        yield* bench.kernel.iommu.unmap(domain, IOVA_PAGE, 1);
        bench.kernel.allocator.release(frame);
        yield* domain.detach(device, 5);
        yield* domain.detach(device);
        expect(driver.prepare(device, { deviceTlb: false, pageRequests: false })).toBe(0);
      })(),
    );
    const [twice, wait] = [['PASID_IOTLB_INVALIDATE', 'PASID_IOTLB_INVALIDATE'], 'INVALIDATION_WAIT'];
    expect(batches).toEqual([
      [...twice, 'DEVICE_TLB_INVALIDATE', 'PASID_DEVICE_TLB_INVALIDATE', wait],
      ['PASID_CACHE_INVALIDATE', 'PASID_IOTLB_INVALIDATE', 'PASID_DEVICE_TLB_INVALIDATE', wait],
      ['PASID_CACHE_INVALIDATE', 'PASID_IOTLB_INVALIDATE', 'DEVICE_TLB_INVALIDATE', wait],
      ['CONTEXT_CACHE_INVALIDATE', 'DEVICE_TLB_INVALIDATE', wait],
    ]);
    const whole = { address: 0x7fff_ffff_ffff_f000n, isRange: true };
    const common = { kind: 'invalidate', requester: device.rid, global: false };
    expect(sent).toEqual([
      { ...common, pasid: undefined, address: BigInt(AT), isRange: false },
      { ...common, pasid: 5, address: BigInt(AT), isRange: false },
      { ...common, pasid: 5, ...whole },
      { ...common, pasid: undefined, ...whole },
      { ...common, pasid: undefined, ...whole },
    ]);
  });

  it('that page requests may use are drained of these before a PASID is free again', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    driver.prepare(device, { deviceTlb: true, pageRequests: true });
    const batches = batchesOf(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(device, { pasid: 5 });
        yield* domain.detach(device, 5);
      })(),
    );
    const forgetting = ['PASID_IOTLB_INVALIDATE', 'PASID_DEVICE_TLB_INVALIDATE'];
    expect(batches).toEqual([
      ['PASID_CACHE_INVALIDATE', ...forgetting, 'INVALIDATION_WAIT'],
      ['INVALIDATION_WAIT FN', ...forgetting, 'INVALIDATION_WAIT PD'],
      ['CONTEXT_CACHE_INVALIDATE', 'DEVICE_TLB_INVALIDATE', 'INVALIDATION_WAIT'],
    ]);
  });

  it('cost nothing when memory runs out at any place: the attachment fails and everything is given back', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const before = held(bench);
        for (let allowed = 0; allowed < 2; allowed++) {
          let left = allowed;
          bench.kernel.faultPoints.refuse = () => left-- === 0;
          expect(yield* domain.attach(devices[0]!, { pasid: PASID })).toBe(-ENOMEM);
          bench.kernel.faultPoints.refuse = null;
          expect(held(bench)).toEqual(before);
        }
        expect(yield* domain.attach(devices[0]!, { pasid: PASID })).toBe(0);
      })(),
    );
  });
});

describe('when the unit does not answer in scalable mode', () => {
  it('a detach ends with EIO, and what hardware may still read is never freed', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, domain, IOVA_PAGE, 1);
        yield* domain.attach(devices[0]!);
        const before = held(bench);
        bench.tap = () => false;
        expect(yield* domain.detach(devices[0]!)).toBe(-EIO);
        expect(yield* domain.attach(devices[0]!)).toBe(-EBUSY);
        expect(held(bench)).toEqual(before);
        bench.tap = null;
        expect(yield* dmaRead(bench, devices[0]!, { address: AT })).toBe('UNSUPPORTED_REQUEST');
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('the invalidation queue does not finish');
  });

  it('with caching mode an attachment ends with EIO and is blocked', () => {
    const bench = scalableBench({ cap: { CM: 1 } });
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        bench.tap = () => false;
        expect(yield* domain.attach(devices[0]!)).toBe(-EIO);
        bench.tap = null;
        expect(yield* dmaRead(bench, devices[0]!, { address: AT })).toBe('UNSUPPORTED_REQUEST');
      })(),
    );
  });

  it('at boot the kernel gives it up after a bounded time', () => {
    const bench = new Bench(SCALABLE);
    bench.tap = () => false;
    bench.run(bench.kernel.boot());
    expect(bench.kernel.iommu.groups).toEqual([]);
    expect(bench.kernel.log.toString()).toContain('did not finish in time');
  });
});
