/** Page requests and blocked DMA reach the program that has the device, and each request is answered once. */
import { describe, expect, it } from 'vitest';
import { EBADF, EFAULT, EINVAL, IOMMU_FAULT, VFIO_DETACH_IOASID_2 } from '../../src/uapi/index.ts';
import { COOKIE, type Fault, type Listener, listening, pciDevice, VENDORS } from './fault-queue-bench.ts';
import { AT, INVALID, IOVA_PAGE, SUCCESS } from './page-request-bench.ts';
import { behind, dmaRead, dmaWrite } from './scalable-bench.ts';
import { COOKIES } from './v2-bench.ts';

const READ_ONLY = 1;
/** Reasons. */
const PTE_FETCH = 5;
const PERMISSION = 6;

const FAILURE = 2;
/** RECOVERABLE and LAST_PAGE. */
const LAST_REQUEST = 3;
const LOST = 4;
const PLACES = 256;
/** Code of a response on the wire: Response Failure. */
const RESPONSE_FAILURE = 15;

/** The first record that there is to read. */
function* oneFault(listener: Listener) {
  const faults = yield* listener.faults(1);
  if (typeof faults === 'number' || faults[0] === undefined) throw new Error('there is nothing to read');
  return faults[0];
}

describe.each(VENDORS)('On %s a program', (_, make) => {
  it('is told of a page request, maps the page and answers.', () => {
    const listener = listening(make);
    const { bench, answers } = listener;
    listener.ask({ group: 9, write: true });
    bench.engine.run();
    bench.run(
      (function* () {
        const fault: Fault = yield* oneFault(listener);
        expect(fault).toEqual({
          argsz: 48,
          flags: LAST_REQUEST,
          ioasid: listener.ioasid,
          perm: 3,
          addr: BigInt(AT),
          group: 1,
          reason: 0,
          vpasid: 0,
          dev_cookie: COOKIE,
        });
        const memory = yield* listener.memory(Uint8Array.of(55), 4096);
        expect(yield* listener.map(listener.ioasid, BigInt(AT), memory, 4096n)).toBe(0);
        expect(yield* listener.respond({ group: fault.group, code: SUCCESS })).toBe(32);
        expect(yield* listener.faults()).toEqual([]);
      })(),
    );
    expect(answers).toEqual([[9, SUCCESS]]);
  });

  it('gets the requests of a group one by one, and answers them together.', () => {
    const listener = listening(make);
    listener.ask({ group: 4, last: false });
    listener.ask({ group: 4, address: AT + 4096 });
    listener.bench.engine.run();
    const faults = listener.bench.run(listener.faults());
    expect(faults).toMatchObject([
      { flags: 1, addr: BigInt(AT), group: 1 },
      { flags: LAST_REQUEST, addr: BigInt(AT + 4096), group: 1 },
    ]);
    expect(listener.bench.run(listener.respond({ group: 1, code: FAILURE }))).toBe(32);
    expect(listener.answers).toEqual([[4, RESPONSE_FAILURE]]);
  });

  it('cannot answer what it was not asked, twice, or wrongly.', () => {
    const listener = listening(make);
    const { bench, program, iommuFd } = listener;
    listener.ask();
    bench.engine.run();
    bench.run(
      (function* () {
        expect(yield* listener.respond({ group: 2 })).toBe(-EINVAL);
        expect(yield* listener.respond({ group: 1, code: 3 })).toBe(-EINVAL);
        expect(yield* listener.respond({ group: 1, flags: 1 })).toBe(-EINVAL);
        expect(yield* listener.respond({ group: 1, argsz: 40 })).toBe(-EINVAL);
        expect(yield* listener.respond({ group: 1, ioasid: listener.ioasid + 1 })).toBe(-EINVAL);
        expect(yield* listener.respond({ group: 1, dev_cookie: 1n })).toBe(-EINVAL);
        expect(yield* program.writeFile(iommuFd, new Uint8Array(31))).toBe(-EINVAL);
        expect(yield* program.writeFile(iommuFd, new Uint8Array(0))).toBe(-EINVAL);
        expect(yield* program.system.write(iommuFd, 0x10n, 32)).toBe(-EFAULT);
        expect(listener.answers).toEqual([]);
        expect(yield* listener.respond({ group: 1, code: INVALID })).toBe(32);
        expect(yield* listener.respond({ group: 1, code: INVALID })).toBe(-EINVAL);
      })(),
    );
    expect(listener.answers).toEqual([[1, INVALID]]);
  });

  it('reads whole records only, and loses none that it could not read.', () => {
    const listener = listening(make);
    const { bench, program, iommuFd } = listener;
    for (const group of [5, 6, 7]) listener.ask({ group });
    bench.engine.run();
    bench.run(
      (function* () {
        expect(yield* program.readFile(iommuFd, IOMMU_FAULT.bytes - 1)).toBe(-EINVAL);
        expect(yield* program.system.read(iommuFd, 0x10n, 4096)).toBe(-EFAULT);
        const some = yield* program.readFile(iommuFd, 2 * IOMMU_FAULT.bytes + 47);
        expect(some).toHaveLength(2 * 48);
        expect(yield* oneFault(listener)).toMatchObject({ group: 3 });
        expect(yield* listener.faults()).toEqual([]);
        expect(yield* program.system.read(99, 0n, 48)).toBe(-EBADF);
        expect(yield* program.system.read(listener.deviceFds[0]!, 0n, 48)).toBe(-EINVAL);
      })(),
    );
  });

  it('that polls is woken by the next fault, and not before.', () => {
    const listener = listening(make);
    const { bench, program, iommuFd } = listener;
    bench.run(
      (function* () {
        const began = bench.engine.now;
        expect(yield* program.poll(iommuFd, 5_000)).toBe(0);
        expect(bench.engine.now - began).toBeGreaterThanOrEqual(5_000_000);
        expect(yield* program.poll(iommuFd, 0)).toBe(0);
        expect(yield* program.poll(iommuFd, -1)).toBe(-EINVAL);
        const poll = bench.engine.spawn(program.poll(iommuFd, 1_000_000_000));
        const asked = bench.engine.now;
        listener.ask();
        expect(yield poll.done).toBe(1);
        expect(bench.engine.now - asked).toBeLessThan(100_000_000);
        expect(yield* program.poll(iommuFd, 0)).toBe(1);
      })(),
    );
  });

  it('hears of blocked DMA, of which device it was and why.', () => {
    const listener = listening(make);
    const { bench, ioasid } = listener;
    const device = bench.run(listener.startPlain());
    bench.run(
      (function* () {
        const memory = yield* listener.memory(Uint8Array.of(55), 4096);
        expect(yield* listener.map(ioasid, BigInt(AT), memory, 4096n, READ_ONLY)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe(55);
        expect(yield* dmaRead(bench, device, { address: AT + 4096 })).toBeTypeOf('string');
        yield* dmaWrite(bench, device, { address: AT });
      })(),
    );
    const common = { argsz: 48, flags: 0, ioasid, group: 0, vpasid: 0, dev_cookie: COOKIES[0] };
    expect(bench.run(listener.faults())).toEqual([
      { ...common, perm: 1, addr: BigInt(AT + 4096), reason: PTE_FETCH },
      { ...common, perm: 2, addr: BigInt(AT), reason: PERMISSION },
    ]);
  });

  it('that reads nothing is told afterwards that it has missed something.', () => {
    const listener = listening(make);
    const { bench } = listener;
    const device = bench.run(listener.startPlain());
    const fault = () => bench.run(dmaRead(bench, device, { address: AT }));
    for (let i = 0; i < PLACES; i++) listener.ask({ group: i });
    bench.engine.run();
    fault();
    expect(bench.run(listener.respond({ group: 1 }))).toBe(32);
    fault();
    const flags = [];
    for (let i = 0; i < 4; i++) {
      for (const one of bench.run(listener.faults()) as Fault[]) flags.push(one.flags);
    }
    expect(flags).toEqual([...new Array(PLACES - 1).fill(LAST_REQUEST), LOST]);
  });

  it('that does not answer has its requests refused when there is no room.', () => {
    const listener = listening(make);
    const { bench, answers } = listener;
    for (let i = 0; i < PLACES + 2; i++) listener.ask({ group: i });
    bench.engine.run();
    expect(answers).toEqual([
      [PLACES, INVALID],
      [PLACES + 1, INVALID],
    ]);
    const read = bench.run(listener.faults());
    expect(read).toHaveLength(64);
    // What has been read keeps its place until it is answered.
    listener.ask({ group: 300 });
    bench.engine.run();
    expect(answers).toHaveLength(3);
    expect(bench.run(listener.respond({ group: 1 }))).toBe(32);
    listener.ask({ group: 301 });
    bench.engine.run();
    expect(answers).toHaveLength(4);
    expect(bench.run(listener.respond({ group: 257 }))).toBe(32);
    expect(answers.at(-1)).toEqual([301, SUCCESS]);
  });

  it.each<[string, (listener: Listener) => Generator]>([
    [
      'detaches the device',
      ({ program, deviceFds, iommuFd, ioasid }) =>
        program.ioctl(deviceFds[0]!, VFIO_DETACH_IOASID_2, { iommu_fd: iommuFd, ioasid }),
    ],
    ['gives the device back', ({ program, deviceFds }) => program.close(deviceFds[0]!)],
    ['closes the context', ({ program, iommuFd }) => program.close(iommuFd)],
    ['ends', ({ program }) => program.exit()],
  ])('that %s leaves no request without an answer, and has nothing to answer any more.', (what, leave) => {
    const listener = listening(make);
    const { bench, answers, program, iommuFd } = listener;
    listener.ask({ group: 1 });
    listener.ask({ group: 2 });
    bench.engine.run();
    bench.run(oneFault(listener));
    expect(answers).toEqual([]);
    expect(bench.run(leave(listener) as never)).toBe(0);
    expect([...answers].sort()).toEqual([
      [1, INVALID],
      [2, INVALID],
    ]);
    listener.ask({ group: 3 });
    bench.engine.run();
    expect(answers.at(-1)).toEqual([3, INVALID]);
    if (what.startsWith('ends')) return;
    const isClosed = what.startsWith('closes');
    expect(bench.run(program.writeFile(iommuFd, new Uint8Array(32)))).toBe(isClosed ? -EBADF : -EINVAL);
    if (!isClosed) {
      expect(bench.run(listener.respond({ group: 1 }))).toBe(-EINVAL);
      expect(bench.run(listener.faults())).toEqual([]);
    }
  });

  it('is told of a page that a device asks its driver for as of any other.', () => {
    const listener = listening(make);
    const { bench } = listener;
    const { driver } = behind(bench);
    listener.ask({ group: 9 });
    bench.engine.run();
    const request = { page: IOVA_PAGE, read: true, write: false, execute: false, privileged: false };
    const told = bench.engine.spawn(driver.attachments.reportPageFault(pciDevice(bench), request));
    bench.engine.run();
    const faults = bench.run(listener.faults()) as Fault[];
    expect(faults).toHaveLength(2);
    expect({ ...faults[1], group: 1 }).toEqual(faults[0]);
    expect(told.ended).toBe(false);
    expect(bench.run(listener.respond({ group: 2, code: INVALID }))).toBe(32);
    expect(told.result).toBe('invalid');
    expect(listener.answers).toEqual([]);
  });
});
