/** What version 1's commands refuse whatever they are for: structures that are not whole, and what has run out. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_ALLOC,
  IOASID_COMMANDS,
  IOASID_CREATE_NESTING,
  IOASID_GET_INFO,
  IOASID_REGISTER_MEMORY,
  VFIO_ATTACH_IOASID,
  VFIO_COMMANDS,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { refusesMalformed } from './bad-calls.ts';
import { type MachineBench, type MachineOptions, map, named, PAGE, type Setup, setUp } from './bench.ts';
import { scalableBench } from './scalable-bench.ts';

const K4 = BigInt(PAGE);

const MACHINES: readonly (readonly [name: string, up: (options?: MachineOptions) => MachineBench])[] = [
  ['an Intel unit', (options) => scalableBench(options)],
  ['an AMD unit', (options) => AmdBench.up({ ...options, efr: GUEST_EFR })],
];

const structured = <C extends { readonly name: string; readonly argument: unknown }>(commands: readonly C[]) =>
  commands
    .filter((command): command is C & { readonly argument: object } => typeof command.argument === 'object')
    .map((command) => [command.name, command] as const);

describe.each(MACHINES)('Version 1 on %s', (_, up) => {
  function withSpace(body: (s: Setup) => Script, options?: MachineOptions): void {
    const bench = up(options);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* body(s);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
  }

  const FORM =
    'EFAULT for a bad pointer, EINVAL for a short structure or an unknown flag, E2BIG for what stands behind it';

  it.each(structured(IOASID_COMMANDS))(`%s: ${FORM}`, (__, command) => {
    withSpace(function* ({ program, ioasidFd, ioasid }) {
      yield* refusesMalformed(program, ioasidFd, command, { values: { ioasid }, unknownFlags: [6, 31] });
    });
  });

  it.each(structured(VFIO_COMMANDS))(`%s: ${FORM}`, (__, command) => {
    withSpace(function* ({ program, ioasidFd, deviceFd, ioasid }) {
      const values = { ioasid_fd: ioasidFd, ioasid };
      yield* refusesMalformed(program, deviceFd, command, { values, unknownFlags: [6, 31] });
    });
  });

  it('has no more spaces than it may have: EBUSY', () => {
    withSpace(
      function* ({ program, ioasidFd, ioasid }) {
        const ids = [ioasid];
        while (ids.length < 3) ids.push(yield* program.ioctl(ioasidFd, IOASID_ALLOC));
        expect(ids.every((id) => id > 0)).toBe(true);
        expect(yield* named(program.ioctl(ioasidFd, IOASID_ALLOC))).toBe('-EBUSY');
        expect(yield* named(program.ioctl(ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: ioasid }))).toBe('-EBUSY');
        const other = yield* program.open('/dev/ioasid');
        expect(yield* program.ioctl(other, IOASID_ALLOC)).toBeGreaterThan(0);
      },
      { kernel: { spaceLimit: 3 } },
    );
  });

  it('registers no more memory than may be locked: ENOMEM', () => {
    withSpace(
      function* ({ program, ioasidFd, memory }) {
        const register = (pages: number) =>
          named(program.ioctl(ioasidFd, IOASID_REGISTER_MEMORY, { vaddr: memory, size: BigInt(pages) * K4 }));
        expect(yield* register(5)).toBe('-ENOMEM');
        expect(yield* register(4)).toBe('0');
      },
      { kernel: { lockLimit: 4 } },
    );
  });

  it('says with EMSGSIZE how many reserved ranges there are', () => {
    withSpace(function* ({ program, ioasidFd, ioasid, memory }) {
      const ask = (num_ranges: number) =>
        program.exchange(ioasidFd, IOASID_GET_INFO, { ioasid, num_ranges, ranges: memory });
      const { num_ranges: count } = (yield* ask(0)).value;
      expect(count).toBeGreaterThan(0);
      if (count > 1) {
        const { result, value } = yield* ask(count - 1);
        expect([result, value.num_ranges]).toEqual([-90, count]);
      }
      expect((yield* ask(count)).result).toBe(0);
    });
  });

  it('maps in a nested space only what the parent maps as a whole, and keeps a device attached below', () => {
    withSpace(function* (s) {
      expect(yield* map(s, 0n, s.memory, 2n * K4)).toBe(0);
      const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
      expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
      expect(yield* named(map({ ...s, ioasid: child }, 0n, K4, 2n * K4))).toBe('-ENOENT');
      expect(yield* named(s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid }))).toBe('-EBUSY');
    });
  });
});
