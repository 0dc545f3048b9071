/** Groups of several devices under `/dev/iommu`: one owner and one way for all, with every error. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import {
  IOMMU_FAULT,
  IOMMU_IOASID_ALLOC,
  IOMMU_MAP_DMA,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { Program } from '../../src/user/index.ts';
import { AT, GROUP_MACHINES, GroupOwner, HELLO, withOwners } from './group-bench.ts';
import { named, PAGE, RW } from './machine-bench.ts';

const K4 = BigInt(PAGE);
const VPASID = 1;
const IOMMU = '/dev/iommu';

/** Who speaks version 2. */
class Owner extends GroupOwner {
  bind(i: number): Script<string> {
    const argument = { iommu_fd: this.fd, cookie: BigInt(i) };
    return named(this.program.ioctl(this.devices[i]!, VFIO_BIND_IOMMU_FD, argument));
  }

  bindOld(i: number): Script<string> {
    return named(this.program.ioctl(this.devices[i]!, VFIO_BIND_IOASID_FD, { ioasid_fd: this.fd }));
  }

  attach(i: number, ioasid: number, vpasid?: number): Script<string> {
    const slot = vpasid === undefined ? {} : { flags: VPASID, vpasid };
    const argument = { iommu_fd: this.fd, ioasid, ...slot };
    return named(this.program.ioctl(this.devices[i]!, VFIO_ATTACH_IOASID_2, argument));
  }

  detach(i: number, ioasid: number): Script<string> {
    return named(this.program.ioctl(this.devices[i]!, VFIO_DETACH_IOASID_2, { iommu_fd: this.fd, ioasid }));
  }

  alloc(parent_ioasid = 0): Script<number> {
    return this.program.ioctl(this.fd, IOMMU_IOASID_ALLOC, { type: 1, addr_width: 48, parent_ioasid });
  }

  /** A space with a page that holds the greeting, and after it which space it is. */
  *filled(mark: number): Script<number> {
    const ioasid = yield* this.alloc();
    const vaddr = yield* this.program.mmap(PAGE);
    this.program.write(vaddr, Uint8Array.of(...HELLO, mark));
    const mapping = { ioasid, vaddr, iova: AT, size: K4, flags: RW };
    expect(yield* this.program.ioctl(this.fd, IOMMU_MAP_DMA, mapping)).toBe(0);
    return ioasid;
  }

  /** By which cookies the descriptor tells of the faults that nobody has read yet. */
  *told(): Script<bigint[]> {
    yield* this.program.poll(this.fd, 100_000);
    const bytes = yield* this.program.readFile(this.fd, PAGE);
    if (typeof bytes === 'number') throw new Error(`read gives ${bytes}`);
    const starts = Array.from({ length: bytes.length / IOMMU_FAULT.bytes }, (_, i) => i * IOMMU_FAULT.bytes);
    return starts.map((at) => IOMMU_FAULT.decode(bytes.subarray(at)).dev_cookie);
  }

  /** Which space a device reads; `null` when it is refused. */
  *reads(i: number): Script<number | null> {
    return (yield* this.readAt(i, HELLO.length + 1))?.[HELLO.length] ?? null;
  }
}

describe.each(GROUP_MACHINES)('On %s a group of two devices', (preset) => {
  const story = (body: (owner: Owner, other: Owner) => Script) => withOwners({ preset, path: IOMMU, Owner }, body);

  it('is bound to one descriptor: EBUSY for another of either version, until all its devices are given back', () => {
    story(function* (owner, other) {
      expect(yield* owner.bind(0)).toBe('0');
      expect(yield* other.bind(1)).toBe('-EBUSY');
      expect(yield* other.bind(2), 'a device of another group').toBe('0');
      const { fd } = other;
      other.fd = yield* other.program.open('/dev/ioasid');
      expect(yield* other.bindOld(1), 'version 1').toBe('-EBUSY');
      owner.fd = yield* owner.program.open('/dev/iommu');
      expect(yield* owner.bind(1), 'another descriptor of the same process').toBe('-EBUSY');
      yield* owner.program.close(owner.devices[0]!);
      expect(yield* other.bindOld(1)).toBe('0');
      expect(yield* owner.bind(1)).toBe('-EBUSY');
      other.fd = fd;
    });
  });

  it('is EINVAL to bind while a driver of the kernel has one of them, and EBUSY for that one', () => {
    const machine = buildMachine({ preset });
    const { kernel, engine } = machine;
    engine.runUntilDone(engine.spawn(machine.boot()));
    expect(typeof kernel.driver('pci0')).toBe('object');
    engine.runUntilDone(
      engine.spawn(
        (function* () {
          const owner = yield* new Owner(new Program(kernel.process('owner'))).open(IOMMU);
          expect(yield* owner.bind(1)).toBe('-EINVAL');
          expect(yield* owner.bind(0)).toBe('-EBUSY');
          expect(yield* owner.bind(2)).toBe('0');
        })(),
      ),
    );
  });

  it('goes to one space: EINVAL for a second device’s attach to another, and nothing changes', () => {
    story(function* (owner) {
      for (const i of [0, 1]) expect(yield* owner.bind(i)).toBe('0');
      const [one, two] = [yield* owner.filled(1), yield* owner.filled(2)];
      expect(yield* owner.attach(0, one)).toBe('0');
      expect(yield* owner.attach(1, two), 'their requests carry one id').toBe('-EINVAL');
      expect([yield* owner.reads(0), yield* owner.reads(1)]).toEqual([1, 1]);
      expect(yield* owner.detach(1, two)).toBe('-EINVAL');
      expect(yield* owner.detach(1, one)).toBe('-EINVAL');
      expect(yield* owner.attach(1, one)).toBe('0');
      expect(yield* owner.detach(0, one)).toBe('0');
      expect(yield* owner.attach(0, two)).toBe('-EINVAL');
      expect(yield* owner.detach(1, one)).toBe('0');
      expect([yield* owner.reads(0), yield* owner.reads(1)]).toEqual([null, null]);
      expect(yield* owner.attach(0, two)).toBe('0');
      expect([yield* owner.reads(0), yield* owner.reads(1)]).toEqual([2, 2]);
    });
  });

  it('goes to a space and one that is nested on it, not to two of those', () => {
    story(function* (owner) {
      for (const i of [0, 1]) expect(yield* owner.bind(i)).toBe('0');
      const root = yield* owner.filled(1);
      const [child, cousin] = [yield* owner.alloc(root), yield* owner.alloc(root)];
      for (const i of [0, 1]) expect(yield* owner.attach(i, root)).toBe('0');
      expect(yield* owner.attach(0, child)).toBe('0');
      expect(yield* owner.attach(1, cousin)).toBe('-EINVAL');
      expect(yield* owner.reads(1), 'the innermost space translates for both').toBe(null);
      expect(yield* owner.attach(1, child)).toBe('0');
      expect(yield* owner.detach(0, child)).toBe('0');
      expect(yield* owner.reads(0)).toBe(null);
      expect(yield* owner.detach(1, child)).toBe('0');
      expect(yield* owner.reads(0)).toBe(1);
    });
  });

  it('tells of faults by a device that is still attached there', () => {
    story(function* (owner) {
      for (const i of [0, 1]) expect(yield* owner.bind(i)).toBe('0');
      const empty = yield* owner.alloc();
      for (const i of [0, 1]) expect(yield* owner.attach(i, empty)).toBe('0');
      expect([yield* owner.reads(1), yield* owner.told()]).toEqual([null, [0n]]);
      yield* owner.program.close(owner.devices[0]!);
      expect([yield* owner.reads(1), yield* owner.told()]).toEqual([null, [1n]]);
    });
  });

  it('goes to the innermost of three spaces, whichever of them goes there and whatever was bound first', () => {
    story(function* (owner) {
      for (const i of [0, 1]) expect(yield* owner.bind(i)).toBe('0');
      const root = yield* owner.filled(1);
      const child = yield* owner.alloc(root);
      const inner = yield* owner.alloc(child);
      for (const [deep, flat] of [
        [0, 1],
        [1, 0],
      ] as const) {
        for (const i of [0, 1]) expect(yield* owner.attach(i, root)).toBe('0');
        for (const space of [child, inner]) expect(yield* owner.attach(deep, space)).toBe('0');
        expect([yield* owner.reads(0), yield* owner.reads(1)], 'where nothing is mapped').toEqual([null, null]);
        for (const space of [inner, child, root]) expect(yield* owner.detach(deep, space)).toBe('0');
        expect(yield* owner.reads(0)).toBe(1);
        expect(yield* owner.detach(flat, root)).toBe('0');
      }
    });
  });
});

it('A slot of a PASID is one for devices that share a requester id: EINVAL for another space under it.', () => {
  withOwners({ preset: 'intel-fabric', path: IOMMU, Owner }, function* (owner) {
    for (const i of [0, 1, 2]) expect(yield* owner.bind(i)).toBe('0');
    const [one, two] = [yield* owner.filled(1), yield* owner.filled(2)];
    expect(yield* owner.attach(0, one, 5)).toBe('0');
    expect(yield* owner.attach(1, two, 5)).toBe('-EINVAL');
    expect(yield* owner.attach(1, two, 6), 'another PASID').toBe('0');
    expect(yield* owner.attach(1, one, 5)).toBe('0');
    expect(yield* owner.attach(2, two, 5), 'another requester').toBe('0');
    // One device’s slots and the other’s are in one table: the first request makes hardware remember where that is.
    expect(yield* owner.reads(1)).toBe(null);
    const three = yield* owner.filled(3);
    for (const i of [1, 0]) {
      expect(yield* owner.attach(i, three)).toBe('0');
      expect([yield* owner.reads(0), yield* owner.reads(1)]).toEqual([3, 3]);
      expect(yield* owner.detach(i, three)).toBe('0');
      expect([yield* owner.reads(0), yield* owner.reads(1)]).toEqual([null, null]);
    }
  });
});
