/**
 * Commands of /dev/iommu with every error that they can give: 2.6 of the proposal's sheet. Whatever is refused changes nothing:
 * pages stay charged and pinned, tables keep their size, DMA keeps going where it went.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  type Command,
  EFAULT,
  EINVAL,
  ENOTTY,
  IOMMU_CHECK_EXTENSION,
  IOMMU_COMMANDS,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_IOASID_FREE,
  Struct,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { refusesMalformed } from './bad-calls.ts';
import { named } from './bench.ts';
import { PAGE } from './machine-bench.ts';
import { COOKIES, type Standing } from './v2-bench.ts';
import { expectUnchanged, MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);

const WITH_STRUCTURE = IOMMU_COMMANDS.filter(
  (one): one is Command<Struct> & typeof one => one.argument instanceof Struct,
);

describe.each(MACHINES)('On %s', (_, up) => {
  const unchanged = (body: (s: Standing) => Script) => expectUnchanged(up(), body);

  describe('every command', () => {
    it('is ENOTTY when the kernel does not have it', () => {
      unchanged(function* ({ program, iommuFd }) {
        const known = new Set<number>(IOMMU_COMMANDS.map(({ number }) => number));
        for (const number of [0, 0x3b63, 0x3b6b, 0x3b6c, 0x3bff, 0x3c64, 0xffff_ffff]) {
          expect(known).not.toContain(number);
          expect(yield* named(program.system.ioctl(iommuFd, number, 0n))).toBe('-ENOTTY');
        }
        expect(yield* program.ioctl(iommuFd, VFIO_DETACH_IOASID_2, {})).toBe(-ENOTTY);
      });
    });

    it.each(WITH_STRUCTURE.map((command) => [command.name, command] as const))(
      '%s: EFAULT for a bad pointer, EINVAL for a short structure or an unknown flag, E2BIG for what stands behind it',
      (__, command) => {
        unchanged(function* ({ program, iommuFd, root }) {
          yield* refusesMalformed(program, iommuFd, command, { values: { ioasid: root }, unknownFlags: [6, 7, 31] });
        });
      },
    );
  });

  describe('IOMMU_CHECK_EXTENSION', () => {
    it('is 0 for what nobody has heard of, and takes any number', () => {
      unchanged(function* ({ program, iommuFd }) {
        for (const known of [1, 3, 4, 5, 6, 7, 8]) {
          expect(yield* program.ioctl(iommuFd, IOMMU_CHECK_EXTENSION, known)).toBe(1);
        }
        for (const unknown of [0, 2, 9, 255, 2 ** 32 + 1, 2n ** 64n - 1n]) {
          expect(yield* program.ioctl(iommuFd, IOMMU_CHECK_EXTENSION, unknown)).toBe(0);
        }
      });
    });
  });

  describe('IOMMU_DEVICE_GET_INFO', () => {
    it('is EINVAL for a cookie that no device of this descriptor has', () => {
      unchanged(function* ({ program, iommuFd }) {
        const other = yield* program.open('/dev/iommu');
        const ask = (fd: number, cookie: bigint) => program.ioctl(fd, IOMMU_DEVICE_GET_INFO, { dev_cookie: cookie });
        expect(yield* ask(iommuFd, COOKIES[0])).toBe(0);
        expect(yield* ask(iommuFd, COOKIES[1])).toBe(-EINVAL);
        expect(yield* ask(iommuFd, 0n)).toBe(-EINVAL);
        expect(yield* ask(other, COOKIES[0])).toBe(-EINVAL);
        yield* program.close(other);
      });
    });

    it('says how many ranges there are, is EMSGSIZE for too few places and EFAULT for places that are none', () => {
      unchanged(function* ({ program, iommuFd }) {
        const ask = (num_ranges: number, ranges: bigint) =>
          program.exchange(iommuFd, IOMMU_DEVICE_GET_INFO, { dev_cookie: COOKIES[0], num_ranges, ranges });
        const { result, value } = yield* ask(0, 0n);
        expect(result).toBe(0);
        const count = value.num_ranges;
        const at = yield* program.mmap(PAGE);
        const few = yield* ask(1, at);
        expect(yield* named(returning(few.result))).toBe('-EMSGSIZE');
        expect(few.value.num_ranges).toBe(count);
        expect(program.read(at, 16), 'nothing is written then').toEqual(new Uint8Array(16));
        for (const bad of [0n, at + K4 - 8n, 2n ** 64n - 16n]) {
          expect(yield* named(returning((yield* ask(count, bad)).result))).toBe('-EFAULT');
        }
        const constant = yield* program.mmap(PAGE, { writable: false });
        expect((yield* ask(count, constant)).result).toBe(-EFAULT);
        expect((yield* ask(count + 5, at)).result).toBe(0);
        const words = new BigUint64Array(program.read(at, count * 16).slice().buffer);
        expect(words[0]).toBe(0n);
        expect(words[1], 'up to the addresses of interrupts').toBe(0xfedf_ffffn);
        expect(words[2]).toBe(0xfef0_0000n);
        expect(program.read(at + BigInt(count * 16), 16), 'nothing behind').toEqual(new Uint8Array(16));
      });
    });
  });

  it('IOMMU_IOASID_ALLOC is EBUSY for more spaces than there may be', () => {
    const bench = up({ kernel: { spaceLimit: 2 } });
    expectUnchanged(bench, function* (s) {
      const second = yield* s.alloc();
      expect(second).toBeGreaterThan(0);
      expect(yield* named(s.alloc())).toBe('-EBUSY');
      expect(yield* s.free(second)).toBe(0);
      const third = yield* s.alloc();
      expect(third, 'a number that nobody has had').toBeGreaterThan(second);
      expect(yield* s.free(third)).toBe(0);
    });
  });

  describe('IOMMU_IOASID_ALLOC', () => {
    const [USER, SNOOP, NO_SNOOP, DIRTY, DUMMY] = [1, 4, 8, 16, 32];
    const X86 = { flags: USER, type: 0, format: 1, addr_width: 48 };

    it.each([
      ['no type', { type: 0 }],
      ['an unknown type', { type: 2 }],
      ['no address width', { addr_width: 0 }],
      ['an address width of more than 64 bits', { addr_width: 65 }],
      ['the place of a table that the kernel manages', { addr: 0x1_0000n }],
      ['the format of a table that the kernel manages', { format: 1 }],
      ['snooping that is enforced and not', { flags: SNOOP | NO_SNOOP }],
      ['a dummy with written pages tracked', { flags: DUMMY | DIRTY }],
      ['a dummy that snoops', { flags: DUMMY | SNOOP }],
      ['a dummy that does not snoop', { flags: DUMMY | NO_SNOOP }],
      ['a dummy that is nested', { flags: DUMMY, parent_ioasid: 1 }],
      ['an unknown flag', { flags: 128 }],
      ['a user-managed root', X86],
      ['a user-managed table with a type', { ...X86, parent_ioasid: 1, type: 1 }],
      ['a user-managed table inside a page', { ...X86, parent_ioasid: 1, addr: 0x1_0008n }],
      ['four levels of another width', { ...X86, parent_ioasid: 1, addr_width: 57 }],
      ['five levels of another width', { ...X86, parent_ioasid: 1, format: 2, addr_width: 48 }],
      ['a user-managed table that snoops', { ...X86, parent_ioasid: 1, flags: USER | SNOOP }],
      ['a user-managed table that does not snoop', { ...X86, parent_ioasid: 1, flags: USER | NO_SNOOP }],
      ['a user-managed table with written pages tracked', { ...X86, parent_ioasid: 1, flags: USER | DIRTY }],
      ['a user-managed dummy', { ...X86, parent_ioasid: 1, flags: USER | DUMMY }],
    ])('is EINVAL for %s', (__, attributes) => {
      unchanged(function* (s) {
        expect(s.root).toBe(1);
        expect(yield* named(s.alloc(attributes))).toBe('-EINVAL');
        // No number is lost.
        const next = yield* s.alloc();
        expect(next).toBe(2);
        expect(yield* s.free(next)).toBe(0);
      });
    });

    it('is ENOENT for an unknown parent, and EOPNOTSUPP for an unknown format', () => {
      unchanged(function* (s) {
        expect(yield* named(s.alloc({ parent_ioasid: 99 }))).toBe('-ENOENT');
        expect(yield* named(s.alloc({ ...X86, parent_ioasid: 99 }))).toBe('-ENOENT');
        for (const format of [0, 3, 8]) {
          expect(yield* named(s.alloc({ ...X86, parent_ioasid: s.root, format }))).toBe('-EOPNOTSUPP');
        }
        const { iommuFd } = s;
        s.iommuFd = yield* s.program.open('/dev/iommu');
        expect(yield* named(s.alloc({ parent_ioasid: s.root })), 'of another descriptor').toBe('-ENOENT');
        yield* s.program.close(s.iommuFd);
        s.iommuFd = iommuFd;
      });
    });

    it('is EINVAL for a parent that is managed by a user, or that no hardware could walk', () => {
      unchanged(function* (s) {
        const user = yield* s.alloc({ ...X86, parent_ioasid: s.root, addr: 0x1_0000n });
        const dummy = yield* s.alloc({ flags: DUMMY });
        expect(yield* named(s.alloc({ parent_ioasid: user }))).toBe('-EINVAL');
        expect(yield* named(s.alloc({ ...X86, parent_ioasid: user }))).toBe('-EINVAL');
        expect(yield* named(s.alloc({ ...X86, parent_ioasid: dummy }))).toBe('-EINVAL');
        expect(yield* s.free(user)).toBe(0);
        expect(yield* s.free(dummy)).toBe(0);
      });
    });
  });

  describe('IOMMU_IOASID_FREE', () => {
    it('is EINVAL for a number that is not in use here, EBUSY while a device is attached or a space is nested', () => {
      unchanged(function* (s) {
        const { program, root } = s;
        const other = yield* program.open('/dev/iommu');
        expect(yield* program.ioctl(other, IOMMU_IOASID_FREE, { ioasid: root })).toBe(-EINVAL);
        yield* program.close(other);
        expect(yield* s.free(0)).toBe(-EINVAL);
        expect(yield* s.free(99)).toBe(-EINVAL);
        expect(yield* named(s.free(root))).toBe('-EBUSY');
        const parent = yield* s.alloc();
        for (const nested of [{}, { flags: 1, type: 0, format: 1, addr_width: 48 }]) {
          const child = yield* s.alloc({ parent_ioasid: parent, ...nested });
          expect(yield* named(s.free(parent))).toBe('-EBUSY');
          expect(yield* s.free(child)).toBe(0);
          expect(yield* s.free(child)).toBe(-EINVAL);
        }
        expect(yield* s.free(parent)).toBe(0);
      });
    });
  });
});

// biome-ignore lint/correctness/useYield: a script like any other, that has nothing to wait for
function* returning(result: number): Script<number> {
  return result;
}
