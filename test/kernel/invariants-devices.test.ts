/** Invariants of the proposal (sheet 5.5) about devices and where their requests go: each test is named after one. */
import { describe, expect, it } from 'vitest';
import { Access, Translation } from '../../hardware/iommu/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_ALLOC,
  IOASID_CREATE_NESTING,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DEVICE_GET_REGION_INFO,
} from '../../src/uapi/index.ts';
import { Bench, named } from './bench.ts';
import { marked, PASSING, PLATFORMS, take } from './dma-bench.ts';
import { DEV, type MachineBench, PAGE, RIDS, setUp } from './machine-bench.ts';
import { scalableBench, tapMemory } from './scalable-bench.ts';
import { COOKIES, Version2 } from './v2-bench.ts';
import { MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);
const [SNOOP, NO_SNOOP, DUMMY] = [4, 8, 32];
const GREETING = new TextEncoder().encode('hello, device');

/** Where device 0 would get to now; `undefined`: blocked. Nothing changes. */
function reached({ unit }: MachineBench, address: number): number | undefined {
  const t = new Translation();
  t.effects = false;
  t.requester = RIDS[0];
  t.access = Access.READ;
  t.hi = Math.floor(address / 2 ** 32);
  t.lo = address | 0;
  unit.translate(t);
  return t.fault === null ? (t.hpaHi >>> 0) * 2 ** 32 + (t.hpaLo >>> 0) : undefined;
}

describe.each(MACHINES)('On %s', (_, up) => {
  function withDevice(body: (s: Version2, bench: MachineBench) => Script): void {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Version2(bench).begin(0);
        yield* body(s, bench);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
  }

  it('4. A device is unusable before bind; bind leaves it blocked, attach and detach switch between that and a space.', () => {
    withDevice(function* (s, bench) {
      const { program } = s;
      const fresh = yield* program.open(DEV[1]);
      expect(yield* program.pread(fresh, 4, 0n)).toBe(-22);
      expect(yield* program.pwrite(fresh, new Uint8Array(4), 0n)).toBe(-22);
      expect(yield* named(program.ioctl(fresh, VFIO_DEVICE_GET_REGION_INFO, { index: 0 }))).toBe('-EINVAL');
      const memory = yield* s.memory(GREETING, PAGE);
      const root = yield* s.alloc();
      expect(yield* s.map(root, 0x1_0000n, memory, K4)).toBe(0);
      const engine = yield* s.engine(0);
      const isBlocked = function* (): Script<boolean> {
        const { ok } = yield* engine.read(0x1_0000n, 4);
        return !ok && reached(bench, 0x1_0000) === undefined;
      };
      expect(yield* isBlocked(), 'bound').toBe(true);
      for (const round of [1, 2]) {
        expect(yield* s.attach(0, root)).toBe(0);
        expect(yield* engine.read(0x1_0000n, GREETING.length), `round ${round}`).toMatchObject({ data: GREETING });
        expect(yield* s.detach(0, root)).toBe(0);
        expect(yield* isBlocked(), `detached ${round}`).toBe(true);
      }
    });
  });

  it('5. A child’s devices are attached to the parent too, as long as they are attached to the child.', () => {
    withDevice(function* (s) {
      const root = yield* s.alloc();
      const child = yield* s.alloc({ parent_ioasid: root });
      const grandchild = yield* s.alloc({ parent_ioasid: child });
      expect(yield* named(s.attach(0, child))).toBe('-EINVAL');
      expect(yield* s.attach(0, root)).toBe(0);
      expect(yield* named(s.attach(0, grandchild))).toBe('-EBUSY');
      expect(yield* s.attach(0, child)).toBe(0);
      expect(yield* s.attach(0, grandchild)).toBe(0);
      for (const parent of [root, child]) expect(yield* named(s.detach(0, parent))).toBe('-EBUSY');
      for (const inner of [grandchild, child, root]) expect(yield* s.detach(0, inner)).toBe(0);
      const dummy = yield* s.alloc({ flags: DUMMY });
      const real = yield* s.alloc({ parent_ioasid: dummy });
      expect(yield* named(s.attach(0, real)), 'but a dummy’s').toBe('0');
    });
  });

  it('5. A child’s devices are attached to the parent too: version 1.', () => {
    const bench = up();
    bench.run(
      (function* () {
        const { program, ioasidFd, ioasid, deviceFd } = yield* setUp(bench);
        const child = yield* program.ioctl(ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: ioasid });
        const other = yield* program.open(DEV[1]);
        expect(yield* program.ioctl(other, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd })).toBe(0);
        expect(yield* named(program.ioctl(other, VFIO_ATTACH_IOASID, { ioasid: child }))).toBe('-EINVAL');
        expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
        expect(yield* named(program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid }))).toBe('-EBUSY');
        expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(0);
        expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid })).toBe(0);
        yield* program.exit();
      })(),
    );
  });

  it('6. There is at most one attachment per slot of requests without PASID.', () => {
    withDevice(function* (s, bench) {
      const [one, other] = [yield* s.alloc(), yield* s.alloc()];
      expect(yield* s.attach(0, one)).toBe(0);
      expect(yield* named(s.attach(0, other))).toBe('-EBUSY');
      expect(yield* named(s.attach(0, one))).toBe('-EINVAL');
      yield* s.program.exit();
      const v1 = yield* setUp(bench);
      const second = yield* v1.program.ioctl(v1.ioasidFd, IOASID_ALLOC);
      const attached = v1.program.ioctl(v1.deviceFd, VFIO_ATTACH_IOASID, { ioasid: second });
      expect(yield* named(attached)).toBe('-EBUSY');
      yield* v1.program.exit();
    });
  });

  it('6. A device has one owner: a second bind, by whatever descriptor, is refused.', () => {
    withDevice(function* (s, bench) {
      const stranger = bench.program('stranger');
      const fd = yield* stranger.open(DEV[0]);
      const iommu_fd = yield* stranger.open('/dev/iommu');
      const ioasid_fd = yield* stranger.open('/dev/ioasid');
      expect(yield* named(stranger.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd, cookie: 1n }))).toBe('-EBUSY');
      expect(yield* named(stranger.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd }))).toBe('-EBUSY');
      const own = s.deviceFds[0]!;
      const again = { iommu_fd: s.iommuFd, cookie: COOKIES[1] };
      expect(yield* named(s.program.ioctl(own, VFIO_BIND_IOMMU_FD, again))).toBe('-EBUSY');
      yield* stranger.exit();
    });
  });
});

it('6. There is at most one attachment per slot of a PASID, and each PASID is a slot of its own.', () => {
  const bench = scalableBench();
  bench.run(
    (function* () {
      const s = yield* new Version2(bench).begin(0);
      const under = (ioasid: number, vpasid: number) =>
        named(
          s.program.ioctl(s.deviceFds[0]!, VFIO_ATTACH_IOASID_2, { iommu_fd: s.iommuFd, ioasid, flags: 1, vpasid }),
        );
      const spaces: number[] = [];
      for (let i = 0; i < 3; i++) {
        spaces.push(yield* s.alloc());
        const memory = yield* s.memory(Uint8Array.of(0x40 + i), PAGE);
        expect(yield* s.map(spaces[i]!, 0n, memory, K4)).toBe(0);
      }
      const [one, other, third] = spaces as [number, number, number];
      expect(yield* under(one, 7)).toBe('0');
      expect(yield* under(other, 7)).toBe('-EBUSY');
      expect(yield* under(one, 8), 'attached already').toBe('-EINVAL');
      expect(yield* under(other, 8)).toBe('0');
      expect(yield* s.attach(0, third)).toBe(0);
      const engine = yield* s.engine(0);
      for (const [pasid, byte] of [
        [7, 0x40],
        [8, 0x41],
        [undefined, 0x42],
      ] as const) {
        const read = yield* engine.read(0n, 1, pasid === undefined ? {} : { pasid });
        expect(read).toEqual({ ok: true, data: Uint8Array.of(byte) });
      }
      expect(yield* s.detach(0, one)).toBe(0);
      expect(yield* under(third, 7), 'without a PASID it is there').toBe('-EINVAL');
      yield* s.program.exit();
    })(),
  );
});

it.each(PASSING)(
  '4. On its way from one space to another a device never passes through the default domain, on %s.',
  (name) => {
    const bench = PLATFORMS[name]!.make({ kernel: { defaultDomain: 'identity' } }).boot();
    const { driver } = take(bench, 'dev0');
    const seen = new Set<number | undefined>();
    bench.run(
      (function* () {
        // In its default domain the device reaches all memory as it is.
        expect(yield* driver.dma.map(marked(driver, 1, 1), 'to device')).toBeTypeOf('bigint');
        const somewhere = 0x123_4000;
        expect(reached(bench, somewhere)).toBe(somewhere);
        expect(yield* driver.release()).toBe(0);
        expect(reached(bench, somewhere)).toBeUndefined();
        // Between any two writes of the kernel to memory or to the unit somebody could ask.
        tapMemory(bench, () => seen.add(reached(bench, somewhere)));
        bench.tap = () => seen.add(reached(bench, somewhere)).size > 0;
        const s = yield* new Version2(bench).begin(0);
        const memory = yield* s.memory(GREETING, PAGE);
        const spaces = [yield* s.alloc(), yield* s.alloc()];
        for (const space of spaces) {
          expect(yield* s.map(space, 0x1_0000n, memory, K4)).toBe(0);
          expect(yield* s.attach(0, space)).toBe(0);
          const child = yield* s.alloc({ parent_ioasid: space });
          expect(yield* s.attach(0, child)).toBe(0);
          expect(yield* s.detach(0, child)).toBe(0);
          expect(yield* s.detach(0, space)).toBe(0);
        }
        yield* s.program.exit();
        bench.tap = null;
      })(),
    );
    expect([...seen]).toEqual([undefined]);
  },
);

describe('10. A device whose IOMMU cannot enforce snooping is refused by a space that enforces it', () => {
  it.each([
    ['snooping is enforced', SNOOP, '-EINVAL', '0'],
    ['it is not', NO_SNOOP, '0', '0'],
    ['it is where hardware can', 0, '0', '0'],
  ])('when %s.', (_, flags, without, withControl) => {
    for (const [SC, wanted] of [
      [0, without],
      [1, withControl],
    ] as const) {
      const bench = Bench.up({ ecap: { SC } });
      bench.run(
        (function* () {
          const s = yield* new Version2(bench).begin(0);
          const space = yield* s.alloc({ flags });
          expect(yield* named(s.attach(0, space))).toBe(wanted);
          yield* s.program.exit();
        })(),
      );
    }
  });
});
