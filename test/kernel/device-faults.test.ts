/**
 * A device that tells of missing pages in its own way: its driver reports them on the ioasid that it is attached to, its program is
 * told and answers as of page requests, and each stop of the device has one answer.
 */
import { describe, expect, it } from 'vitest';
import { ns, type Script, us } from '../../hardware/sim/index.ts';
import { VFIO_ATTACH_IOASID_2, VFIO_DEVICE_GET_REGION_INFO, VfioAttachFlag } from '../../src/uapi/index.ts';
import { named, PAGE } from './machine-bench.ts';
import { SOFT } from './software-bench.ts';
import { everything, STALL, STALL_BENCHES, STALL_COOKIE, STALL_DEV, type StallBench, Stalling } from './stall-bench.ts';

const K4 = BigInt(PAGE);
const IOVA = 0x40_0000n;
const [SUCCESS, INVALID, FAILURE] = [0, 1, 2];
/** RECOVERABLE and LAST_PAGE; WRITE. */
const ASKED = 3;
const WRITE = 2;
const REFUSED = { ok: false, error: 'NO_TRANSLATION', faultAddress: IOVA };
/** Registers of the device. */
const STATUS = 0x0c;
const ADDRESS = 0x10;
const PASID = 0x18;

function on(all: StallBench, body: (s: Stalling) => Script): void {
  all.bench.run(body(new Stalling(all)));
}

/** What the device says instead of the truth, by register. */
function lie({ device }: StallBench, words: Readonly<Record<number, readonly number[]>>): void {
  const { stalls } = device;
  const read = stalls.registerRead.bind(stalls);
  stalls.registerRead = (offset, into, length) => {
    const said = words[offset];
    if (said === undefined) read(offset, into, length);
    else into.set(new Uint8Array(Uint32Array.from(said).buffer).subarray(0, length));
  };
}

/** The device interrupts, as it does for a stop. */
function* interrupt({ device }: StallBench): Script {
  yield* device.function.interrupt(1);
  yield us(10);
}

describe.each(STALL_BENCHES)('Behind %s a device that stops where a page is missing', (_, make) => {
  it('has its program asked, and goes on when the page is there', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      const { fault, write } = yield* s.stop(IOVA + 0x10n);
      expect(fault).toEqual({
        argsz: 48,
        flags: ASKED,
        ioasid: s.root,
        perm: WRITE,
        addr: IOVA,
        group: 1,
        reason: 0,
        vpasid: 0,
        dev_cookie: STALL_COOKIE,
      });
      expect(write.ended).toBe(false);
      const memory = yield* s.program.mmap(PAGE);
      yield* s.map(s.root, IOVA, memory, K4);
      expect(yield* s.answer(fault.group, SUCCESS)).toBe(32);
      yield write.done;
      expect(write.result.ok).toBe(true);
      yield us(5);
      expect(s.program.read(memory + 0x10n, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
      expect(all.answers).toEqual([[1, true]]);
      expect(yield* s.faults()).toEqual([]);
    });
  });

  it.each([INVALID, FAILURE])('ends its transfer when the answer is %d, and takes no second answer', (code) => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      const { fault, write } = yield* s.stop(IOVA);
      expect(yield* s.answer(fault.group, code)).toBe(32);
      expect(yield* named(s.answer(fault.group, SUCCESS))).toBe('-EINVAL');
      yield write.done;
      expect(write.result).toEqual(REFUSED);
      expect(all.answers).toEqual([[1, false]]);
    });
  });

  it('asks again when it is told of a page that is not there', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      const { fault, write } = yield* s.stop(IOVA);
      yield* s.answer(fault.group, SUCCESS);
      expect(yield* s.program.poll(s.iommuFd, 1e6)).toBe(1);
      expect(yield* s.faults()).toMatchObject([{ group: 2, addr: IOVA }]);
      yield* s.answer(2, INVALID);
      yield write.done;
      expect(all.answers).toEqual([
        [1, true],
        [2, false],
      ]);
    });
  });

  it.each([
    ['is detached', (s: Stalling) => s.detach(STALL, s.root), [[1, false]]],
    ['loses the descriptor that would answer', (s: Stalling) => s.program.close(s.iommuFd), [[1, false]]],
    // Then the driver has let the transfer end: no answer follows, which would reach whoever has the device next.
    ['is given back', (s: Stalling) => s.program.close(s.deviceFds[STALL]!), []],
    ['loses its process', (s: Stalling) => s.program.exit(), [[1, false]]],
  ] as const)('waits no more, and is answered once, when it %s', (__, end, answers) => {
    const all = make();
    const before = everything(all);
    on(all, function* (s) {
      yield* s.start();
      yield* s.stop(IOVA);
      expect(yield* end(s)).toBe(0);
      yield us(20);
      expect(all.device.state.stalls).toMatchObject({ stops: 1, aborts: 1 });
      expect(all.answers).toEqual(answers);
      yield* s.program.exit();
    });
    expect(everything(all)).toEqual(before);
  });

  it('is refused when its program has no room for more faults', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      yield* s.attach(SOFT, s.root);
      // Each START of the software engine is a read of what is not mapped.
      const start = Uint8Array.of(1, 0, 0, 0);
      for (let i = 0; i < 256; i++) yield* s.program.pwrite(s.deviceFds[SOFT]!, start, 0x18n);
      const engine = yield* s.engine(STALL);
      expect(yield* engine.write(IOVA, Uint8Array.of(1))).toEqual(REFUSED);
      expect(all.answers).toEqual([[1, false]]);
      // Places are free again when they are read.
      for (let read = 0; read < 256; read += 64) expect(yield* s.faults()).toHaveLength(64);
      const { fault, write } = yield* s.stop(IOVA);
      yield* s.answer(fault.group, INVALID);
      yield write.done;
      expect(all.answers).toEqual([
        [1, false],
        [2, false],
      ]);
    });
  });

  it('is asked about once at a time, however often it interrupts', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      // It has stopped, it says, for a write, again and again somewhere else.
      lie(all, { [STATUS]: [3], [ADDRESS]: [0x7000, 0], [PASID]: [0] });
      for (let i = 0; i < 100; i++) yield* interrupt(all);
      expect(yield* s.faults()).toHaveLength(1);
      expect(all.answers).toEqual([]);
      yield* s.answer(1, SUCCESS);
      for (let i = 0; i < 100; i++) yield* interrupt(all);
      expect(yield* s.faults()).toHaveLength(1);
      expect(all.answers).toEqual([[0, true]]);
    });
  });

  it.each([
    ['an address that is not canonical', { [STATUS]: [3], [ADDRESS]: [0, 0x8000_0000], [PASID]: [0] }],
    ['privileged mode', { [STATUS]: [0b1011], [ADDRESS]: [0x7000, 0], [PASID]: [0] }],
    ['reading and executing', { [STATUS]: [0b0101], [ADDRESS]: [0x7000, 0], [PASID]: [0] }],
    ['a PASID that leads nowhere', { [STATUS]: [3], [ADDRESS]: [0x7000, 0], [PASID]: [0x800f_ffff] }],
  ])('is refused %s, and nobody is asked', (__, words) => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      lie(all, words);
      yield* interrupt(all);
      expect(all.answers).toEqual([[0, false]]);
      expect(yield* s.faults()).toEqual([]);
    });
  });

  it.each([
    ['has not stopped', [0]],
    ['is not there any more', [0xffff_ffff]],
  ])('is not answered when it interrupts and %s', (__, status) => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      lie(all, { [STATUS]: status, [ADDRESS]: [0xffff_ffff, 0xffff_ffff], [PASID]: [0xffff_ffff] });
      for (let i = 0; i < 3; i++) yield* interrupt(all);
      expect(all.answers).toEqual([]);
      expect(yield* s.faults()).toEqual([]);
    });
  });

  it('is refused where it is attached to nothing', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      yield* s.detach(STALL, s.root);
      lie(all, { [STATUS]: [3], [ADDRESS]: [0x7000, 0], [PASID]: [0] });
      yield* interrupt(all);
      expect(all.answers).toEqual([[0, false]]);
    });
  });

  it('keeps the registers of its stops from its program', () => {
    on(make(), function* (s) {
      yield* s.start();
      const fd = s.deviceFds[STALL]!;
      const { value } = yield* s.program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, { index: 2 });
      expect(value).toMatchObject({ size: 0n, flags: 0 });
      expect(yield* s.program.pread(fd, 4, value.offset)).toBe(-22);
      expect(yield* s.program.pwrite(fd, Uint8Array.of(1, 0, 1, 0), value.offset + 0x1cn)).toBe(-22);
    });
  });

  it('does not stop when there is no interrupt for it, and its program is none the worse', () => {
    const all = make();
    const { interrupts, log } = all.bench.kernel;
    const before = everything(all);
    on(all, function* (s) {
      const taken = Array.from({ length: 300 }, () => interrupts.allocate('taken', function* () {}));
      yield* s.start();
      const engine = yield* s.engine(STALL);
      expect(yield* engine.write(IOVA, Uint8Array.of(1))).toEqual(REFUSED);
      expect(yield* s.faults()).toEqual([]);
      expect(log.toString()).toContain('it does not stop where a page is missing: -ENOSPC');
      for (const message of taken) if (typeof message !== 'number') interrupts.free(message);
      yield* s.program.close(s.deviceFds[STALL]!);
      s.deviceFds[STALL] = yield* s.program.open(STALL_DEV);
      expect(yield* s.bindStall()).toBe(0);
      yield* s.attach(STALL, s.root);
      const { fault, write } = yield* s.stop(IOVA);
      yield* s.answer(fault.group, INVALID);
      yield write.done;
      yield* s.program.exit();
    });
    expect(everything(all)).toEqual(before);
  });

  it('belongs to its next process as if nobody had had it', () => {
    const all = make();
    on(all, function* (s) {
      yield* s.start();
      yield* s.stop(IOVA);
      yield* s.program.exit();
      const next = yield* new Stalling(all).start();
      const { fault, write } = yield* next.stop(IOVA);
      expect(fault).toMatchObject({ group: 1, ioasid: next.root });
      yield* next.answer(1, INVALID);
      yield write.done;
      expect(all.answers).toEqual([
        [1, false],
        [2, false],
      ]);
    });
  });

  it('has plain DMA and no interrupt where devices are not trusted', () => {
    const all = make({ trustDevices: false });
    on(all, function* (s) {
      yield* s.start();
      const engine = yield* s.engine(STALL);
      const read = yield* engine.read(IOVA, 4);
      // As of any blocked read.
      expect(read.ok ? 'data' : read.error).toMatch(/^(UNSUPPORTED_REQUEST|COMPLETER_ABORT)$/);
      const names = s.bench.kernel.interrupts.counts.handled.map(({ name }) => name);
      expect(names.some((name) => name.includes('stop'))).toBe(false);
      yield ns(1);
    });
  });
});

describe('Without its own registers a device of this kind', () => {
  it('does not stop either', () => {
    const all = STALL_BENCHES[0]![1]();
    const bars = all.bench.kernel.devices.find(({ device }) => device === 4)!.bars as Map<number, unknown>;
    bars.delete(2);
    on(all, function* (s) {
      yield* s.start();
      const engine = yield* s.engine(STALL);
      expect(yield* engine.write(IOVA, Uint8Array.of(1))).toEqual(REFUSED);
      expect(all.bench.kernel.log.toString()).toContain('it does not stop where a page is missing: -ENODEV');
    });
  });
});

describe('Behind VT-d, where requests with a PASID can go elsewhere, a device that stops', () => {
  it('is heard in the space that the PASID of its access leads to', () => {
    const all = STALL_BENCHES[0]![1]();
    on(all, function* (s) {
      yield* s.start();
      const other = yield* s.alloc({ addr_width: 39 });
      const marked = { iommu_fd: s.iommuFd, ioasid: other, flags: VfioAttachFlag.VPASID, vpasid: 5 };
      const attached = yield* s.program.ioctl(s.deviceFds[STALL]!, VFIO_ATTACH_IOASID_2, marked);
      expect(attached).toBe(0);
      const { fault, write } = yield* s.stop(IOVA, { pasid: 5 });
      expect(fault).toMatchObject({ flags: ASKED, ioasid: other, addr: IOVA, vpasid: 0 });
      expect(yield* named(s.answer(fault.group, SUCCESS))).toBe('-EINVAL');
      expect(yield* s.answer(fault.group, INVALID, other)).toBe(32);
      yield write.done;
      expect(all.answers).toEqual([[1, false]]);
    });
  });
});
