/** Version 1's IOASID_SET_DIRTY_TRACKING and IOASID_GET_DIRTY_BITMAP: a space has no attributes, so its devices' IOMMU decides. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CHECK_EXTENSION,
  IOASID_CREATE_NESTING,
  IOASID_GET_DIRTY_BITMAP,
  IOASID_SET_DIRTY_TRACKING,
  VFIO_ATTACH_IOASID,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench, engineOf, type MachineBench, map, named, PAGE, type Setup, setUp, unmap } from './bench.ts';
import { DATA, FIRST, GPA, GUEST_PAGES, GuestMemory } from './guest-memory.ts';
import { scalableBench } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
const amd = (): AmdBench => AmdBench.up({ efr: { ...GUEST_EFR, HASup: 1, HDSup: 1 }, efr2: { GCR3TRPModeSup: 1 } });
const TRACKING: readonly (readonly [string, () => MachineBench])[] = [
  ['VT-d with SSADS', () => scalableBench({ ecap: { SSADS: 1 } })],
  ['AMD-Vi with HDSup', amd],
];

interface World extends Setup {
  readonly set: (ioasid: number, flags?: number) => Script<string>;
  /** Numbers of the pages that were written, or what the command answers. */
  readonly bits: (values?: object) => Script<number[] | string>;
  readonly attach: (ioasid: number) => Script<string>;
  readonly detach: (ioasid: number) => Script<string>;
  readonly nest: (parent_ioasid: number) => Script<number>;
}

/** The bench's space maps the process's memory at GPA. */
function* prepare(bench: MachineBench): Script<World> {
  const s = yield* setUp(bench);
  const { program, ioasidFd, deviceFd } = s;
  expect(yield* map(s, GPA, s.memory, BigInt(GUEST_PAGES) * K4)).toBe(0);
  const bitmap = yield* program.mmap(PAGE);
  return {
    ...s,
    set: (ioasid, flags = 1) => named(program.ioctl(ioasidFd, IOASID_SET_DIRTY_TRACKING, { ioasid, flags })),
    *bits(values = {}) {
      program.write(bitmap, new Uint8Array(2));
      const range = { iova: GPA, length: BigInt(GUEST_PAGES) * K4, page_size: K4, data: bitmap };
      const asked = { ioasid: s.ioasid, ...range, ...values };
      const result = yield* named(program.ioctl(ioasidFd, IOASID_GET_DIRTY_BITMAP, asked));
      if (result !== '0') return result;
      const [low, high] = program.read(bitmap, 2) as unknown as [number, number];
      return Array.from({ length: 16 }, (_, i) => i).filter((bit) => ((low | (high << 8)) & (1 << bit)) !== 0);
    },
    attach: (ioasid) => named(program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid })),
    detach: (ioasid) => named(program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid })),
    nest: (parent_ioasid) => program.ioctl(ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid }),
  };
}

function* writes(engine: DmaEngineDriver, address: bigint, pasid?: number): Script {
  const options = pasid === undefined ? {} : { pasid };
  expect(yield* engine.write(address, Uint8Array.of(1), options)).toMatchObject({ ok: true });
  expect(yield* engine.read(address, 1, options)).toMatchObject({ ok: true });
}

function within(bench: MachineBench, body: (w: World, engine: DmaEngineDriver) => Script): void {
  bench.run(
    (function* () {
      const w = yield* prepare(bench);
      yield* body(w, yield* engineOf(w));
      yield* w.program.exit();
    })(),
  );
  expect(bench.kernel.pages.pinned).toBe(0);
  expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('I/O page table');
}

describe.each(TRACKING)('Version 1 on %s', (_, up) => {
  it('tells which pages devices have written to, through a space and through one that is merged of it', () => {
    within(up(), function* (w, engine) {
      expect(yield* w.program.ioctl(w.ioasidFd, IOASID_CHECK_EXTENSION, 8)).toBe(1);
      expect(yield* w.bits(), 'not yet').toBe('-EINVAL');
      expect(yield* w.set(w.ioasid)).toBe('0');
      yield* writes(engine, GPA + 3n * K4);
      expect(yield* w.bits({ flags: 1 })).toEqual([3]);
      expect([yield* w.bits(), yield* w.bits()]).toEqual([[3], []]);
      const child = yield* w.nest(w.ioasid);
      expect(yield* w.attach(child)).toBe('0');
      const inner = { ...w, ioasid: child };
      expect(yield* map(inner, 0n, GPA + 4n * K4, 2n * K4)).toBe(0);
      yield* writes(engine, K4);
      expect(yield* unmap(inner, 0n, 2n * K4)).toMatchObject({ result: 0 });
      expect(yield* w.bits()).toEqual([5]);
      expect(yield* w.set(child)).toBe('0');
      expect(yield* w.detach(child)).toBe('0');
      expect(yield* w.set(w.ioasid, 0)).toBe('0');
      expect(yield* w.bits()).toBe('-EINVAL');
    });
  });

  it('ends with the last device what it tracks, as it ends what is mapped', () => {
    within(up(), function* (w, engine) {
      expect(yield* w.set(w.ioasid)).toBe('0');
      yield* writes(engine, GPA);
      expect(yield* w.detach(w.ioasid)).toBe('0');
      expect([yield* w.set(w.ioasid), yield* w.bits()], 'a number and nothing more').toEqual(['-EINVAL', '-EINVAL']);
      expect(yield* w.attach(w.ioasid)).toBe('0');
      expect(yield* map(w, GPA, w.memory, BigInt(GUEST_PAGES) * K4)).toBe(0);
      expect(yield* w.bits()).toBe('-EINVAL');
      expect(yield* w.set(w.ioasid)).toBe('0');
      expect(yield* w.bits()).toEqual([]);
    });
  });

  it.each([
    ['an unknown space', { ioasid: 99 }, '-EINVAL'],
    ['a range that is not mapped as a whole', { length: 17n * K4 }, '-EINVAL'],
    ['no length', { length: 0n }, '-EINVAL'],
    ['bits for half a page', { page_size: 2048n }, '-EINVAL'],
    ['a range that wraps', { iova: 2n ** 64n - K4, length: 2n * K4 }, '-EOVERFLOW'],
    ['no bitmap', { data: 0n }, '-EFAULT'],
    ['an unknown flag', { flags: 2 }, '-EINVAL'],
  ])('tells nothing of %s, and has it all to tell after that', (__, values, errno) => {
    within(up(), function* (w, engine) {
      expect(yield* w.set(w.ioasid)).toBe('0');
      yield* writes(engine, GPA);
      expect(yield* w.bits(values)).toBe(errno);
      expect(yield* w.bits()).toEqual([0]);
    });
  });

  it('tracks nothing in a space without a device, in a table of a process, or for a unit that is silent', () => {
    const bench = up();
    within(bench, function* (w) {
      const bare = yield* w.program.ioctl(w.ioasidFd, IOASID_ALLOC);
      expect([yield* w.set(bare), yield* w.set(0), yield* w.set(99)]).toEqual(['-EINVAL', '-EINVAL', '-EINVAL']);
      const child = yield* w.nest(w.ioasid);
      expect(yield* w.attach(child)).toBe('0');
      const table = { child_ioasid: child, vendor: 1, addr: GPA, address_width: 48 };
      expect(yield* named(w.program.ioctl(w.ioasidFd, IOASID_BIND_PGTABLE, table))).toBe('0');
      expect([yield* w.set(child), yield* w.bits({ ioasid: child })]).toEqual(['-EINVAL', '-EINVAL']);
    });
    const silent = up();
    silent.run(
      (function* () {
        const w = yield* prepare(silent);
        const engine = yield* engineOf(w);
        expect(yield* w.set(w.ioasid)).toBe('0');
        yield* writes(engine, GPA);
        silent.tap = () => false;
        expect([yield* w.bits(), yield* w.set(w.ioasid, 0)]).toEqual(['-EIO', '-EIO']);
        expect(yield* w.bits()).toBe('-EINVAL');
        yield* w.program.exit();
      })(),
    );
  });
});

describe('A PASID table of a process', () => {
  it('has its devices’ writes told by its parent', () => {
    within(amd(), function* (w, engine) {
      const guest = new GuestMemory(w.program, w.memory);
      guest.lead(FIRST, 0, DATA);
      guest.leadPasid(3, FIRST);
      const child = yield* w.nest(w.ioasid);
      expect(yield* w.attach(child)).toBe('0');
      const table = { child_ioasid: child, vendor: 2, addr: GPA, size: 9, address_width: 48 };
      expect(yield* named(w.program.ioctl(w.ioasidFd, IOASID_BIND_PASID_TABLE, table))).toBe('0');
      expect(yield* w.set(child)).toBe('-EINVAL');
      expect(yield* w.set(w.ioasid)).toBe('0');
      yield* writes(engine, 0n, 3);
      expect(yield* w.bits()).toContain(DATA);
    });
  });
});

describe.each<[string, () => MachineBench]>([
  ['VT-d in legacy mode', () => Bench.up({ ecap: { SSADS: 1 } })],
  ['VT-d without SSADS', () => scalableBench()],
  ['AMD-Vi without HDSup', () => AmdBench.up({ efr: GUEST_EFR })],
])('Version 1 on %s', (_, up) => {
  it('cannot track: EOPNOTSUPP', () => {
    within(up(), function* (w) {
      expect([yield* w.set(w.ioasid), yield* w.set(w.ioasid, 0)]).toEqual(['-EOPNOTSUPP', '-EOPNOTSUPP']);
      expect(yield* w.bits()).toBe('-EOPNOTSUPP');
    });
  });
});
