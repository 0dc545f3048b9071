/** Groups of several devices in the hands of processes (proposal 1.2 and 4.7): one owner, one space, or nothing. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import {
  type Command,
  formatResult,
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_GET_DIRTY_BITMAP,
  IOASID_GET_INFO,
  IOASID_INVALIDATE_CACHE,
  IOASID_MAP_DMA,
  IOASID_SET_DIRTY_TRACKING,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNMAP_DMA,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { Program } from '../../src/user/index.ts';
import { AT, GROUP_MACHINES, GroupOwner, HELLO, withOwners } from './group-bench.ts';
import { PAGE, RW } from './machine-bench.ts';

/** Commands on one space, which is for nobody until all devices of a group are there. */
const WHEN_WHOLE = [
  IOASID_GET_INFO,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IOASID_CREATE_NESTING,
  IOASID_BIND_PGTABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_BIND_PASID_TABLE,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_INVALIDATE_CACHE,
  IOASID_SET_DIRTY_TRACKING,
  IOASID_GET_DIRTY_BITMAP,
];

/** What the member is called that names the space, where it is not `ioasid`. */
const SPACE = new Map<Command, string>([
  [IOASID_CREATE_NESTING, 'parent_ioasid'],
  [IOASID_BIND_PGTABLE, 'child_ioasid'],
  [IOASID_BIND_PASID_TABLE, 'child_ioasid'],
  [IOASID_INVALIDATE_CACHE, 'child_ioasid'],
]);

/** Who speaks version 1. */
class Owner extends GroupOwner {
  *bind(i: number): Script<string> {
    return formatResult(yield* this.program.ioctl(this.devices[i]!, VFIO_BIND_IOASID_FD, { ioasid_fd: this.fd }));
  }

  *attach(i: number, ioasid: number): Script<string> {
    return formatResult(yield* this.program.ioctl(this.devices[i]!, VFIO_ATTACH_IOASID, { ioasid }));
  }

  *detach(i: number, ioasid: number): Script<string> {
    return formatResult(yield* this.program.ioctl(this.devices[i]!, VFIO_DETACH_IOASID, { ioasid }));
  }

  *map(ioasid: number, vaddr: bigint): Script<string> {
    const range = { iova: AT, size: BigInt(PAGE), flags: RW };
    return formatResult(yield* this.program.ioctl(this.fd, IOASID_MAP_DMA, { ioasid, vaddr, ...range }));
  }

  read(i: number): Script<Uint8Array | null> {
    return this.readAt(i, HELLO.length);
  }
}

describe.each(GROUP_MACHINES)('A group of two devices, on %s', (preset) => {
  const story = (body: (owner: Owner, other: Owner) => Script) =>
    withOwners({ preset, path: '/dev/ioasid', Owner }, body);

  it('belongs to one descriptor from the first bind on, until the last device of it is given back', () => {
    story(function* (owner, other) {
      expect(yield* owner.bind(0)).toBe('0');
      expect(yield* other.bind(1)).toBe('-EBUSY');
      expect(yield* owner.bind(1)).toBe('0');
      yield* owner.program.close(owner.devices[0]!);
      expect(yield* other.bind(0)).toBe('-EBUSY');
      yield* owner.program.close(owner.devices[1]!);
      expect(yield* other.bind(0)).toBe('0');
    });
  });

  it('accepts no command before all its devices are attached to the same space', () => {
    story(function* (owner) {
      const memory = yield* owner.program.mmap(PAGE);
      owner.program.write(memory, HELLO);
      for (const i of [0, 1]) expect(yield* owner.bind(i)).toBe('0');
      const ioasid = yield* owner.program.ioctl(owner.fd, IOASID_ALLOC);
      expect(yield* owner.attach(0, ioasid)).toBe('0');
      expect(yield* owner.map(ioasid, memory)).toBe('-EDEADLK');
      expect(yield* owner.attach(1, ioasid)).toBe('0');
      expect(yield* owner.map(ioasid, memory)).toBe('0');
      expect(yield* owner.read(0)).toEqual(HELLO);
      expect(yield* owner.read(1)).toEqual(HELLO);
    });
  });

  it.each(WHEN_WHOLE.map((command) => [command.name, command] as const))(
    'is EDEADLK for %s while only a part of it is attached',
    (_, command) => {
      story(function* (owner) {
        for (const i of [0, 1]) yield* owner.bind(i);
        const ioasid = yield* owner.program.ioctl(owner.fd, IOASID_ALLOC);
        expect(yield* owner.attach(0, ioasid)).toBe('0');
        const { argument, number } = command;
        const at = yield* owner.program.mmap(PAGE);
        owner.program.write(at, argument.encode({ argsz: argument.bytes, [SPACE.get(command) ?? 'ioasid']: ioasid }));
        expect(formatResult(yield* owner.program.system.ioctl(owner.fd, number, at))).toBe('-EDEADLK');
      });
    },
  );

  it('cannot go to two spaces at once', () => {
    story(function* (owner) {
      for (const i of [0, 1]) yield* owner.bind(i);
      const [one, two] = [0, 0].map(() => owner.program.ioctl(owner.fd, IOASID_ALLOC));
      const [first, second] = [yield* one!, yield* two!];
      expect(yield* owner.attach(0, first)).toBe('0');
      expect(yield* owner.attach(1, second)).toBe('-EINVAL');
      expect(yield* owner.detach(0, first)).toBe('0');
      expect(yield* owner.attach(1, second)).toBe('0');
    });
  });

  it('goes on with one device when the other is detached, and is blocked with the last', () => {
    story(function* (owner) {
      const memory = yield* owner.program.mmap(PAGE);
      owner.program.write(memory, HELLO);
      for (const i of [0, 1]) yield* owner.bind(i);
      const ioasid = yield* owner.program.ioctl(owner.fd, IOASID_ALLOC);
      for (const i of [0, 1]) yield* owner.attach(i, ioasid);
      yield* owner.map(ioasid, memory);
      expect(yield* owner.detach(0, ioasid)).toBe('0');
      expect(yield* owner.read(1)).toEqual(HELLO);
      expect(yield* owner.detach(1, ioasid)).toBe('0');
      expect(yield* owner.read(1)).toBeNull();
    });
  });

  it('is not viable while a driver of the kernel has one of its devices', () => {
    const machine = buildMachine({ preset });
    const { kernel, engine } = machine;
    engine.runUntilDone(engine.spawn(machine.boot()));
    expect(typeof kernel.driver('pci0')).toBe('object');
    engine.runUntilDone(
      engine.spawn(
        (function* () {
          const owner = yield* new Owner(new Program(kernel.process('owner'))).open('/dev/ioasid');
          expect(yield* owner.bind(1)).toBe('-EINVAL');
          expect(yield* owner.bind(0)).toBe('-EBUSY');
        })(),
      ),
    );
  });
});
