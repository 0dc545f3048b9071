/** A mediated device that is all software copies in spaces that hardware is attached to as well: SW TABLE mode. */
import { describe, expect, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import {
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_GET_INFO,
  IOMMU_DEVICE_GET_INFO,
  IommuFormat,
  IommuIoasidFlag,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DEVICE_GET_REGION_INFO,
  VfioAttachFlag,
} from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { DEV, engineOf, held, type MachineBench, map, named, PAGE, setUp } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { AT, GREETING, SOFT, SOFT_COOKIE, SOFT_DEV, Software } from './software-bench.ts';
import { COOKIES } from './v2-bench.ts';

const K4 = BigInt(PAGE);
const READ = 1;
const WRITE = 2;
const { DUMMY, USER_PGTABLE } = IommuIoasidFlag;
const { X86_4LEVEL } = IommuFormat;
const { VPASID } = VfioAttachFlag;
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

const NINES = new Uint8Array(PAGE).fill(9);
/** Registers and buffer of the data sheet. */
const ADDRESS = 0x08n;
const LENGTH = 0x10n;
const COMMAND = 0x18n;
const STATUS = 0x1cn;
const BUFFER = 0x1000n;
const START_WRITE = 3;

/** Lets the device write a page of nines, and does not wait for it: copying a page takes longer than the next call. */
function* start(s: Software, iova: bigint): Script {
  const fd = s.deviceFds[SOFT]!;
  yield* s.program.pwrite(fd, NINES, BUFFER);
  yield* s.program.pwrite(fd, words(Number(iova), 0), ADDRESS);
  yield* s.program.pwrite(fd, words(PAGE), LENGTH);
  yield* s.program.pwrite(fd, words(START_WRITE), COMMAND);
}

function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function on(bench: MachineBench, body: (s: Software) => Script): void {
  bench.run(body(new Software(bench)));
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
      yield* s.standing();
      yield* start(s, AT);
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

describe('A device in software, as its program sees it,', () => {
  const bench = () => scalableBench();

  it('can be bound once, and not under a name that another device has', () => {
    on(bench(), function* (s) {
      yield* s.begin(0);
      expect(yield* named(s.bindSoft())).toBe('-EBUSY');
      const other = s.bench.program('other');
      const iommu_fd = yield* other.open('/dev/iommu');
      const fd = yield* other.open(SOFT_DEV);
      expect(yield* named(other.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd, cookie: 1n }))).toBe('-EBUSY');
      expect(s.bench.kernel.addMediated('soft1')).toBe(0);
      const bind = function* (path: string, cookie: bigint): Script<string> {
        const another = yield* s.program.open(path);
        return yield* named(s.program.ioctl(another, VFIO_BIND_IOMMU_FD, { iommu_fd: s.iommuFd, cookie }));
      };
      for (const taken of [SOFT_COOKIE, COOKIES[0]]) {
        expect(yield* bind('/dev/vfio/devices/soft1', taken)).toBe('-EBUSY');
      }
      expect(yield* bind(DEV[1], SOFT_COOKIE)).toBe('-EBUSY');
    });
  });

  it('is inert before it is bound, and has one region', () => {
    on(bench(), function* (s) {
      const fd = yield* s.program.open(SOFT_DEV);
      s.deviceFds[SOFT] = fd;
      expect(yield* named(s.program.pwrite(fd, words(1), COMMAND))).toBe('-EINVAL');
      expect(yield* s.program.pread(fd, 4, 0n)).toBe(-22);
      expect(yield* named(s.attach(SOFT, 1))).toBe('-EINVAL');
      s.iommuFd = yield* s.program.open('/dev/iommu');
      expect(yield* s.bindSoft()).toBe(0);
      const sizes: bigint[] = [];
      for (let index = 0; index < 8; index++) {
        sizes.push((yield* s.program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, { index })).value.size);
      }
      expect(sizes).toEqual([0x4000n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]);
      expect(yield* s.program.pread(fd, 4, 0n)).toEqual(Uint8Array.of(1, 0x41, 0x4d, 0x44));
      expect(yield* s.program.pread(fd, 4, 0x4000n)).toBe(-22);
      expect(yield* s.program.pread(fd, 8, 0x2000n)).toEqual(new Uint8Array(8));
      expect(yield* s.program.pwrite(fd, NINES, 0x1ff8n)).toBe(PAGE);
      expect(yield* s.program.pread(fd, 16, 0x1ff0n)).toEqual(
        Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9),
      );
    });
  });

  it('is refused what every device is refused', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const [root, other] = [yield* s.alloc(), yield* s.alloc()];
      const child = yield* s.alloc({ parent_ioasid: root });
      const dummy = yield* s.alloc({ flags: DUMMY });
      expect(yield* named(s.attach(SOFT, 99))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, dummy))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, child))).toBe('-EINVAL');
      expect(yield* named(s.detach(SOFT, root))).toBe('-EINVAL');
      expect(yield* s.attach(SOFT, root)).toBe(0);
      expect(yield* named(s.attach(SOFT, root))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, other))).toBe('-EBUSY');
      expect(yield* named(s.free(root))).toBe('-EBUSY');
      expect(yield* s.attach(SOFT, child)).toBe(0);
      expect(yield* named(s.detach(SOFT, root))).toBe('-EBUSY');
      expect(yield* named(s.detach(SOFT, 99))).toBe('-EINVAL');
      expect(yield* s.detach(SOFT, child)).toBe(0);
      expect(yield* s.detach(SOFT, root)).toBe(0);
      expect(yield* s.free(child)).toBe(0);
      expect(yield* s.free(root)).toBe(0);
    });
  });

  it('has no PASIDs, and cannot use a table that its process keeps for hardware', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const { root, engine } = yield* s.standing();
      const marked = { iommu_fd: s.iommuFd, ioasid: root, flags: VPASID, vpasid: 5 };
      const child = yield* s.alloc({ parent_ioasid: root });
      const attach = s.program.ioctl(s.deviceFds[SOFT]!, VFIO_ATTACH_IOASID_2, { ...marked, ioasid: child });
      expect(yield* named(attach)).toBe('-EOPNOTSUPP');
      const users = { flags: USER_PGTABLE, type: 0, parent_ioasid: root, addr: AT, format: X86_4LEVEL, addr_width: 48 };
      const kept = yield* s.alloc(users);
      expect(kept).toBeGreaterThan(0);
      expect(yield* named(s.attach(SOFT, kept))).toBe('-EINVAL');
      const unsupported = { ok: false, error: 'UNSUPPORTED_REQUEST' };
      expect(yield* engine.read(AT, 4, { pasid: 5 })).toEqual(unsupported);
      expect(yield* engine.read(AT, 4, { addressType: 2 })).toEqual(unsupported);
      const fd = s.deviceFds[SOFT]!;
      yield* s.program.pwrite(fd, words(0x1001), LENGTH);
      yield* s.program.pwrite(fd, words(1), COMMAND);
      yield ns(1000);
      // DONE, ERROR and BAD_LENGTH.
      expect(yield* s.program.pread(fd, 4, STATUS)).toEqual(words(0x46));
    });
  });

  it('is one whose accesses are coherent, of any address, and nothing else', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const asked = { dev_cookie: SOFT_COOKIE };
      const { result, value } = yield* s.program.exchange(s.iommuFd, IOMMU_DEVICE_GET_INFO, asked);
      expect(result).toBe(0);
      expect(value).toMatchObject({
        flags: 7,
        pgsize_bitmap: 0x1000n,
        addr_width: 64,
        nesting: 1,
        formats: 0,
        pasid_bits: 0,
        num_ranges: 1,
      });
    });
  });

  it('makes a space of version 1 ready, in which a table of the process cannot be bound then', () => {
    const machine = bench();
    machine.kernel.addMediated('soft0');
    machine.run(
      (function* () {
        const s = yield* setUp(machine, 16 * PAGE, SOFT_DEV);
        expect(yield* map(s, AT, s.memory, K4)).toBe(0);
        const engine = yield* engineOf(s);
        expect((yield* engine.write(AT, GREETING)).ok).toBe(true);
        expect(s.program.read(s.memory, GREETING.length)).toEqual(GREETING);
        const info = yield* s.program.exchange(s.ioasidFd, IOASID_GET_INFO, { ioasid: s.ioasid });
        // MAP and SOFTWARE_NESTING.
        expect(info).toMatchObject({ result: 0, value: { flags: 9, addr_width: 64, formats: 0, num_ranges: 0 } });
        const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
        const table = { child_ioasid: child, addr: AT, vendor: 1, address_width: 48 };
        expect(yield* named(s.program.ioctl(s.ioasidFd, IOASID_BIND_PGTABLE, table))).toBe('-EINVAL');
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(0);
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(0);
        expect(machine.kernel.pages.pinned).toBe(0);
        expect(yield* named(map(s, AT, s.memory, K4))).toBe('-EINVAL');
      })(),
    );
  });

  it('comes and goes, but not while somebody has it', () => {
    on(bench(), function* (s) {
      const { kernel } = s.bench;
      expect(['soft0', 'dev0'].map((name) => kernel.addMediated(name))).toEqual([-17, -17]);
      expect(['', 'a/b', '..', 'a'.repeat(64)].map((name) => kernel.addMediated(name))).toEqual([-22, -22, -22, -22]);
      expect(['soft9', 'dev0'].map((name) => kernel.removeMediated(name))).toEqual([-19, -19]);
      yield* s.begin();
      expect(kernel.removeMediated('soft0')).toBe(-16);
      const late = yield* s.program.open(SOFT_DEV);
      yield* s.program.close(s.deviceFds[SOFT]!);
      expect(kernel.removeMediated('soft0')).toBe(0);
      expect(yield* named(s.program.open(SOFT_DEV))).toBe('-ENOENT');
      s.deviceFds[SOFT] = late;
      expect(yield* named(s.bindSoft())).toBe('-ENODEV');
    });
  });
});
