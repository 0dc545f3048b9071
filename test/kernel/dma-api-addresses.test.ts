/** Which addresses the kernel gives a device: what they are aligned to, where they end, what stays out. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { DeviceDma } from '../../src/kernel/dma/device-dma.ts';
import { DefaultDomains } from '../../src/kernel/dma/index.ts';
import type { PageRun } from '../../src/kernel/page-run.ts';
import { EINVAL, ENOSPC, VFIO_BIND_IOASID_FD } from '../../src/uapi/index.ts';
import { address, byteAt, type Driving, driving, marked, PLATFORMS, type Platform, take } from './dma-bench.ts';
import { DEV, held } from './machine-bench.ts';
import { SHARED, SHARED_AT } from './shared-memory.ts';

const ALL = Object.entries(PLATFORMS);
const PAGES_BELOW_4G = 2 ** 20;

/** The same driver's API over another default domain, in which these addresses are taken. */
function crowded({ bench, driver }: Driving, windows: readonly PageRun[]): DeviceDma {
  const { iommu, log, faultPoints } = bench.kernel;
  const { cost } = bench.bus;
  const domains = new DefaultDomains({
    engine: bench.engine,
    iommu,
    cost,
    log,
    faultPoints,
    policy: 'strict',
    type: 'dma',
    windows,
  });
  const domain = domains.of(iommu.groupOf(driver.device)!, driver.device);
  return new DeviceDma(driver.device, { domain, memory: driver.memory, cost, log, domainOptions: () => ({}) });
}

/** Maps one page again and again until there are no addresses left; the pages, from the first on. */
function* fill(dma: DeviceDma, driven: Driving): Script<number[]> {
  const buffer = marked(driven.driver, 1, 0x40);
  const pages: number[] = [];
  for (;;) {
    const iova = yield* dma.map(buffer, 'to device');
    if (typeof iova !== 'number') pages.push(Number(iova >> 12n));
    else {
      expect(iova).toBe(-ENOSPC);
      return pages;
    }
  }
}

describe.each(ALL)('Addresses on %s', (_, platform) => {
  it('are aligned to the power of two of their pages, up to 32 pages in full powers.', () => {
    const { bench, driver } = driving(platform);
    bench.run(
      (function* () {
        const buffer = marked(driver, 40, 0);
        const seen: string[] = [];
        for (const pages of [1, 2, 3, 5, 33, 1]) {
          const iova = yield* address(driver.dma.map(buffer, 'to device', { length: pages * PAGE_SIZE }));
          seen.push(iova.toString(16));
        }
        expect(seen).toEqual(['fffff000', 'ffffc000', 'ffff8000', 'ffff0000', 'fffc0000', 'ffffe000']);
      })(),
    );
  });

  it('end where the device says that it ends, and run out.', () => {
    const driven = driving(platform);
    const { bench, driver } = driven;
    for (const bits of [12, 65, 32.5, Number.NaN]) expect(driver.dma.setMask(bits)).toBe(-EINVAL);
    expect(driver.dma.setMask(14)).toBe(0);
    bench.run(
      (function* () {
        // The first page of all is never given out.
        expect(yield* fill(driver.dma, driven)).toEqual([3, 2, 1]);
        expect(yield* driver.dma.unmap(0x2000n)).toBe(0);
        expect(yield* fill(driver.dma, driven)).toEqual([2]);
        expect(yield* driver.dma.allocCoherent(1)).toBe(-ENOSPC);
      })(),
    );
  });

  it('go beyond 32 bits only when there are no others and the device can, and then for good.', () => {
    const driven = driving(platform);
    const { bench } = driven;
    const dma = crowded(driven, [{ first: 0, pages: PAGES_BELOW_4G - 1 }]);
    bench.run(
      (function* () {
        expect(yield* fill(dma, driven)).toEqual([PAGES_BELOW_4G - 1]);
        expect(dma.setMask(33)).toBe(0);
        const buffer = marked(driven.driver, 1, 0x40);
        expect(yield* address(dma.map(buffer, 'to device'))).toBe(0x1_ffff_f000n);
        expect(bench.kernel.log.toString()).toContain('is given addresses of more than 32 bits');
        expect(yield* dma.unmap(0xffff_f000n)).toBe(0);
        expect(yield* address(dma.map(buffer, 'to device'))).toBe(0xffff_f000n); // from the cache, as any freed one
        expect(yield* address(dma.map(buffer, 'to device'))).toBe(0x1_ffff_e000n);
        expect(yield* byteAt(driven.dma, 0x1_ffff_e000n)).toBe(0x40);
        expect(yield* dma.release()).toBe(0);
      })(),
    );
  });

  it('end where the domain ends for a device that drives 64 bits.', () => {
    const driven = driving(platform);
    const dma = crowded(driven, [{ first: 0, pages: PAGES_BELOW_4G }]);
    expect(dma.setMask(64)).toBe(0);
    driven.bench.run(
      (function* () {
        const domain = yield* driven.driver.domain();
        if (typeof domain === 'number') throw new Error(`no domain: ${domain}`);
        const iova = yield* address(dma.map(marked(driven.driver, 1, 0x40), 'to device'));
        expect(Number(iova >> 12n)).toBe(domain.geometry.last);
        expect(yield* byteAt(driven.dma, iova)).toBe(0x40);
        expect(yield* dma.release()).toBe(0);
      })(),
    );
  });

  it('are never those whose writes are interrupts.', () => {
    const driven = driving(platform);
    const dma = crowded(driven, [
      { first: 0, pages: 0xfedff },
      { first: 0xfef01, pages: PAGES_BELOW_4G - 0xfef01 },
    ]);
    driven.bench.run(
      (function* () {
        expect(yield* fill(dma, driven)).toEqual([0xfef00, 0xfedff]);
        expect(yield* dma.release()).toBe(0);
      })(),
    );
  });

  it('are never those of registers, where a switch might pass requests on to another device.', () => {
    const { bench, driver } = driving(platform);
    // 128 MiB, never accessed. Registers are from 0xe000_0000 to 0xefff_ffff, interrupts in the upper half above.
    const pages = 2 ** 15;
    const buffer = { frames: Float64Array.from({ length: pages }, (_, i) => pages + i), length: pages * PAGE_SIZE };
    expect(bench.run(driver.dma.map(buffer, 'to device'))).toBe(0xf000_0000n);
    expect(bench.run(driver.dma.map(buffer, 'to device'))).toBe(0xd800_0000n);
  });
});

describe.each(SHARED)('Memory that firmware shares with a device, on %s,', (name, tables) => {
  const platform: Platform = PLATFORMS[name]!;
  const at = BigInt(SHARED_AT);

  it('stays in its reach under a driver of the kernel and after it, and its addresses are never given out.', () => {
    const driven = driving(platform, {}, { tables });
    const { bench, driver, dma } = driven;
    const before = held(bench);
    bench.memory.write(SHARED_AT, Uint8Array.of(0x77));
    bench.run(
      (function* () {
        expect(yield* byteAt(dma, at)).toBe(0x77);
        expect(driver.dma.setMask(20)).toBe(0);
        const pages = yield* fill(driver.dma, driven);
        expect(pages).toHaveLength(256 - 1 - 2);
        expect(pages.filter((page) => page === 0xf0 || page === 0xf1)).toEqual([]);
        expect([yield* byteAt(dma, at), yield* byteAt(dma, 0x1000n)]).toEqual([0x77, 0x40]);
        expect(yield* driver.release()).toBe(0);
        expect([yield* byteAt(dma, at), yield* byteAt(dma, 0x1000n)]).toEqual([0x77, null]);
      })(),
    );
    expect(held(bench)).toEqual(before);
    expect(driver.dma.domainType).toBe('dma');
  });

  it('is mapped by the default domain when there was no memory for that at boot.', () => {
    const bench = platform.make({ tables });
    bench.kernel.faultPoints.refuse = (purpose) => purpose === 'I/O page table';
    bench.boot();
    bench.kernel.faultPoints.refuse = null;
    expect(bench.kernel.log.toString()).toContain('loses its reserved memory: -ENOMEM');
    bench.memory.write(SHARED_AT, Uint8Array.of(0x77));
    const before = held(bench);
    const { driver, dma } = take(bench, 'dev0');
    bench.run(
      (function* () {
        expect(yield* byteAt(dma, at)).toBe(null);
        expect(driver.dma.domainType).toBe('blocked');
        const iova = yield* address(driver.dma.map(marked(driver, 1, 0x40), 'to device'));
        expect([yield* byteAt(dma, at), yield* byteAt(dma, iova)]).toEqual([0x77, 0x40]);
        expect(yield* driver.release()).toBe(0);
        expect(driver.dma.domainType).toBe('blocked');
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('keeps the device from processes nevertheless.', () => {
    const { bench } = driving(platform, {}, { tables });
    bench.run(
      (function* () {
        const program = bench.program();
        const ioasid_fd = yield* program.open('/dev/ioasid');
        const fd = yield* program.open(DEV[0]);
        expect(yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd })).toBe(-EINVAL);
      })(),
    );
  });
});
