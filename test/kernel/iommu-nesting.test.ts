/** Spaces nested on others through `/dev/iommu` (flows 4.3 and 4.4 of the proposal), on units of both vendors. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { IOMMU_IOASID_FREE, IommuIoasidFlag } from '../../src/uapi/index.ts';
import { AmdBench } from './amd-bench.ts';
import { Bench, named } from './bench.ts';
import { type MachineBench, PAGE } from './machine-bench.ts';
import { Version2 } from './v2-bench.ts';

const K4 = BigInt(PAGE);
const HELLO = new TextEncoder().encode('hello, device');

const MACHINES: Readonly<Record<string, () => MachineBench>> = {
  'an Intel unit': () => Bench.up(),
  'an AMD unit': () => AmdBench.up(),
};

describe.each(Object.entries(MACHINES))('A space nested in software, on %s', (_, up) => {
  /** Device 1 in a space nested on that of device 0, whose page 0x1000 has HELLO at address 0x10000. */
  function withNested(body: (s: Version2, gpa: number, giova: number) => Script): void {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Version2(bench).begin(0, 1);
        const gpa = yield* s.alloc();
        const memory = yield* s.memory(HELLO, 4 * PAGE);
        expect(yield* s.map(gpa, 0x1_0000n, memory, 4n * K4)).toBe(0);
        const giova = yield* s.alloc({ parent_ioasid: gpa });
        expect(yield* s.attach(0, gpa)).toBe(0);
        expect(yield* s.attach(1, gpa)).toBe(0);
        yield* body(s, gpa, giova);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
    expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('user');
  }

  it('takes a device that is attached to its parent, and translates by both tables', () => {
    withNested(function* (s, gpa, giova) {
      expect(yield* s.map(giova, 0x2000n, 0x1_0000n, K4)).toBe(0);
      expect(yield* s.attach(1, giova)).toBe(0);
      const engine = yield* s.engine(1);
      expect(yield* engine.read(0x2000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
      expect((yield* engine.read(0x1_0000n, 4)).ok).toBe(false);
      expect(yield* named(s.detach(1, gpa))).toBe('-EBUSY');
      expect(yield* s.detach(1, giova)).toBe(0);
      expect(yield* engine.read(0x1_0000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
    });
  });

  it('refuses a device that is not attached to its parent, and a range that the parent does not map', () => {
    withNested(function* (s, gpa, giova) {
      expect(yield* s.detach(1, gpa)).toBe(0);
      expect(yield* named(s.attach(1, giova))).toBe('-EINVAL');
      expect(yield* named(s.map(giova, 0n, 0x1_3000n, 2n * K4))).toBe('-ENOENT');
      expect(yield* named(s.map(giova, 0n, 0n, K4))).toBe('-ENOENT');
    });
  });

  it('loses at once what its parent loses, and gets it back with what the parent maps there next', () => {
    withNested(function* (s, gpa, giova) {
      expect(yield* s.map(giova, 0x2000n, 0x1_0000n, K4)).toBe(0);
      expect(yield* s.attach(1, giova)).toBe(0);
      const engine = yield* s.engine(1);
      expect((yield* engine.read(0x2000n, 4)).ok).toBe(true);
      expect(yield* s.unmap(gpa, 0x1_0000n, 4n * K4)).toBe(0);
      expect((yield* engine.read(0x2000n, 4)).ok).toBe(false);
      const other = yield* s.memory(Uint8Array.of(1, 2, 3, 4), PAGE);
      expect(yield* s.map(gpa, 0x1_0000n, other, K4)).toBe(0);
      expect(yield* engine.read(0x2000n, 4)).toEqual({ ok: true, data: Uint8Array.of(1, 2, 3, 4) });
    });
  });

  it('keeps its parent from being freed, and charges nothing for what it maps', () => {
    withNested(function* (s, gpa, giova) {
      const { space } = s.program.system as unknown as { space: { locked: number } };
      const before = space.locked;
      expect(yield* s.map(giova, 0x2000n, 0x1_0000n, 4n * K4)).toBe(0);
      expect(space.locked).toBe(before);
      expect(yield* s.detach(0, gpa)).toBe(0);
      expect(yield* s.detach(1, gpa)).toBe(0);
      expect(yield* named(s.program.ioctl(s.iommuFd, IOMMU_IOASID_FREE, { ioasid: gpa }))).toBe('-EBUSY');
      expect(yield* s.program.ioctl(s.iommuFd, IOMMU_IOASID_FREE, { ioasid: giova })).toBe(0);
      expect(yield* s.program.ioctl(s.iommuFd, IOMMU_IOASID_FREE, { ioasid: gpa })).toBe(0);
      expect(space.locked).toBe(0);
    });
  });

  it('may be nested on a dummy root, to which no device is ever attached', () => {
    withNested(function* (s) {
      const memory = yield* s.memory(HELLO, PAGE);
      const dummy = yield* s.alloc({ flags: IommuIoasidFlag.DUMMY });
      expect(yield* s.map(dummy, memory, memory, K4)).toBe(0);
      const root = yield* s.alloc({ parent_ioasid: dummy });
      expect(yield* s.map(root, 0x7000n, memory, K4)).toBe(0);
      expect(yield* named(s.attach(0, dummy))).toBe('-EINVAL');
      for (const id of [1]) expect(yield* s.detach(0, id)).toBe(0);
      expect(yield* s.attach(0, root)).toBe(0);
      const engine = yield* s.engine(0);
      expect(yield* engine.read(0x7000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
    });
  });
});
