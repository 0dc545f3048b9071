import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { NO_PASID, type PageRequestGroup } from '../../src/kernel/iommu/attachments.ts';
import type { AttachOptions } from '../../src/kernel/iommu/driver.ts';
import { EINVAL, EIO } from '../../src/uapi/index.ts';
import { type BenchOptions, held } from './bench.ts';
import { type Ask, AT, INVALID, IOVA_PAGE, requestsUnder, SUCCESS, withPageRequests } from './page-request-bench.ts';
import { dmaRead, mapPage, scalableBench, sure } from './scalable-bench.ts';

const PASID = 77;
const IQT_OFFSET = 0x88;
const PQA_OFFSET = 0xd0;
const PRS_OFFSET = 0xdc;
const PRO = 2;
const PECTL_OFFSET = 0xe0;
const HELD_BACK = 2 ** 31;

const request = requestsUnder(PASID);

function asking(options?: BenchOptions) {
  return withPageRequests(scalableBench(options));
}

describe('page requests', () => {
  it('reach the handler of their attachment, which maps the page and answers; then the DMA succeeds', () => {
    const { bench, driver, device, answers } = asking();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const onPageRequest = (group: PageRequestGroup): void => {
          expect(group).toMatchObject({ requester: device.rid, pasid: PASID, index: 1 });
          expect(group.requests).toMatchObject([{ page: IOVA_PAGE, read: true, write: false }]);
          bench.engine.spawn(
            (function* () {
              yield* mapPage(bench, domain, IOVA_PAGE, 55);
              expect(yield* group.respond('success')).toBe(0);
              expect(yield* group.respond('success')).toBe(-EINVAL);
            })(),
          );
        };
        yield* domain.attach(device, { pasid: PASID, onPageRequest });
      })(),
    );
    bench.run(dmaRead(bench, device, { address: AT, pasid: PASID }));
    request(bench, device);
    bench.engine.run();
    expect(answers).toEqual([[1, SUCCESS, PASID]]);
    expect(bench.run(dmaRead(bench, device, { address: AT, pasid: PASID }))).toBe(55);
  });

  it('are put together by group, and those without a PASID belong to the attachment without one', () => {
    const { bench, driver, device, answers } = asking();
    const groups: PageRequestGroup[] = [];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const options: AttachOptions = { onPageRequest: (group) => void groups.push(group) };
        yield* domain.attach(device, options);
        yield* domain.attach(device, { pasid: PASID, ...options });
      })(),
    );
    request(bench, device, { group: 1, last: false });
    request(bench, device, { group: 2, last: false, pasid: NO_PASID });
    request(bench, device, { group: 1, address: AT + PAGE_SIZE, write: true });
    request(bench, device, { group: 2, pasid: NO_PASID, address: AT + 2 * PAGE_SIZE });
    bench.engine.run();
    const seen = groups.map(({ pasid, index, requests }) => [pasid, index, requests.map(({ page }) => page)]);
    expect(seen).toEqual([
      [PASID, 1, [IOVA_PAGE, IOVA_PAGE + 1]],
      [NO_PASID, 2, [IOVA_PAGE, IOVA_PAGE + 2]],
    ]);
    expect(answers).toEqual([]);
  });

  it.each<[string, Ask]>([
    ['of an address that is not canonical', { hi: 0x0100_0000 }],
    ['with privilege', { privileged: true }],
    ['to execute', { execute: true }],
  ])('%s are refused without asking anybody', (_, ask) => {
    const { bench, driver, device, answers } = asking({ ecap: { SRS: 1 } });
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* domain.attach(device, { pasid: PASID, onPageRequest: () => void asked++ });
      })(),
    );
    request(bench, device, ask);
    bench.engine.run();
    expect(asked).toBe(0);
    expect(answers).toEqual([[1, INVALID, PASID]]);
  });

  it('of an attachment without a handler are refused, and stop markers need no answer', () => {
    const { bench, driver, device, answers } = asking();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* domain.attach(device, { pasid: PASID });
      })(),
    );
    request(bench, device, { read: false });
    request(bench, device, { group: 4 });
    bench.engine.run();
    expect(answers).toEqual([[4, INVALID, PASID]]);
  });

  it('that nobody has answered are refused by the detach, and those that come later by the unit', () => {
    const { bench, driver, device, answers } = asking();
    const before = held(bench);
    const groups: PageRequestGroup[] = [];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(device, { pasid: PASID, onPageRequest: (group) => void groups.push(group) });
        request(bench, device, { group: 1 });
        yield* dmaRead(bench, device, { address: AT, pasid: PASID });
        expect(groups).toHaveLength(1);
        // These are in the queue when the detach begins.
        request(bench, device, { group: 2 });
        request(bench, device, { group: 3 });
        expect(yield* domain.detach(device, PASID)).toBe(0);
        expect([...answers].sort()).toEqual([
          [1, INVALID, PASID],
          [2, INVALID, PASID],
          [3, INVALID, PASID],
        ]);
        expect(yield* groups[0]!.respond('success')).toBe(-EINVAL);
        request(bench, device, { group: 4 });
        yield* domain.destroy();
      })(),
    );
    expect(answers.at(-1)).toEqual([4, INVALID, PASID]);
    expect(groups).toHaveLength(1);
    expect(held(bench)).toEqual(before);
  });

  it('that overflow the queue are answered by the unit, and afterwards the queue goes on', () => {
    const { bench, driver, device, answers } = asking();
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const onPageRequest = (group: PageRequestGroup): void => {
          asked++;
          bench.engine.spawn(group.respond('success'));
        };
        yield* domain.attach(device, { pasid: PASID, onPageRequest });
      })(),
    );
    // The processor is busy for a while: the event is held back.
    bench.unit.write(PECTL_OFFSET, 4, BigInt(HELD_BACK));
    for (let i = 0; i < 2050; i++) request(bench, device, { group: i % 512 });
    bench.engine.run();
    expect(answers).toHaveLength(3);
    bench.unit.write(PECTL_OFFSET, 4, 0n);
    bench.engine.run();
    expect(asked).toBe(2047);
    expect(answers).toHaveLength(2050);
    expect(bench.unit.read(PRS_OFFSET, 4) & BigInt(PRO)).toBe(0n);
    expect(bench.kernel.log.toString()).toContain('page requests were lost');
    request(bench, device, { group: 9 });
    bench.engine.run();
    expect(asked).toBe(2048);
  });

  it.each([
    [256, 1],
    [4096, 5],
  ])('have as many places as the kernel is told, of which one stays free: %i.', (places, pages) => {
    const { bench, driver, device, answers } = asking({ kernel: { pageRequestPlaces: places } });
    // PQA_REG.PQS: 2^n pages of 128 descriptors.
    expect(bench.unit.read(PQA_OFFSET, 8) & 0xfffn).toBe(BigInt(pages));
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* domain.attach(device, { pasid: PASID, onPageRequest: () => void asked++ });
      })(),
    );
    bench.unit.write(PECTL_OFFSET, 4, BigInt(HELD_BACK));
    for (let i = 0; i < places; i++) request(bench, device, { group: i % 512 });
    bench.engine.run();
    expect(answers).toEqual([[(places - 1) % 512, SUCCESS, PASID]]);
    bench.unit.write(PECTL_OFFSET, 4, 0n);
    bench.engine.run();
    expect(asked).toBe(places - 1);
  });

  it('end in a bounded time when the unit does not do what it is told', () => {
    const { bench, driver, device } = asking();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* domain.attach(device, { pasid: PASID });
        bench.tap = (offset) => offset !== IQT_OFFSET;
        request(bench, device);
        expect(yield* domain.detach(device, PASID)).toBe(-EIO);
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('the invalidation queue does not finish');
  });
});
