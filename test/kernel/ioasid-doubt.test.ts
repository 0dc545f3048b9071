/**
 * Pages go back to their process only when hardware cannot reach them any more, also where spaces are nested and devices share
 * them; where hardware does not say so they never go back.
 */
import { describe, expect, it } from 'vitest';
import {
  EIO,
  IOASID_ALLOC,
  IOASID_CREATE_NESTING,
  IOASID_REGISTER_MEMORY,
  IoasidAttachFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { Bench, type BenchOptions, DEV, engineOf, map, PAGE, RIDS, setUp } from './bench.ts';
import { behind, scalableBench } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
/** Where CAP and ECAP of the bench put the IOTLB register, and its start bit. */
const IOTLB_OFFSET = 0xf8;
const IVT = 1n << 63n;

/** A unit that can stop answering, and begin again. */
function mortal(cap: BenchOptions['cap'] = {}) {
  const bench = Bench.up({ cap, ecap: { QI: 0 } });
  const die = () => {
    bench.readTap = (offset, value) => (offset === IOTLB_OFFSET ? value | IVT : value);
  };
  const revive = () => {
    bench.readTap = null;
  };
  return { bench, die, revive };
}

describe('Closing a device', () => {
  it('takes away what is nested under a PASID before the pages of the space below are given back', () => {
    const bench = scalableBench();
    const { driver } = behind(bench);
    const reachable: boolean[] = [];
    const { pages } = bench.kernel;
    const unpin = pages.unpin.bind(pages);
    pages.unpin = (frame) => {
      reachable.push(driver.attachments.find(RIDS[0], 5) !== undefined);
      unpin(frame);
    };
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0x1_0000n, s.memory, 4n * K4);
        const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
        const marked = { ioasid: child, flags: IoasidAttachFlag.USER_PASID, user_pasid: 5 };
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, marked)).toBe(0);
        expect(yield* map({ ...s, ioasid: child }, 0n, 0x1_0000n, K4)).toBe(0);
        expect(driver.attachments.find(RIDS[0], 5)).toBeDefined();
        yield* s.program.close(s.deviceFd);
      })(),
    );
    expect(reachable).toEqual([false, false, false, false]);
    expect(pages.pinned).toBe(0);
  });
});

describe('When hardware does not say that it has forgotten', () => {
  it('a nested space, the pages of the space below are never used again', () => {
    const { bench, die, revive } = mortal();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0x1_0000n, s.memory, 2n * K4);
        const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
        yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child });
        yield* map({ ...s, ioasid: child }, 0n, 0x1_0000n, K4);
        die();
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(-EIO);
        revive();
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(2);
    expect(bench.kernel.log.toString()).toContain('may still reach 8192 bytes');
  });

  it('one of two devices, the pages of the space that they share are never used again', () => {
    const { bench, die, revive } = mortal();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const other = yield* s.program.open(DEV[1]);
        yield* s.program.ioctl(other, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
        yield* s.program.ioctl(other, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
        yield* map(s, 0n, s.memory, K4);
        die();
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(-EIO);
        revive();
        expect(yield* s.program.ioctl(other, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(0);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(1);
  });

  it('registered memory that was mapped, it stays pinned, and the rest of what was registered goes back', () => {
    const { bench, die, revive } = mortal();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        for (const at of [0n, 8n * K4]) {
          const range = { vaddr: s.memory + at, size: 4n * K4 };
          expect(yield* s.program.ioctl(s.ioasidFd, IOASID_REGISTER_MEMORY, range)).toBe(0);
        }
        expect(yield* map(s, 0n, s.memory, K4)).toBe(0);
        die();
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(-EIO);
        revive();
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(4);
  });

  it('whether a device was let in, it is shut out before it is let in elsewhere', () => {
    // What is not present may be cached: to let a device in makes hardware forget.
    const { bench, die, revive } = mortal({ CM: 1 });
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const [first, second] = [
          yield* s.program.ioctl(s.ioasidFd, IOASID_ALLOC),
          yield* s.program.ioctl(s.ioasidFd, IOASID_ALLOC),
        ];
        yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid });
        die();
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: first })).toBe(-EIO);
        revive();
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: second })).toBe(0);
        expect(yield* map({ ...s, ioasid: second }, 0n, s.memory, K4)).toBe(0);
        const driver = yield* engineOf(s);
        expect((yield* driver.read(0n, 4)).ok).toBe(true);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
  });
});
