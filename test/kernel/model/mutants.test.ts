/** The model test finds kernels that are broken on purpose: each of these mistakes within a few runs. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { KernelOptions } from '../../../src/kernel/index.ts';
import { BoundDevice } from '../../../src/kernel/ioasid/bound-device.ts';
import { IoasidContext } from '../../../src/kernel/ioasid/context.ts';
import { DirtyLog } from '../../../src/kernel/ioasid/dirty-log.ts';
import { KernelTable } from '../../../src/kernel/ioasid/kernel-table.ts';
import { Mappings } from '../../../src/kernel/ioasid/mappings.ts';
import { Routes } from '../../../src/kernel/ioasid/routes.ts';
import { UserTable } from '../../../src/kernel/ioasid/user-table.ts';
import { DirtyTracking } from '../../../src/kernel/iommu/dirty-tracking.ts';
import { DomainIds } from '../../../src/kernel/iommu/domain-ids.ts';
import { LockedPages } from '../../../src/kernel/memory/locked-pages.ts';
import { MODEL_MACHINES } from './machines.ts';
import { plans, runPlan } from './run.ts';

/** With this seed each is found by one of the plans. */
const SAMPLE = { seed: 14, numRuns: 8 };
const NESTING = MODEL_MACHINES[1]!;

/** What the model says against a kernel, `undefined` when it finds nothing. */
function foundIn(kernel: Partial<KernelOptions> = {}): string | undefined {
  for (const plan of fc.sample(plans(80), SAMPLE)) {
    try {
      runPlan(NESTING, plan, kernel);
    } catch (error) {
      return (error as Error).message.split(', after:')[0];
    }
  }
  return undefined;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('The model finds a kernel that', () => {
  it('forgets to invalidate the IOTLB when something is unmapped', () => {
    expect(foundIn({ invalidateOnUnmap: false })).toMatch(
      /reaches \d+, but may reach only \[\]|gets \d+, but may get only \[\]/,
    );
  });

  it('forgets to unmap from a nested space what its parent loses', () => {
    const { unmap } = KernelTable.prototype;
    let isParent = false;
    vi.spyOn(KernelTable.prototype, 'unmap').mockImplementation(function* (this: KernelTable, range) {
      isParent = this.shape.parent === null;
      const result = yield* unmap.call(this, range);
      isParent = false;
      return result;
    });
    // Going through the mappings is how a parent finds those that are merged of it.
    const all = Mappings.prototype[Symbol.iterator];
    vi.spyOn(Mappings.prototype, Symbol.iterator).mockImplementation(function (this: Mappings) {
      return isParent ? [][Symbol.iterator]() : all.call(this);
    });
    expect(foundIn()).toMatch(/but may/);
  });

  it('leads requests to the outermost space of several', () => {
    vi.spyOn(BoundDevice.prototype, 'translating').mockImplementation(function (this: BoundDevice, pasid = -1) {
      return this.slots.get(pasid)?.[0];
    });
    expect(foundIn()).toMatch(/but (it )?may/);
  });

  it('enters a space under another PASID', () => {
    const { attach } = IoasidContext.prototype;
    vi.spyOn(IoasidContext.prototype, 'attach').mockImplementation(function (this: IoasidContext, bound, id, pasid) {
      return attach.call(this, bound, id, pasid === 5 ? 9 : pasid);
    });
    expect(foundIn()).toMatch(/with PASID (5|9) .* but (it )?may/);
  });

  it('ignores what a user tells it to invalidate', () => {
    // biome-ignore lint/correctness/useYield: that is the mistake
    vi.spyOn(UserTable.prototype, 'invalidate').mockImplementation(function* () {
      return 0;
    });
    expect(foundIn()).toMatch(/but may|but it may/);
  });

  it('charges a page each time that a root maps it', () => {
    vi.spyOn(LockedPages.prototype, 'missing').mockImplementation((pages) => pages);
    vi.spyOn(LockedPages.prototype, 'add').mockImplementation((frames) => [...frames].length);
    vi.spyOn(LockedPages.prototype, 'remove').mockImplementation((frames) => [...frames].length);
    expect(foundIn()).toMatch(/is charged|gives -ENOMEM/);
  });

  it('tells nothing of what is written through a table that is merged of another', () => {
    const { note } = DirtyLog.prototype;
    let isNoting = false;
    vi.spyOn(DirtyLog.prototype, 'note').mockImplementation(function (this: DirtyLog, run) {
      if (isNoting) return;
      isNoting = true;
      note.call(this, run);
      isNoting = false;
    });
    expect(foundIn()).toMatch(/bit \d+ of what p\d is told of space \d is 0/);
  });

  it('clears what hardware has noted and lets it go on taking the page for written', () => {
    const { read } = DirtyTracking.prototype;
    vi.spyOn(DirtyTracking.prototype, 'read').mockImplementation(function (this: DirtyTracking, range, keep) {
      // biome-ignore lint/correctness/useYield: that is the mistake
      return read.call(this, range, keep, function* () {
        return 0;
      });
    });
    expect(foundIn()).toMatch(/bit \d+ of what p\d is told of space \d is 0/);
  });

  it('asks too late what was written through a mapping that goes', () => {
    vi.spyOn(DirtyLog.prototype, 'leaving').mockImplementation(function* () {});
    expect(foundIn()).toMatch(/bit \d+ of what p\d is told of space \d is 0/);
  });

  it('keeps the number of a domain that is gone', () => {
    vi.spyOn(DomainIds.prototype, 'release').mockImplementation(() => {});
    expect(foundIn()).toMatch(/something is left/);
  });

  it('leaves a device where it was when it is detached', () => {
    const { update } = Routes.prototype;
    vi.spyOn(Routes.prototype, 'update').mockImplementation(function* (this: Routes, bound, pasid) {
      return bound.translating(pasid) === undefined ? 0 : yield* update.call(this, bound, pasid);
    });
    expect(foundIn()).toBeDefined();
  });
});
