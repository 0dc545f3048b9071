/** The PPR log: what devices ask for reaches whoever handles it, and every request is answered. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { DeviceMessage } from '../../hardware/iommu/index.ts';
import { NO_PASID, type PageRequestGroup } from '../../src/kernel/iommu/attachments.ts';
import { EINVAL, EIO } from '../../src/uapi/index.ts';
import { AmdBench, type AmdBenchOptions, GUEST_EFR } from './amd-bench.ts';
import { held } from './machine-bench.ts';
import { type Ask, AT, INVALID, IOVA_PAGE, requestsUnder, SUCCESS, withPageRequests } from './page-request-bench.ts';
import { dmaRead, mapPage, sure } from './scalable-bench.ts';

const PASID = 0x1_0077;
const CONTROL = 0x0018;
const COMMAND_TAIL = 0x2008;
const PPR_LOG_BASE = 0x0038;
const STATUS = 0x2020;
const PPR_INT_EN = 1n << 14n;
const PPR_BITS = (1n << 5n) | (1n << 6n) | (1n << 7n);
const PPR_LOG_RUN = 1n << 7n;

const request = requestsUnder(PASID);

function asking({ efr, ...rest }: AmdBenchOptions = {}) {
  return withPageRequests(AmdBench.up({ ...rest, efr: { ...GUEST_EFR, ...efr } }));
}

describe('Page requests', () => {
  it('reach the handler of their attachment, which maps the page and answers; then the DMA succeeds.', () => {
    const { bench, driver, device, answers } = asking();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const onPageRequest = (group: PageRequestGroup): void => {
          expect(group).toMatchObject({ requester: device.rid, pasid: PASID, index: 1 });
          expect(group.requests).toEqual([
            { page: IOVA_PAGE, read: true, write: false, execute: false, privileged: false },
          ]);
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
    request(bench, device);
    bench.engine.run();
    expect(answers).toEqual([[1, SUCCESS, PASID]]);
    expect(bench.run(dmaRead(bench, device, { address: AT, pasid: PASID }))).toBe(55);
  });

  it('are put together by group, and those without a PASID belong to the attachment without one.', () => {
    const { bench, driver, device, answers } = asking();
    const groups: PageRequestGroup[] = [];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const onPageRequest = (group: PageRequestGroup): void => void groups.push(group);
        yield* domain.attach(device, { onPageRequest });
        yield* domain.attach(device, { pasid: PASID, onPageRequest });
      })(),
    );
    request(bench, device, { group: 1, last: false });
    request(bench, device, { group: 2, last: false, pasid: NO_PASID });
    request(bench, device, { group: 1, address: AT + PAGE_SIZE });
    request(bench, device, { group: 2, address: AT + 2 * PAGE_SIZE, pasid: NO_PASID, write: true });
    bench.engine.run();
    const seen = groups.map(({ pasid, index, requests }) => [pasid, index, requests.map(({ page }) => page)]);
    expect(seen).toEqual([
      [PASID, 1, [IOVA_PAGE, IOVA_PAGE + 1]],
      [NO_PASID, 2, [IOVA_PAGE, IOVA_PAGE + 2]],
    ]);
    expect(answers).toEqual([]);
    bench.run(groups[1]!.respond('failure'));
    expect(answers).toEqual([[2, 0xf, undefined]]);
  });

  it.each<[string, Ask]>([
    ['of an address that is not canonical', { hi: 0x0100_0000 }],
    ['with privilege', { privileged: true }],
    ['to execute', { execute: true }],
    ['of an attachment without a handler', { pasid: PASID + 1 }],
  ])('%s are refused without asking anybody.', (_, ask) => {
    const { bench, driver, device, answers } = asking();
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(device, { pasid: PASID, onPageRequest: () => void asked++ });
        yield* domain.attach(device, { pasid: PASID + 1 });
      })(),
    );
    request(bench, device, ask);
    request(bench, device, { read: false, group: 2 });
    bench.engine.run();
    expect(asked).toBe(0);
    expect(answers.map(([group, code]) => [group, code])).toEqual([[1, INVALID]]);
  });

  it('that nobody has answered are refused by the detach, and those that come later by the unit.', () => {
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
        // These are on their way into the log when the detach begins.
        request(bench, device, { group: 2 });
        request(bench, device, { group: 3 });
        expect(yield* domain.detach(device, PASID)).toBe(0);
        expect([...answers].map(([group, code]) => [group, code]).sort()).toEqual([
          [1, INVALID],
          [2, INVALID],
          [3, INVALID],
        ]);
        expect(yield* groups[0]!.respond('success')).toBe(-EINVAL);
        request(bench, device, { group: 4 });
        yield* domain.destroy();
      })(),
    );
    expect(answers.at(-1)!.slice(0, 2)).toEqual([4, INVALID]);
    expect(groups).toHaveLength(1);
    expect(held(bench)).toEqual(before);
    const refused = bench.kernel.faults.filter(({ name }) => name === 'INVALID_PPR_REQUEST');
    expect(refused.map(({ access, pasid, address }) => [access, pasid, address])).toEqual([
      ['page request', PASID, BigInt(AT)],
    ]);
  });

  it.each([
    ['are answered by a unit that can', 1, 3],
    ['are lost without an answer where the unit cannot', 0, 0],
  ])('that overflow the log %s, and afterwards the log goes on.', (_, PPRAutoRspSup, automatic) => {
    const { bench, driver, device, answers } = asking({ efr: { PPRAutoRspSup } });
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const onPageRequest = (group: PageRequestGroup): void => {
          asked++;
          bench.engine.spawn(group.respond('invalid'));
        };
        yield* domain.attach(device, { pasid: PASID, onPageRequest });
      })(),
    );
    // The processor is busy for a while: no interrupt comes.
    bench.unit.write(CONTROL, 8, bench.unit.read(CONTROL, 8) & ~PPR_INT_EN);
    for (let i = 0; i < 514; i++) request(bench, device, { group: i % 512 });
    bench.engine.run();
    expect(answers.map(([, code, pasid]) => [code, pasid])).toEqual(new Array(automatic).fill([SUCCESS, PASID]));
    bench.kernel.interrupt(0xfee0_0000, bench.unit.pci.dataOf(0));
    bench.engine.run();
    expect(asked).toBe(511);
    expect(answers).toHaveLength(511 + automatic);
    expect(bench.unit.read(STATUS, 8) & PPR_BITS).toBe(PPR_LOG_RUN);
    expect(bench.kernel.log.toString()).toContain('amdvi0: page requests were lost, the PPR log was full');
    request(bench, device, { group: 9 });
    bench.engine.run();
    expect(asked).toBe(512);
  });

  it.each([
    [256, 8],
    [4096, 12],
  ])('have as many places as the kernel is told, of which one stays free: %i.', (places, length) => {
    const options = { kernel: { pageRequestPlaces: places }, efr: { PPRAutoRspSup: 1 } };
    const { bench, driver, device, answers } = asking(options);
    // PPRLogLen: 2^n entries.
    expect((bench.unit.read(PPR_LOG_BASE, 8) >> 56n) & 0xfn).toBe(BigInt(length));
    let asked = 0;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(device, { pasid: PASID, onPageRequest: () => void asked++ });
      })(),
    );
    bench.unit.write(CONTROL, 8, bench.unit.read(CONTROL, 8) & ~PPR_INT_EN);
    for (let i = 0; i < places; i++) request(bench, device, { group: i % 512 });
    bench.engine.run();
    expect(answers.map(([group]) => group)).toEqual([(places - 1) % 512]);
    bench.kernel.interrupt(0xfee0_0000, bench.unit.pci.dataOf(0));
    bench.engine.run();
    expect(asked).toBe(places - 1);
  });

  it('end in a bounded time when the unit does not do what it is told.', () => {
    const { bench, driver, device } = asking();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(device, { pasid: PASID });
        bench.tap = (offset) => offset !== COMMAND_TAIL;
        request(bench, device);
        expect(yield* domain.detach(device, PASID)).toBe(-EIO);
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('the command buffer does not finish');
  });
});

describe('A device that does not answer invalidations', () => {
  it.each([
    ['once', 1, 0],
    ['ever', 100, -EIO],
  ])('%s: the batch is submitted again, up to three times.', (_, silent, result) => {
    const { bench, driver, device } = asking();
    let asked = 0;
    const { unit } = bench;
    unit.devices.awaitsCompletions = true;
    unit.devices.taker = (message: DeviceMessage) => {
      if (message.kind !== 'invalidate' || asked++ < silent) return;
      unit.completeInvalidation({ requester: device.rid, tags: 1 << message.tag!, count: 1 });
    };
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 1);
        yield* domain.attach(device);
        asked = 0;
        expect(yield* bench.kernel.iommu.unmap(domain, IOVA_PAGE, 1)).toBe(result);
        expect(asked).toBe(Math.min(silent, 3) + 1);
        if (result === 0) bench.kernel.allocator.release(frame);
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('amdvi0: 0000:00:02.0 does not answer invalidations');
  });
});
