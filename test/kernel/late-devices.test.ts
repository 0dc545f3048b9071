/** What the driver does when a device lets the time for an invalidation of its device-TLB pass (VT-d 6.5.2.11). */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { EIO } from '../../src/uapi/index.ts';
import type { Bench } from './bench.ts';
import { behind, mapPage, scalableBench, sure } from './scalable-bench.ts';

const AT = 0x40_0000;
const IOVA_PAGE = AT / PAGE_SIZE;

/** A device that leaves its first `silent` invalidations unanswered, by order; the others it completes. */
function answering(bench: Bench, isSilent: (n: number) => boolean): bigint[] {
  const asked: bigint[] = [];
  bench.unit.devices.awaitsCompletions = true;
  bench.unit.devices.taker = (message) => {
    if (message.kind !== 'invalidate') return;
    asked.push(message.address);
    if (isSilent(asked.length - 1)) return;
    bench.unit.completeInvalidation({ requester: message.requester, tags: 2 ** message.tag!, count: 1 });
  };
  return asked;
}

describe('When a device does not answer an invalidation in time', () => {
  it.each([1, 3])('the batch is submitted again (unanswered: %i), and what it was for is done.', (silent) => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    expect(driver.prepare(devices[0]!, { deviceTlb: true, pageRequests: false })).toBe(0);
    const asked = answering(bench, (n) => n < silent);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 1);
        yield* domain.attach(devices[0]!);
        expect(yield* bench.kernel.iommu.unmap(domain, IOVA_PAGE, 1)).toBe(0);
        bench.kernel.allocator.release(frame);
      })(),
    );
    expect(asked).toEqual(new Array(silent + 1).fill(BigInt(AT)));
    const told = bench.kernel.log.toString().split('does not answer invalidations').length - 1;
    expect(told).toBe(silent);
    expect(bench.unit.read(0x34, 4), 'FSTS').toBe(0n);
  });

  it('ever, the operation fails, and other devices are served all the same.', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    expect(driver.prepare(devices[0]!, { deviceTlb: true, pageRequests: false })).toBe(0);
    const asked = answering(bench, () => true);
    bench.run(
      (function* () {
        const silent = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* mapPage(bench, silent, IOVA_PAGE, 1);
        yield* silent.attach(devices[0]!);
        expect(yield* bench.kernel.iommu.unmap(silent, IOVA_PAGE, 1)).toBe(-EIO);
        expect(asked).toHaveLength(4);
        const other = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* mapPage(bench, other, IOVA_PAGE, 2);
        yield* other.attach(devices[1]!);
        expect(yield* bench.kernel.iommu.unmap(other, IOVA_PAGE, 1)).toBe(0);
      })(),
    );
    expect(bench.kernel.log.toString()).not.toContain('it is given up');
  });
});
