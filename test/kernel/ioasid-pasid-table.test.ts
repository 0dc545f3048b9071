/**
 * IOASID_BIND_PASID_TABLE: a nested space becomes the table of a device's PASIDs, which the process keeps (flow 4.5b of the
 * proposal, version 1). Spaces that are attached by its PASIDs are kept track of, for what hardware has to forget and for faults.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  type Command,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_FAULT,
  IOASID_FREE,
  IOASID_GET_INFO,
  IOASID_INVALIDATE_CACHE,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  type Members,
  type ObjectOf,
  type Struct,
  VFIO_ATTACH_IOASID,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { AmdBench, entryOf, GUEST_EFR } from './amd-bench.ts';
import { refusesMalformed } from './bad-calls.ts';
import { engineOf, type MachineBench, map, named, RIDS, type Setup, setUp, unmap } from './bench.ts';
import { DATA, FIRST, GPA, GUEST_PAGES, GuestMemory, MARK, SECOND } from './guest-memory.ts';
import { scalableBench } from './scalable-bench.ts';

const K4 = 4096n;
const [ALL, RANGE] = [0, 1];
const [X86, AMD_GCR3] = [1, 2];
const GIOV = 1;
const USER_PASID = 1;
const PASID_VALID = 8;
const TABLE = { vendor: AMD_GCR3, addr: GPA, size: 9, address_width: 48 };

const up = (efr: object = {}): AmdBench => AmdBench.up({ efr: { ...GUEST_EFR, ...efr }, efr2: { GCR3TRPModeSup: 1 } });

type Call = <M extends Members>(command: Command<Struct<M>>, argument: Partial<ObjectOf<M>>) => Script<string>;

/** A device in a space that maps the process's memory, and in a child of it that nothing is bound to yet. */
interface World extends Setup {
  readonly child: number;
  readonly guest: GuestMemory;
  readonly call: Call;
  readonly attach: (ioasid: number, user_pasid?: number) => Script<string>;
  readonly detach: (ioasid: number) => Script<string>;
  readonly nest: () => Script<number>;
  /** First byte of a page, or `null` when the request is refused. */
  readonly byteAt: (page: number, pasid?: number) => Script<number | null>;
  readonly faults: () => Script<object[]>;
}

function* prepare(bench: MachineBench): Script<World> {
  const s = yield* setUp(bench);
  const { program, ioasidFd, deviceFd } = s;
  const guest = new GuestMemory(program, s.memory);
  for (const page of [0, 1]) {
    guest.lead(FIRST, page, DATA + page);
    guest.lead(SECOND, page, DATA + 2 + page);
  }
  guest.leadPasid(3, FIRST);
  guest.leadPasid(0, SECOND);
  expect(yield* map(s, GPA, s.memory, BigInt(GUEST_PAGES) * K4)).toBe(0);
  const nest = () => program.ioctl(ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
  const attach = (ioasid: number, user_pasid?: number) => {
    const pasid = user_pasid === undefined ? {} : { flags: USER_PASID, user_pasid };
    return named(program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid, ...pasid }));
  };
  const child = yield* nest();
  expect(yield* attach(child)).toBe('0');
  const engine: DmaEngineDriver = yield* engineOf(s);
  return {
    ...s,
    child,
    guest,
    call: (command, argument) => named(program.ioctl(ioasidFd, command, argument)),
    attach,
    detach: (ioasid) => named(program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid })),
    nest,
    *byteAt(page, pasid) {
      const result = yield* engine.read(BigInt(page) * K4, 4, pasid === undefined ? {} : { pasid });
      return result.ok ? result.data[0]! : null;
    },
    *faults() {
      yield* program.poll(ioasidFd, 100_000);
      const bytes = yield* program.readFile(ioasidFd, 4096);
      if (typeof bytes === 'number') throw new Error(`read gives ${bytes}`);
      const starts = Array.from({ length: bytes.length / IOASID_FAULT.bytes }, (_, i) => i * IOASID_FAULT.bytes);
      return starts.map((at) => IOASID_FAULT.decode(bytes.subarray(at)));
    },
  };
}

function within(bench: MachineBench, body: (w: World) => Script): void {
  bench.run(
    (function* () {
      const w = yield* prepare(bench);
      yield* body(w);
      yield* w.program.exit();
    })(),
  );
  expect(bench.kernel.pages.pinned).toBe(0);
  expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('I/O page table');
  if (bench instanceof AmdBench) expect(entryOf(bench, RIDS[0])).toEqual([3n, 0n, 0n, 0n]);
}

/** With the table bound to the child. */
function bound(body: (w: World) => Script, flags = GIOV): void {
  within(up(), function* (w) {
    expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE, flags })).toBe('0');
    yield* body(w);
  });
}

describe('IOASID_BIND_PASID_TABLE', () => {
  it('leads all requests of the device through the table, and UNBIND nowhere', () => {
    bound(function* ({ byteAt, call, child }) {
      expect([yield* byteAt(0, 3), yield* byteAt(1, 3), yield* byteAt(0)]).toEqual([MARK, MARK + 1, MARK + 2]);
      expect(yield* byteAt(0, 4)).toBe(null);
      expect(yield* call(IOASID_BIND_PASID_TABLE, { child_ioasid: child, ...TABLE }), 'again').toBe('-EINVAL');
      expect(yield* call(IOASID_UNBIND_PGTABLE, { ioasid: child }), 'of another kind').toBe('-EINVAL');
      expect(yield* call(IOASID_UNBIND_PASID_TABLE, { ioasid: child })).toBe('0');
      expect([yield* byteAt(0, 3), yield* byteAt(0)]).toEqual([null, null]);
      expect(yield* call(IOASID_UNBIND_PASID_TABLE, { ioasid: child })).toBe('-EINVAL');
      expect(
        yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, vendor: X86, addr: GPA + K4, address_width: 48 }),
      ).toBe('0');
      expect(yield* byteAt(0)).toBe(MARK);
      expect(yield* call(IOASID_UNBIND_PASID_TABLE, { ioasid: child })).toBe('-EINVAL');
    });
  });

  it('leaves requests without PASID to the parent unless GIOV says otherwise', () => {
    bound(function* ({ byteAt }) {
      expect([yield* byteAt(0, 3), yield* byteAt(0)]).toEqual([MARK, null]);
      expect(yield* byteAt(0x10 + DATA)).toBe(MARK);
    }, 0);
  });

  it.each([
    ['a place inside a page', { addr: GPA + 8n }, '-EINVAL'],
    ['PASIDs of no bits', { size: 0 }, '-EINVAL'],
    ['PASIDs of more bits than any has', { size: 21 }, '-EINVAL'],
    ['an unknown flag', { flags: 2 }, '-EINVAL'],
    ['a place beyond the parent', { addr: 2n ** 63n }, '-EINVAL'],
    ['no format', { vendor: 0 }, '-EOPNOTSUPP'],
    ['the format of a page table', { vendor: X86 }, '-EOPNOTSUPP'],
    ['both formats', { vendor: 3 }, '-EOPNOTSUPP'],
    ['tables of no levels', { address_width: 40 }, '-EOPNOTSUPP'],
    ['an unknown space', { child_ioasid: 99 }, '-EINVAL'],
  ])('refuses %s, and the space stays what it was', (_, values, errno) => {
    within(up(), function* (w) {
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE, ...values })).toBe(errno);
      expect(yield* named(map({ ...w, ioasid: w.child }, 0n, GPA + BigInt(DATA) * K4, K4))).toBe('0');
      expect([yield* w.byteAt(0), yield* w.byteAt(0, 3)]).toEqual([MARK, null]);
    });
  });

  it.each<[string, () => MachineBench, object, string]>([
    ['an Intel unit, which finds PASID tables at host addresses only', () => scalableBench(), {}, '-EOPNOTSUPP'],
    ['an AMD unit that does not have it', () => AmdBench.up({ efr: GUEST_EFR }), {}, '-EOPNOTSUPP'],
    ['an AMD unit without tables of five levels', () => up({ GATS: 0 }), { address_width: 57 }, '-EOPNOTSUPP'],
    ['an AMD unit with fewer bits of a PASID', () => up({ PASMax: 7 }), {}, '-EINVAL'],
  ])('is refused by %s', (_, make, values, errno) => {
    within(make(), function* (w) {
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE, ...values })).toBe(errno);
      expect(yield* named(map({ ...w, ioasid: w.child }, 0n, GPA + BigInt(DATA) * K4, K4))).toBe('0');
      expect(yield* w.byteAt(0)).toBe(MARK);
    });
  });

  it('is EINVAL for a root and for a space that no device is attached to, EBUSY where something is mapped or nested', () => {
    within(up(), function* (w) {
      const bind = (child_ioasid: number) => w.call(IOASID_BIND_PASID_TABLE, { child_ioasid, ...TABLE });
      expect(yield* bind(w.ioasid), 'a root').toBe('-EINVAL');
      const inner = { ...w, ioasid: w.child };
      expect(yield* map(inner, 0n, GPA, K4)).toBe(0);
      expect(yield* bind(w.child), 'mapped').toBe('-EBUSY');
      expect(yield* unmap(inner, 0n, K4)).toMatchObject({ result: 0 });
      const grandchild = yield* w.program.ioctl(w.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: w.child });
      expect(yield* bind(w.child), 'nested on').toBe('-EBUSY');
      expect(yield* w.call(IOASID_FREE, { ioasid: grandchild })).toBe('0');
      const behind = yield* w.nest();
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: behind, ...TABLE }), 'not attached').toBe(
        '-EINVAL',
      );
    });
  });

  it('has its structure checked as every command', () => {
    within(up(), function* (w) {
      const values = { child_ioasid: w.child, ...TABLE };
      yield* refusesMalformed(w.program, w.ioasidFd, IOASID_BIND_PASID_TABLE, { values, unknownFlags: [1, 7, 31] });
      const of = { values: { ioasid: w.child }, unknownFlags: [0, 31] };
      yield* refusesMalformed(w.program, w.ioasidFd, IOASID_UNBIND_PASID_TABLE, of);
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, values), 'it was free all the time').toBe('0');
    });
  });

  it('is announced for a child where the IOMMU has it', () => {
    for (const [bench, flags, formats] of [
      [up(), 1 | 2 | 4 | 8 | 16, X86 | AMD_GCR3],
      [scalableBench(), 1 | 2 | 8 | 16, X86],
    ] as const) {
      within(bench, function* ({ program, ioasidFd, child, ioasid }) {
        const ask = (of: number) => program.exchange(ioasidFd, IOASID_GET_INFO, { ioasid: of });
        expect((yield* ask(child)).value).toMatchObject({ flags, formats });
        expect((yield* ask(ioasid)).value).toMatchObject({ flags: flags & ~6, formats });
      });
    }
  });
});

describe('When the unit falls silent', () => {
  function* silently(bench: AmdBench, isBound: boolean, command: (w: World) => Script<string>): Script<string> {
    const w = yield* prepare(bench);
    if (isBound) expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE })).toBe('0');
    bench.tap = () => false;
    const result = yield* command(w);
    yield* w.program.exit();
    return result;
  }

  it.each<[string, boolean, (w: World) => Script<string>]>([
    ['binds', false, ({ call, child }) => call(IOASID_BIND_PASID_TABLE, { child_ioasid: child, ...TABLE })],
    ['unbinds', true, ({ call, child }) => call(IOASID_UNBIND_PASID_TABLE, { ioasid: child })],
    ['invalidates', true, ({ call, child }) => call(IOASID_INVALIDATE_CACHE, { child_ioasid: child })],
    ['detaches', true, ({ detach, child }) => detach(child)],
  ])('nothing %s, and what it may still reach is never used again', (_, isBound, command) => {
    const bench = up();
    expect(bench.run(silently(bench, isBound, command))).toBe('-EIO');
    expect(bench.kernel.pages.pinned).toBe(GUEST_PAGES);
    expect(bench.kernel.log.toString()).toContain('which are never used again');
  });
});

describe('When the unit has no domain id left, or the kernel no memory', () => {
  it('a PASID table stays bound that another table would have to take the place of', () => {
    const bench = up();
    within(bench, function* (w) {
      const { allocator, faultPoints } = bench.kernel;
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE })).toBe('0');
      for (const [refused, errno] of [
        ['domain id', '-ENOSPC'],
        ['I/O page table', '-ENOMEM'],
      ] as const) {
        const { free } = allocator;
        let times = 0;
        faultPoints.refuse = (point) => point === refused && times++ === 0;
        expect(yield* w.call(IOASID_UNBIND_PASID_TABLE, { ioasid: w.child })).toBe(errno);
        faultPoints.refuse = null;
        expect(allocator.free).toBe(free);
        expect(yield* w.byteAt(0, 3)).toBe(MARK);
      }
      expect(yield* w.call(IOASID_UNBIND_PASID_TABLE, { ioasid: w.child })).toBe('0');
    });
  });

  it('no PASID table is bound, and the space stays what it was', () => {
    const bench = up();
    within(bench, function* (w) {
      const { faultPoints } = bench.kernel;
      faultPoints.refuse = (point) => point === 'domain id';
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: w.child, ...TABLE })).toBe('-ENOSPC');
      faultPoints.refuse = null;
      expect(yield* named(map({ ...w, ioasid: w.child }, 0n, GPA + BigInt(DATA) * K4, K4))).toBe('0');
      expect(yield* w.byteAt(0)).toBe(MARK);
    });
  });
});

describe('IOASID_INVALIDATE_CACHE of a PASID table', () => {
  it('makes hardware forget everything, and knows no ranges', () => {
    bound(function* ({ byteAt, call, child, guest }) {
      expect([yield* byteAt(0, 3), yield* byteAt(0)]).toEqual([MARK, MARK + 2]);
      guest.leadPasid(3, SECOND);
      guest.leadPasid(0, FIRST);
      expect([yield* byteAt(0, 3), yield* byteAt(0)], 'stale').toEqual([MARK, MARK + 2]);
      const of = { child_ioasid: child };
      expect(yield* call(IOASID_INVALIDATE_CACHE, { ...of, granularity: RANGE, iova: 0n, size: K4 })).toBe('-EINVAL');
      expect(yield* call(IOASID_INVALIDATE_CACHE, { ...of, granularity: 2 })).toBe('-EINVAL');
      expect([yield* byteAt(0, 3), yield* byteAt(0)], 'stale').toEqual([MARK, MARK + 2]);
      expect(yield* call(IOASID_INVALIDATE_CACHE, { ...of, granularity: ALL })).toBe('0');
      expect([yield* byteAt(0, 3), yield* byteAt(0)]).toEqual([MARK + 2, MARK]);
    });
  });
});

describe('A space that is attached by a PASID of the table', () => {
  /** As the flow has it: nested on the same parent, attached by a PASID, with a page table bound. */
  function* track(w: World, user_pasid = 3): Script<number> {
    const space = yield* w.nest();
    expect(yield* w.attach(space, user_pasid)).toBe('0');
    const table = { vendor: X86, addr: GPA + BigInt(FIRST) * K4, address_width: 48 };
    expect(yield* w.call(IOASID_BIND_PGTABLE, { child_ioasid: space, ...table })).toBe('0');
    return space;
  }

  it('leads nothing anywhere: the process has to write the entry itself', () => {
    bound(function* (w) {
      const space = yield* track(w, 5);
      expect(yield* w.byteAt(0, 5)).toBe(null);
      w.guest.leadPasid(5, SECOND);
      expect(yield* w.call(IOASID_INVALIDATE_CACHE, { child_ioasid: w.child })).toBe('0');
      expect(yield* w.byteAt(0, 5), 'as the entry says, not the space').toBe(MARK + 2);
      expect(yield* w.detach(space)).toBe('0');
      expect(yield* w.byteAt(0, 5)).toBe(MARK + 2);
    });
  });

  it('has the PASID and a range forgotten by its own IOASID_INVALIDATE_CACHE', () => {
    bound(function* (w) {
      const space = yield* track(w);
      const both = function* (): Script<(number | null)[]> {
        return [yield* w.byteAt(0, 3), yield* w.byteAt(1, 3)];
      };
      expect([...(yield* both()), yield* w.byteAt(0)]).toEqual([MARK, MARK + 1, MARK + 2]);
      w.guest.lead(FIRST, 0, DATA + 3);
      w.guest.lead(FIRST, 1, DATA + 3);
      w.guest.lead(SECOND, 0, DATA + 3);
      const range = { child_ioasid: space, granularity: RANGE, iova: K4, size: K4 };
      expect(yield* w.call(IOASID_INVALIDATE_CACHE, { ...range, size: 0n })).toBe('-EINVAL');
      expect(yield* both(), 'stale').toEqual([MARK, MARK + 1]);
      expect(yield* w.call(IOASID_INVALIDATE_CACHE, range)).toBe('0');
      expect(yield* both()).toEqual([MARK, MARK + 3]);
      expect(yield* w.call(IOASID_INVALIDATE_CACHE, { child_ioasid: space, granularity: ALL })).toBe('0');
      expect([...(yield* both()), yield* w.byteAt(0)], 'of this PASID only').toEqual([MARK + 3, MARK + 3, MARK + 2]);
    });
  });

  it('is what faults with its PASID are told of; others are those of the table, with their PASID', () => {
    bound(function* (w) {
      const space = yield* track(w);
      yield* w.byteAt(5, 3);
      yield* w.byteAt(6, 4);
      yield* w.byteAt(7);
      expect(yield* w.faults()).toMatchObject([
        { ioasid: space, flags: 0, vpasid: 0, addr: 0x5000n },
        { ioasid: w.child, flags: PASID_VALID, vpasid: 4, addr: 0x6000n },
        { ioasid: w.child, flags: 0, vpasid: 0, addr: 0x7000n },
      ]);
      expect(yield* w.detach(space)).toBe('0');
      yield* w.byteAt(5, 3);
      expect(yield* w.faults()).toMatchObject([{ ioasid: w.child, flags: PASID_VALID, vpasid: 3 }]);
    });
  });

  it('keeps the table bound and attached, one by each PASID that the table reaches', () => {
    bound(function* (w) {
      const space = yield* track(w);
      const second = yield* w.nest();
      expect(yield* w.attach(second, 3), 'taken').toBe('-EBUSY');
      for (const beyond of [512, 2 ** 20, 2 ** 32 - 1]) expect(yield* w.attach(second, beyond)).toBe('-EINVAL');
      expect(yield* w.attach(second, 511)).toBe('0');
      expect(yield* w.call(IOASID_UNBIND_PASID_TABLE, { ioasid: w.child })).toBe('-EBUSY');
      expect(yield* w.detach(w.child)).toBe('-EBUSY');
      expect(yield* w.byteAt(0, 3)).toBe(MARK);
      expect(yield* w.detach(space)).toBe('0');
      expect(yield* w.detach(second)).toBe('0');
      expect(yield* w.call(IOASID_UNBIND_PASID_TABLE, { ioasid: w.child })).toBe('0');
    });
  });

  it('is no PASID table itself', () => {
    bound(function* (w) {
      const space = yield* w.nest();
      expect(yield* w.attach(space, 5)).toBe('0');
      expect(yield* w.call(IOASID_BIND_PASID_TABLE, { child_ioasid: space, ...TABLE })).toBe('-EINVAL');
      expect(yield* w.detach(space)).toBe('0');
    });
  });

  it('goes with everything else when the process ends', () => {
    bound(function* (w) {
      const space = yield* track(w);
      expect(space).toBeGreaterThan(w.child);
      expect(yield* w.byteAt(0, 3)).toBe(MARK);
    });
  });
});
