/** A mediated device that is all software copies in spaces that hardware is attached to as well: SW TABLE mode. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { IOMMU_GET_DIRTY_BITMAP, IOMMU_SET_DIRTY_TRACKING, IommuIoasidFlag } from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { held, type MachineBench, named, PAGE } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { AT, GREETING, on, REGISTER, SOFT, SOFT_COOKIE, Software, words } from './software-bench.ts';

const K4 = BigInt(PAGE);
const { DIRTY_TRACKING } = IommuIoasidFlag;
const READ = 1;
const WRITE = 2;
/** Reasons, and flags of records. */
const PTE_FETCH = 5;
const PERMISSION = 6;
const ASKED = 3;
const SUCCESS = 0;
const INVALID = 1;

const VENDORS: readonly (readonly [string, () => MachineBench])[] = [
  ['VT-d', () => scalableBench()],
  ['AMD-Vi', () => AmdBench.up({ efr: GUEST_EFR })],
];

type Name = 'iommu' | 'hardware' | 'software';
/** Every order. */
const ORDERS: readonly (readonly [readonly Name[]])[] = [
  [['iommu', 'hardware', 'software']],
  [['iommu', 'software', 'hardware']],
  [['hardware', 'iommu', 'software']],
  [['hardware', 'software', 'iommu']],
  [['software', 'iommu', 'hardware']],
  [['software', 'hardware', 'iommu']],
];

const { ADDRESS, LENGTH, COMMAND, STATUS, BUFFER } = REGISTER;
const NINES = new Uint8Array(PAGE).fill(9);
const START_WRITE = 3;

/** Lets the device write a page of nines, and does not wait for it: copying a page takes longer than the next call. */
function* start(s: Software, iova: bigint): Script {
  const fd = s.deviceFds[SOFT]!;
  yield* s.program.pwrite(fd, NINES, BUFFER);
  yield* s.program.pwrite(fd, words(Number(iova), 0), ADDRESS);
  yield* s.program.pwrite(fd, words(PAGE), LENGTH);
  yield* s.program.pwrite(fd, words(START_WRITE), COMMAND);
}

describe.each(VENDORS)('Beside a unit of %s a device in software', (_, make) => {
  it('takes no slot: no group, no domain, no entry, and hardware is attached beside it (invariant 6)', () => {
    const bench = make();
    on(bench, function* (s) {
      yield* s.begin(0, 1);
      const { driver } = bench.kernel.iommu.groups[0]!;
      const root = yield* s.alloc();
      const memory = yield* s.memory(GREETING, PAGE);
      yield* s.map(root, AT, memory, K4);
      const before = { ...held(bench), pinned: bench.kernel.pages.pinned };
      expect(yield* s.attach(SOFT, root)).toBe(0);
      expect({ ...held(bench), pinned: bench.kernel.pages.pinned }).toEqual(before);
      expect(bench.kernel.iommu.groups.map((group) => driver.attachments.uses(group.devices[0]!))).not.toContain(true);
      for (const device of [0, 1]) expect(yield* s.attach(device, root)).toBe(0);
      for (const device of [0, 1, SOFT]) {
        const engine = yield* s.engine(device);
        expect(yield* engine.read(AT, GREETING.length)).toEqual({ ok: true, data: GREETING });
      }
      for (const device of [0, 1]) expect(yield* s.detach(device, root)).toBe(0);
      const soft = yield* s.engine(SOFT);
      expect((yield* soft.read(AT, 1)).ok).toBe(true);
    });
  });

  it('copies from one address to another, across pages', () => {
    on(make(), function* (s) {
      yield* s.begin();
      const { memory, engine } = yield* s.standing();
      const from = memory + 2n * K4 - 3n;
      s.program.write(from, GREETING);
      const read = yield* engine.read(AT + 2n * K4 - 3n, GREETING.length);
      expect(read).toEqual({ ok: true, data: GREETING });
      expect((yield* engine.write(AT + 3n * K4 - 5n, GREETING)).ok).toBe(true);
      expect(s.program.read(memory + 3n * K4 - 5n, GREETING.length)).toEqual(GREETING);
    });
  });

  it('is refused what is mapped for less, or not at all, and its program is told as of any fault', () => {
    on(make(), function* (s) {
      yield* s.begin();
      const { root, memory, engine } = yield* s.standing();
      yield* s.map(root, 0x20_0000n, memory, K4, READ);
      yield* s.map(root, 0x20_1000n, memory, K4, WRITE);
      const refused = { ok: false, error: 'NO_TRANSLATION' };
      expect(yield* engine.write(0x20_0010n, GREETING)).toEqual({ ...refused, faultAddress: 0x20_0010n });
      expect(yield* engine.read(0x20_1010n, 4)).toEqual({ ...refused, faultAddress: 0x20_1010n });
      expect(yield* engine.read(0x30_0004n, 4)).toEqual({ ...refused, faultAddress: 0x30_0004n });
      expect(yield* engine.read(AT + 4n * K4 - 2n, 4)).toEqual({ ...refused, faultAddress: AT + 4n * K4 });
      expect(yield* engine.read(2n ** 64n - 2n, 4)).toEqual({ ...refused, faultAddress: 2n ** 64n - 2n });
      expect(s.program.read(memory, GREETING.length)).toEqual(GREETING);
      const told = { flags: 0, ioasid: root, group: 0, vpasid: 0, dev_cookie: SOFT_COOKIE };
      expect(yield* s.faults()).toMatchObject([
        { ...told, perm: WRITE, addr: 0x20_0000n, reason: PERMISSION },
        { ...told, perm: READ, addr: 0x20_1000n, reason: PERMISSION },
        { ...told, perm: READ, addr: 0x30_0000n, reason: PTE_FETCH },
        { ...told, perm: READ, addr: AT + 4n * K4, reason: PTE_FETCH },
        { ...told, perm: READ, addr: 2n ** 64n - K4, reason: PTE_FETCH },
      ]);
    });
  });

  it('uses a nested space as its mappings and its parent’s say together, and loses what the parent loses', () => {
    on(make(), function* (s) {
      yield* s.begin();
      const { root, memory, engine } = yield* s.standing();
      yield* s.map(root, 0x20_0000n, memory, K4, READ);
      const child = yield* s.alloc({ parent_ioasid: root });
      expect(yield* s.attach(SOFT, child)).toBe(0);
      expect(yield* s.map(child, 0x5000n, AT, K4)).toBe(0);
      expect(yield* s.map(child, 0x6000n, 0x20_0000n, K4)).toBe(0);
      expect(yield* engine.read(0x5000n, GREETING.length)).toEqual({ ok: true, data: GREETING });
      expect((yield* engine.read(0x6000n, 1)).ok).toBe(true);
      expect((yield* engine.write(0x6000n, GREETING)).ok).toBe(false);
      expect((yield* engine.read(AT, 1)).ok).toBe(false);
      yield* s.unmap(root, AT, 4n * K4);
      expect((yield* engine.read(0x5000n, 1)).ok).toBe(false);
      expect(yield* named(s.detach(SOFT, root))).toBe('-EBUSY');
      expect(yield* s.detach(SOFT, child)).toBe(0);
      expect((yield* engine.read(0x20_0000n, 1)).ok).toBe(true);
    });
  });

  it('waits for a page that its program maps, answers for, or refuses', () => {
    const bench = make();
    on(bench, function* (s) {
      yield* s.begin();
      const { root, memory, engine } = yield* s.standing();
      const ask = (iova: bigint) => bench.engine.spawn(engine.read(iova, 4, { requestPages: true }));
      const served = ask(0x40_0000n);
      expect(yield* s.program.poll(s.iommuFd, 1e6)).toBe(1);
      const asked = { flags: ASKED, ioasid: root, perm: READ, vpasid: 0, dev_cookie: SOFT_COOKIE };
      expect(yield* s.faults()).toMatchObject([{ ...asked, addr: 0x40_0000n, group: 1 }]);
      yield* s.map(root, 0x40_0000n, memory, K4);
      expect(yield* s.respond(root, 1, SUCCESS)).toBe(32);
      yield served.done;
      expect(served.result).toEqual({ ok: true, data: GREETING.subarray(0, 4) });
      const refused = ask(0x50_0000n);
      yield* s.program.poll(s.iommuFd, 1e6);
      expect(yield* s.respond(root, 2, INVALID)).toBe(32);
      expect(yield* named(s.respond(root, 2, INVALID))).toBe('-EINVAL');
      yield refused.done;
      expect(refused.result).toMatchObject({ ok: false, error: 'NO_TRANSLATION' });
    });
  });

  it.each([
    ['is detached', (s: Software, root: number) => s.detach(SOFT, root)],
    ['loses the descriptor that would answer', (s: Software) => s.program.close(s.iommuFd)],
    ['is given back', (s: Software) => s.program.close(s.deviceFds[SOFT]!)],
    ['loses its process', (s: Software) => s.program.exit()],
  ] as const)('does not wait for ever for a page when it %s', (__, end) => {
    const bench = make();
    const before = { ...held(bench), pinned: 0 };
    on(bench, function* (s) {
      yield* s.begin();
      const { root, engine } = yield* s.standing();
      bench.engine.spawn(engine.write(0x40_0000n, GREETING, { requestPages: true }));
      yield* s.program.poll(s.iommuFd, 1e6);
      expect(yield* end(s, root)).toBe(0);
      yield* s.program.exit();
    });
    expect({ ...held(bench), pinned: bench.kernel.pages.pinned }).toEqual(before);
  });

  it.each(ORDERS)('leaves nothing behind when descriptors are closed in the order %s', (order) => {
    const bench = make();
    const before = { ...held(bench), pinned: 0 };
    on(bench, function* (s) {
      yield* s.begin(0);
      const { root, engine } = yield* s.standing();
      yield* s.attach(0, root);
      const child = yield* s.alloc({ parent_ioasid: root });
      yield* s.attach(SOFT, child);
      yield* s.map(child, 0n, AT, 2n * K4);
      bench.engine.spawn(engine.write(0n, new Uint8Array(PAGE)));
      const fds = { iommu: s.iommuFd, hardware: s.deviceFds[0]!, software: s.deviceFds[SOFT]! };
      for (const name of order) expect(yield* s.program.close(fds[name])).toBe(0);
      yield* s.program.exit();
    });
    expect({ ...held(bench), pinned: bench.kernel.pages.pinned }).toEqual(before);
  });

  it('is among those whose writes a program is told, in the space and in the one below', () => {
    on(make(), function* (s) {
      yield* s.begin();
      const root = yield* s.alloc({ flags: DIRTY_TRACKING });
      const child = yield* s.alloc({ parent_ioasid: root, flags: DIRTY_TRACKING });
      const memory = yield* s.program.mmap(4 * PAGE);
      yield* s.map(root, AT, memory, 4n * K4);
      for (const space of [root, child]) expect(yield* s.attach(SOFT, space)).toBe(0);
      yield* s.map(child, 0n, AT + K4, 2n * K4);
      const bitmap = yield* s.program.mmap(PAGE);
      const bits = function* (ioasid: number, iova: bigint, pages: bigint): Script<number> {
        const range = { ioasid, iova, length: pages * K4, page_size: K4, data: bitmap };
        s.program.write(bitmap, new Uint8Array(8));
        expect(yield* s.program.ioctl(s.iommuFd, IOMMU_GET_DIRTY_BITMAP, range)).toBe(0);
        return s.program.read(bitmap, 1)[0]!;
      };
      for (const ioasid of [root, child]) {
        expect(yield* s.program.ioctl(s.iommuFd, IOMMU_SET_DIRTY_TRACKING, { ioasid, flags: 1 })).toBe(0);
      }
      const engine = yield* s.engine(SOFT);
      yield* engine.read(0n, 8);
      expect(yield* bits(root, AT, 4n)).toBe(0);
      yield* engine.write(K4, GREETING);
      expect(yield* bits(child, 0n, 2n)).toBe(0b10);
      expect(yield* bits(root, AT, 4n)).toBe(0b100);
      expect(yield* bits(root, AT, 4n)).toBe(0);
    });
  });

  it('ends the copy of a page before the page is unmapped, and begins no other', () => {
    const bench = make();
    on(bench, function* (s) {
      yield* s.begin();
      const { root, engine } = yield* s.standing();
      yield* start(s, AT);
      const { pages } = bench.kernel;
      const unpin = pages.unpin.bind(pages);
      const unpinned: Uint8Array[] = [];
      pages.unpin = (frame) => {
        unpinned.push(bench.memory.read(frame * PAGE, PAGE)!.slice());
        unpin(frame);
      };
      expect(yield* s.unmap(root, AT, 4n * K4)).toBe(0);
      expect(unpinned).toHaveLength(4);
      expect(unpinned[0]).toEqual(NINES);
      expect(pages.pinned).toBe(0);
      expect((yield* engine.write(AT, NINES)).ok).toBe(false);
    });
  });

  it('ends the copy of a page before it is given back, and is as new for whoever has it next', () => {
    const bench = make();
    on(bench, function* (s) {
      yield* s.begin();
      const { memory } = yield* s.standing();
      yield* start(s, AT);
      yield* s.program.close(s.deviceFds[SOFT]!);
      expect(s.program.read(memory, PAGE)).toEqual(NINES);
      yield* s.program.exit();
      expect(bench.kernel.pages.pinned).toBe(0);
      const next = yield* new Software(bench, 'next').begin();
      const fd = next.deviceFds[SOFT]!;
      expect(yield* next.program.pread(fd, PAGE, BUFFER)).toEqual(new Uint8Array(PAGE));
      expect(yield* next.program.pread(fd, 8, ADDRESS)).toEqual(new Uint8Array(8));
      expect(yield* next.program.pread(fd, 4, STATUS)).toEqual(new Uint8Array(4));
    });
  });
});
