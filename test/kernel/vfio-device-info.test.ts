/** VFIO_DEVICE_GET_INFO: what a device is, and whether it can have several spaces at a time. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { VFIO_BIND_IOASID_FD, VFIO_BIND_IOMMU_FD, VFIO_DEVICE_GET_INFO } from '../../src/uapi/index.ts';
import { Bench } from './bench.ts';
import { DEVICE, VENDORS } from './fault-queue-bench.ts';
import { DEV, type MachineBench } from './machine-bench.ts';

const BYTES = 24;
const ALL = 40;
/** Flags of the device, and the capability as it stands in memory: id 5, version 1, the last, no flag set. */
const PCI = 2;
const CAPS = 0x80;
const CAPABILITY = [0x1_0005, 0, 0, 0];

/** What the words of an answer are, with so much room for it, or the errno. */
function infoOf(
  bench: MachineBench,
  path: string,
  { argsz, version = 2 }: { argsz: number; version?: 0 | 1 | 2 },
): number[] | number {
  return bench.run(
    (function* (): Script<number[] | number> {
      const p = bench.program();
      const fd = yield* p.open(path);
      const spaces = yield* p.open(version === 1 ? '/dev/ioasid' : '/dev/iommu');
      if (version === 1) yield* p.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: spaces });
      if (version === 2) yield* p.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: spaces, cookie: 1n });
      const at = yield* p.mmap(4096);
      p.write(at, new Uint8Array(Uint32Array.of(argsz, 0, 0, 0, 0, 0).buffer));
      const result = yield* p.system.ioctl(fd, VFIO_DEVICE_GET_INFO.number, at);
      return result < 0 ? result : [...new Uint32Array(p.read(at, 48).slice().buffer)];
    })(),
  );
}

describe.each(VENDORS)('Of a device behind %s that its process may give PASIDs', (_, make) => {
  it('a capability says so, behind the structure', () => {
    const behind = [...CAPABILITY, 0, 0];
    expect(infoOf(make(), DEVICE, { argsz: ALL })).toEqual([ALL, PCI | CAPS, 8, 0, BYTES, 0, ...behind]);
    expect(infoOf(make(), DEVICE, { argsz: ALL + 8 })).toEqual([ALL + 8, PCI | CAPS, 8, 0, BYTES, 0, ...behind]);
  });

  it.each([BYTES, ALL - 1])(
    'a capability is announced with the room that it needs where there are %d bytes',
    (argsz) => {
      expect(infoOf(make(), DEVICE, { argsz })).toEqual([ALL, PCI | CAPS, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    },
  );

  it('version 1 has no such capability', () => {
    expect(infoOf(make(), DEVICE, { argsz: 48, version: 1 })).toEqual([48, PCI, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('nothing is said that the kernel does not allow', () => {
    const untrusting = make({ kernel: { trustDevices: false } });
    expect(infoOf(untrusting, DEVICE, { argsz: ALL })).toEqual([ALL, PCI, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(infoOf(make(), DEV[0], { argsz: ALL })).toEqual([ALL, PCI, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('VFIO_DEVICE_GET_INFO', () => {
  it('tells a device in software from one on a bus', () => {
    const bench = Bench.up();
    bench.kernel.addMediated('soft0');
    expect(infoOf(bench, '/dev/vfio/devices/soft0', { argsz: BYTES })).toEqual([
      BYTES,
      0,
      8,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]);
  });

  it('is EINVAL before the device is bound, and without room for the structure', () => {
    expect(infoOf(Bench.up(), DEV[0], { argsz: BYTES, version: 0 })).toBe(-22);
    expect(infoOf(Bench.up(), DEV[0], { argsz: BYTES - 1 })).toBe(-22);
  });

  it('is EFAULT where the structure is not, or the room behind it', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const p = bench.program();
        const fd = yield* p.open(DEV[0]);
        const spaces = yield* p.open('/dev/iommu');
        yield* p.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: spaces, cookie: 1n });
        const at = yield* p.mmap(4096);
        const last = at + 4096n - BigInt(BYTES);
        p.write(last, new Uint8Array(Uint32Array.of(ALL, 0, 0, 0, 0, 0).buffer));
        expect(yield* p.system.ioctl(fd, VFIO_DEVICE_GET_INFO.number, last)).toBe(-14);
        expect(yield* p.system.ioctl(fd, VFIO_DEVICE_GET_INFO.number, 0x10n)).toBe(-14);
      })(),
    );
  });
});
