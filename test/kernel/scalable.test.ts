import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { FS_PTE } from '../../hardware/formats/index.ts';
import type { DomainOptions } from '../../src/kernel/iommu/driver.ts';
import { EBUSY, EINVAL, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { type BenchOptions, engineOf, held, map, setUp } from './bench.ts';
import { ask, behind, cached, dmaRead, mapPage, scalableBench, sure, unmapPage } from './scalable-bench.ts';

const AT = 0x40_0000;
const IOVA_PAGE = AT / PAGE_SIZE;
const PASID = 0x4_1234;
const NOTHING = { iotlb: 0, contexts: 0, pasids: 0, firstStage: 0, secondStage: 0 };
/** RTADDR.TTM of the root pointer in use. */
const SCALABLE_MODE = 1;
const LEGACY_MODE = 0;

const STAGES: readonly [string, DomainOptions][] = [
  ['a second stage', { stage: 'second' }],
  ['a first stage of 4 levels', { stage: 'first' }],
  ['a first stage of 5 levels', { stage: 'first', levels: 5 }],
];
const UNITS: readonly [string, BenchOptions][] = [
  ['', {}],
  [', with caching mode', { cap: { CM: 1 } }],
  [', with write buffers', { cap: { RWBF: 1 } }],
  [', of which walks do not snoop', { ecap: { SMPWCS: 0 } }],
  [', without invalidation by page', { cap: { PSI: 0 } }],
];
const CASES = STAGES.flatMap(([stage, options]) =>
  UNITS.map(([unit, bench]) => [stage + unit, options, bench] as const),
);

describe('the VT-d driver in scalable mode', () => {
  it.each(CASES)('routes requests without PASID through %s', (_, options, unit) => {
    const bench = scalableBench(unit);
    const { driver, devices } = behind(bench);
    const before = held(bench);
    const [device] = devices as [(typeof devices)[0]];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain(options));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 42);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* domain.attach(device)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe(42);
        expect(yield* dmaRead(bench, device, { address: AT, pasid: PASID })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* unmapPage(bench, domain, IOVA_PAGE, frame)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* domain.detach(device)).toBe(0);
        yield* domain.destroy();
      })(),
    );
    expect(bench.unit.translator.root.mode).toBe(SCALABLE_MODE);
    expect(held(bench)).toEqual(before);
  });

  it.each(CASES)('routes a PASID through %s, and after the detach nothing of it is left', (_, options, unit) => {
    const bench = scalableBench(unit);
    const { driver, devices } = behind(bench);
    const before = held(bench);
    const [device, other] = devices as [(typeof devices)[0], (typeof devices)[0]];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain(options));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 7);
        expect(yield* domain.attach(device, { pasid: PASID })).toBe(0);
        expect(yield* domain.attach(other, { pasid: 5 })).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT, pasid: PASID })).toBe(7);
        expect(yield* dmaRead(bench, other, { address: AT, pasid: 5 })).toBe(7);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* domain.detach(device, PASID)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT, pasid: PASID })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* dmaRead(bench, other, { address: AT, pasid: 5 })).toBe(7);
        expect(yield* domain.detach(other, 5)).toBe(0);
        if (unit.cap?.CM !== 1) expect(cached(bench)).toEqual(NOTHING);
        expect(yield* unmapPage(bench, domain, IOVA_PAGE, frame)).toBe(0);
        yield* domain.destroy();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('has one domain for the requests without PASID and others for each PASID of a device', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const frames: number[] = [];
        for (const [i, pasid] of [undefined, 1, 63, 64, 2 ** 20 - 1].entries()) {
          const domain = yield* sure(driver.allocateDomain({ stage: i % 2 === 0 ? 'second' : 'first' }));
          frames.push(yield* mapPage(bench, domain, IOVA_PAGE, i));
          expect(yield* domain.attach(device, pasid === undefined ? {} : { pasid })).toBe(0);
        }
        const asked = [-1, 1, 63, 64, 2 ** 20 - 1].map((pasid) => ask(bench, device.rid, pasid, AT));
        expect(asked).toEqual(frames.map((frame) => frame * PAGE_SIZE));
      })(),
    );
  });

  it('refuses a PASID that is taken, that stands for none, or that no request can carry', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const other = yield* sure(driver.allocateDomain({ stage: 'first' }));
        expect(yield* domain.attach(device, { pasid: 9 })).toBe(0);
        expect(yield* other.attach(device, { pasid: 9 })).toBe(-EBUSY);
        expect(yield* other.detach(device, 9)).toBe(-EINVAL);
        expect(yield* other.attach(device, { pasid: 0 })).toBe(-EINVAL);
        expect(yield* other.attach(device, { pasid: 2 ** 20 })).toBe(-EINVAL);
        expect(yield* other.detach(device, 10)).toBe(-EINVAL);
      })(),
    );
  });

  it('leaves addresses as they are in an identity domain', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const before = held(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateIdentity());
        for (const device of devices) expect(yield* domain.attach(device)).toBe(0);
        bench.memory.write(0x12_3000, Uint8Array.of(99));
        expect(yield* dmaRead(bench, devices[1]!, { address: 0x12_3000 })).toBe(99);
        for (const device of devices) expect(yield* domain.detach(device)).toBe(0);
        expect(yield* dmaRead(bench, devices[1]!, { address: 0x12_3000 })).toBe('UNSUPPORTED_REQUEST');
        yield* domain.destroy();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('nests a first stage that somebody else keeps in a second stage, and forgets what either loses', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const before = held(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain({ stage: 'second' }));
        // Guest pages 0 to 3 hold the tables of a guest, page 4 what they map.
        const frames: number[] = [];
        for (let page = 0; page < 5; page++) frames.push(yield* mapPage(bench, parent, page, 0));
        const { P, RW, US } = FS_PTE;
        const flags = BigInt(P.mask | RW.mask | US.mask);
        for (let page = 0; page < 4; page++) {
          bench.memory.write64(frames[page]! * PAGE_SIZE, BigInt((page + 1) * PAGE_SIZE) | flags);
        }
        bench.memory.write(frames[4]! * PAGE_SIZE, Uint8Array.of(17));
        const nested = yield* sure(driver.allocateNested({ parent, table: 0, levels: 4 }));
        expect(yield* nested.attach(device, { pasid: 3 })).toBe(0);
        expect(yield* dmaRead(bench, device, { address: 0, pasid: 3 })).toBe(17);

        bench.memory.write64(frames[3]! * PAGE_SIZE, 0n);
        expect(yield* nested.forget({ first: 0, pages: 1 })).toBe(0);
        expect(yield* dmaRead(bench, device, { address: 0, pasid: 3 })).toBe('UNSUPPORTED_REQUEST');
        bench.memory.write64(frames[3]! * PAGE_SIZE, BigInt(4 * PAGE_SIZE) | flags);
        expect(yield* dmaRead(bench, device, { address: 0, pasid: 3 })).toBe(17);

        expect(yield* unmapPage(bench, parent, 4, frames[4]!)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: 0, pasid: 3 })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* nested.detach(device, 3)).toBe(0);
        yield* nested.destroy();
        for (let page = 0; page < 4; page++) yield* unmapPage(bench, parent, page, frames[page]!);
        yield* parent.destroy();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('says what a unit cannot do', () => {
    const bench = scalableBench({ cap: { FS5LP: 0 }, ecap: { SSTS: 0, NEST: 0, PT: 0, PASID: 0, PSS: 0 } });
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        expect(yield* driver.allocateDomain({ stage: 'second' })).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateDomain({ stage: 'first', levels: 5 })).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateIdentity()).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateNested({ parent: domain, table: 0, levels: 4 })).toBe(-EOPNOTSUPP);
        expect(yield* domain.attach(devices[0]!, { pasid: 1 })).toBe(-EOPNOTSUPP);
        expect(driver.prepare(devices[0]!, { deviceTlb: false, pageRequests: true })).toBe(-EOPNOTSUPP);
        yield* mapPage(bench, domain, IOVA_PAGE, 1);
        expect(yield* domain.attach(devices[0]!)).toBe(0);
        expect(yield* dmaRead(bench, devices[0]!, { address: AT })).toBe(1);
        expect(yield* domain.map(0, 0, 1, { read: false, write: false })).toBe(-EINVAL);
      })(),
    );
  });

  it('is not used when the kernel is told to stay in legacy mode, which knows no PASID', () => {
    const bench = scalableBench({ kernel: { iommuMode: 'legacy' } });
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, domain, IOVA_PAGE, 3);
        expect(yield* domain.attach(devices[0]!, { pasid: 1 })).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateDomain({ stage: 'first' })).toBe(-EOPNOTSUPP);
        expect(driver.prepare(devices[0]!, { deviceTlb: true, pageRequests: false })).toBe(-EOPNOTSUPP);
        expect(yield* domain.attach(devices[0]!)).toBe(0);
        expect(yield* dmaRead(bench, devices[0]!, { address: AT })).toBe(3);
      })(),
    );
    expect(bench.unit.translator.root.mode).toBe(LEGACY_MODE);
  });

  it('serves programs as legacy mode does', () => {
    const bench = scalableBench();
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        expect(yield* map(s, 0n, s.memory, 4096n)).toBe(0);
        const engine = yield* engineOf(s);
        s.program.write(s.memory, Uint8Array.of(11));
        expect(yield* engine.read(0n, 1)).toEqual({ ok: true, data: Uint8Array.of(11) });
        yield* s.program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });
});

describe('faults of an attachment', () => {
  it.each([
    ['scalable', {}],
    ['legacy', { kernel: { iommuMode: 'legacy' as const } }],
  ])('are told to who attached, and to nobody else, in %s mode', (_, options: BenchOptions) => {
    const bench = scalableBench(options);
    const { driver, devices } = behind(bench);
    const told: string[] = [];
    const listen = (who: string) => ({
      onFault: ({ address, pasid }: { address: bigint; pasid: number }) => void told.push(`${who} ${pasid} ${address}`),
    });
    const hasPasids = options.kernel === undefined;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* domain.attach(devices[0]!, listen('first'));
        yield* domain.attach(devices[1]!, listen('second'));
        if (hasPasids) yield* domain.attach(devices[0]!, { pasid: 8, ...listen('third') });
        yield* dmaRead(bench, devices[0]!, { address: AT });
        yield* dmaRead(bench, devices[1]!, { address: 2 * AT });
        if (hasPasids) yield* dmaRead(bench, devices[0]!, { address: 3 * AT, pasid: 8 });
      })(),
    );
    const expected = [`first -1 ${AT}`, `second -1 ${2 * AT}`];
    expect(told).toEqual(hasPasids ? [...expected, `third 8 ${3 * AT}`] : expected);
  });
});
