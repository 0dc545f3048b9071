/**
 * An IOMMU that no longer answers: commands that need its word end with EIO in both versions, and what hardware may still
 * reach is never used again.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import {
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_INVALIDATE_CACHE,
  IOASID_UNBIND_PGTABLE,
  IOMMU_INVALIDATE_CACHE,
  IoasidFormat,
  IommuCache,
  IommuFormat,
  IommuIoasidFlag,
  VFIO_ATTACH_IOASID,
  VFIO_DETACH_IOASID,
  VFIO_UNBIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench, type MachineBench, map, named, ONE_UNIT, setUp } from './bench.ts';
import { chainTo } from './machine-bench.ts';
import { SCALABLE, scalableBench } from './scalable-bench.ts';
import { Standing } from './v2-bench.ts';

const K4 = BigInt(PAGE_SIZE);
/** Of the parent space: there the process has a table that maps nothing. */
const TABLE = 0x1_0000n;

/** Caching mode: also what was not present has to be invalidated, so that no change goes without the unit's word. */
const MACHINES: readonly (readonly [name: string, up: () => MachineBench])[] = [
  ['an Intel unit', () => scalableBench({ cap: { CM: 1 } })],
  ['an AMD unit', () => AmdBench.up({ efr: GUEST_EFR })],
];

/** Whatever the kernel writes to the unit's registers is lost from now on. */
function silence(bench: MachineBench): void {
  bench.tap = () => false;
}

describe.each(MACHINES)('When %s falls silent', (_, up) => {
  /** What each command gives; what the process had mapped stays out of use after it has ended. */
  function afterSilence(script: (bench: MachineBench) => Script<string[]>): string[] {
    const bench = up();
    const answers = bench.run(script(bench));
    expect(bench.kernel.pages.pinned).toBeGreaterThan(0);
    expect(bench.kernel.log.toString()).toContain('which are never used again');
    return answers;
  }

  it("version 1's invalidation of a process's table fails, and the table stays bound", () => {
    const answers = afterSilence(function* (bench) {
      const s = yield* setUp(bench);
      yield* map(s, TABLE, s.memory, 16n * K4);
      const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
      yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child });
      const table = { child_ioasid: child, vendor: IoasidFormat.X86, addr: TABLE, address_width: 48 };
      expect(yield* s.program.ioctl(s.ioasidFd, IOASID_BIND_PGTABLE, table)).toBe(0);
      silence(bench);
      const results = [
        yield* named(s.program.ioctl(s.ioasidFd, IOASID_INVALIDATE_CACHE, { child_ioasid: child })),
        yield* named(s.program.ioctl(s.ioasidFd, IOASID_UNBIND_PGTABLE, { ioasid: child })),
      ];
      yield* s.program.exit();
      return results;
    });
    expect(answers).toEqual(['-EIO', '-EIO']);
  });

  it('version 1 binds no table of a process, attaches nothing and lets go of nothing', () => {
    const answers = afterSilence(function* (bench) {
      const s = yield* setUp(bench);
      yield* map(s, TABLE, s.memory, 16n * K4);
      const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
      yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child });
      silence(bench);
      const table = { child_ioasid: child, vendor: IoasidFormat.X86, addr: TABLE, address_width: 48 };
      const results = [
        yield* named(s.program.ioctl(s.ioasidFd, IOASID_BIND_PGTABLE, table)),
        yield* named(s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })),
        yield* named(s.program.ioctl(s.deviceFd, VFIO_UNBIND_IOASID_FD)),
      ];
      yield* s.program.exit();
      return results;
    });
    expect(answers).toEqual(['-EIO', '-EIO', '-EIO']);
  });

  it('version 2 neither unmaps, invalidates nor detaches', () => {
    const answers = afterSilence(function* (bench) {
      const s = yield* new Standing(bench).begin();
      const user = yield* s.alloc({
        flags: IommuIoasidFlag.USER_PGTABLE,
        type: 0,
        format: IommuFormat.X86_4LEVEL,
        parent_ioasid: s.root,
        addr: TABLE,
      });
      expect(yield* s.attach(0, user)).toBe(0);
      silence(bench);
      const everything = { child_ioasid: user, cache: IommuCache.IOTLB };
      const results = [
        yield* named(s.program.ioctl(s.iommuFd, IOMMU_INVALIDATE_CACHE, everything)),
        yield* named(s.unmap(s.root, TABLE, 4n * K4)),
        yield* named(s.detach(0, user)),
      ];
      yield* s.program.exit();
      return results;
    });
    expect(answers).toEqual(['-EIO', '-EIO', '-EIO']);
  });

  it('version 2 attaches nothing, and the device stays blocked', () => {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Standing(bench).begin();
        expect(yield* s.detach(0, s.root)).toBe(0);
        silence(bench);
        expect(yield* named(s.attach(0, s.root))).toBe('-EIO');
        const driver = yield* s.engine(0);
        expect((yield* driver.read(TABLE, 4)).ok).toBe(false);
        yield* s.program.exit();
      })(),
    );
  });
});

describe('A unit that falls silent while the kernel boots', () => {
  /** Registers by which a VT-d unit learns of tables and rings, and what for. */
  const TOLD_BY = new Map([
    [0x90, 'invalidation queue'],
    [0x20, 'context tables'],
    [0xc0, 'page request queue'],
    [0xb8, 'interrupt remapping table'],
  ]);
  /** FEDATA and PEDATA, by which it learns of vectors. */
  const [FEDATA, PEDATA] = [0x3c, 0xe4] as const;

  it('keeps what it has been told of, after whichever word; everything else goes back.', () => {
    const seen = new Set<string>();
    for (let words = 0; ; words++) {
      const ecap = { ...SCALABLE.ecap, PRS: 1, IR: 1 };
      const tables = chainTo(buildDmar({ ...ONE_UNIT, interruptRemapping: true }));
      const bench = new Bench({ ...SCALABLE, ecap, tables, kernel: { remapInterrupts: true } });
      const told: number[] = [];
      bench.tap = (offset) => told.push(offset) <= words;
      bench.boot();
      const { log, allocator, interrupts, iommu } = bench.kernel;
      if (iommu.groups.length > 0) break;
      expect(log.toString()).toContain('could not be taken into service');
      const purposes = told.flatMap((offset) => TOLD_BY.get(offset) ?? []);
      expect(Object.keys(allocator.inUse).sort(), `${words}`).toEqual([...new Set(purposes)].sort());
      const vectors = interrupts.counts.handled.map(({ name }) => name);
      expect(vectors.includes('vtd0 fault')).toBe(told.includes(FEDATA));
      expect(vectors.includes('vtd0 page request')).toBe(told.includes(PEDATA));
      for (const purpose of purposes) seen.add(purpose);
    }
    expect(seen).toEqual(new Set(TOLD_BY.values()));
  });
});
