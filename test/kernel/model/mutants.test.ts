/** The model test finds kernels that are broken on purpose: each of these mistakes within a few runs. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AmdDriver } from '../../../src/kernel/amd/driver.ts';
import { AmdPasidTable } from '../../../src/kernel/amd/pasid-table.ts';
import type { KernelOptions } from '../../../src/kernel/index.ts';
import { BoundDevice } from '../../../src/kernel/ioasid/bound-device.ts';
import { IoasidContext } from '../../../src/kernel/ioasid/context.ts';
import { DirtyLog } from '../../../src/kernel/ioasid/dirty-log.ts';
import { FaultQueue } from '../../../src/kernel/ioasid/fault-queue.ts';
import { KernelTable } from '../../../src/kernel/ioasid/kernel-table.ts';
import { Mappings } from '../../../src/kernel/ioasid/mappings.ts';
import { PasidTable } from '../../../src/kernel/ioasid/pasid-table.ts';
import { Routes } from '../../../src/kernel/ioasid/routes.ts';
import { UserTable } from '../../../src/kernel/ioasid/user-table.ts';
import { Attachments } from '../../../src/kernel/iommu/attachments.ts';
import { DirtyTracking } from '../../../src/kernel/iommu/dirty-tracking.ts';
import { DomainIds } from '../../../src/kernel/iommu/domain-ids.ts';
import { LockedPages } from '../../../src/kernel/memory/locked-pages.ts';
import { EBUSY } from '../../../src/uapi/index.ts';
import { MODEL_MACHINES } from './machines.ts';
import { plans, runPlan } from './run.ts';

/** Most are found by the first plans already, whatever the seed. */
const SAMPLE = { seed: 2, numRuns: 24 };
const NESTING = MODEL_MACHINES[1]!;
/** Where processes can keep PASID tables. */
const OWNED_PASIDS = MODEL_MACHINES[4]!;

/** What the model says against a kernel, `undefined` when it finds nothing. */
function foundIn(kernel: Partial<KernelOptions> = {}, machine = NESTING): string | undefined {
  for (const plan of fc.sample(plans(80), SAMPLE)) {
    try {
      runPlan(machine, plan, kernel);
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
    expect(foundIn()).toMatch(/but (it )?may|devices are answered/);
  });

  it('enters a space under another PASID', () => {
    const { attach } = IoasidContext.prototype;
    vi.spyOn(IoasidContext.prototype, 'attach').mockImplementation(function (this: IoasidContext, bound, id, pasid) {
      return attach.call(this, bound, id, pasid === 5 ? 9 : pasid);
    });
    expect(foundIn()).toMatch(/with PASID (5|9) .* but (it )?may|devices are answered/);
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

  it('ignores what a user tells it to invalidate of a PASID table', () => {
    const { invalidate } = PasidTable.prototype;
    vi.spyOn(PasidTable.prototype, 'invalidate').mockImplementation(function* (this: PasidTable, what = {}) {
      return this.reaches(what.pasid ?? 0) ? 0 : yield* invalidate.call(this, what);
    });
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/but may|but it may/);
  });

  it('forgets what the PASIDs of a process lead to, but not where that table is', () => {
    const { run } = AmdDriver.prototype;
    vi.spyOn(AmdDriver.prototype, 'run').mockImplementation(function* (this: AmdDriver, commands) {
      const fewer = commands.map((one) =>
        one.kind === 'pages' && one.pasid >= 0 ? { ...one, directories: false } : one,
      );
      return yield* run.call(this, fewer);
    });
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/but may|but it may/);
  });

  it('looks for the PASID table of a process where the kernel would have put it', () => {
    vi.spyOn(AmdDriver.prototype, 'setGuestRoots').mockImplementation(function* () {});
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/but may|but it may/);
  });

  it('says that a PASID table is in use while other tables are walked in another way', () => {
    const { attach } = AmdPasidTable.prototype;
    vi.spyOn(AmdPasidTable.prototype, 'attach').mockImplementation(function* (this: AmdPasidTable, device, options) {
      const result = yield* attach.call(this, device, options);
      return result === -EBUSY ? 0 : result;
    });
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/gives 0, not -EBUSY/);
  });

  it('leads requests with a PASID to what is attached by it beside a PASID table', () => {
    vi.spyOn(BoundDevice.prototype, 'pasidTable', 'get').mockReturnValue(undefined);
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/gives/);
  });

  it('takes a PASID table away while spaces are attached by its PASIDs', () => {
    vi.spyOn(BoundDevice.prototype, 'hasPasids', 'get').mockReturnValue(false);
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/gives 0, not -EBUSY/);
  });

  it('makes hardware forget nothing of a single PASID of a process', () => {
    const { invalidate } = PasidTable.prototype;
    vi.spyOn(PasidTable.prototype, 'invalidate').mockImplementation(function* (this: PasidTable, what = {}) {
      const { pasid } = what;
      return pasid !== undefined && this.reaches(pasid) ? 0 : yield* invalidate.call(this, what);
    });
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/but may|but it may/);
  });

  it('answers no page request when a device leaves its space', () => {
    vi.spyOn(Attachments.prototype, 'takePageRequests').mockImplementation(function (this: Attachments, group) {
      const handler = this.find(group.requester, group.pasid)?.handlers.onPageRequest;
      handler?.(group);
      return handler !== undefined;
    });
    expect(foundIn()).toMatch(/devices are answered/);
  });

  it('answers no page request when nobody can read of it any more', () => {
    vi.spyOn(FaultQueue.prototype, 'close').mockImplementation(function* () {});
    expect(foundIn()).toMatch(/devices are answered/);
  });

  it('lets anybody answer for any device', () => {
    const { respond } = FaultQueue.prototype;
    vi.spyOn(FaultQueue.prototype, 'respond').mockImplementation(function* (this: FaultQueue, response) {
      const { ioasid, group, code } = response;
      return yield* respond.call(this, { ioasid, group, code });
    });
    expect(foundIn()).toMatch(/write\(.*gives \d+, not (-EINVAL|\d+)/);
  });

  it('loses a record that there was no place for in what was read', () => {
    const { consume } = FaultQueue.prototype;
    vi.spyOn(FaultQueue.prototype, 'consume').mockImplementation(function (this: FaultQueue, count) {
      consume.call(this, count + 1);
    });
    expect(foundIn()).toMatch(/records\) gives|reads|devices are answered/);
  });

  it('tells of all faults as if they were in the first space', () => {
    const { listen } = FaultQueue.prototype;
    vi.spyOn(FaultQueue.prototype, 'listen').mockImplementation(function (this: FaultQueue, source) {
      return listen.call(this, () => ({ ...source(), ioasid: 1 }));
    });
    expect(foundIn()).toMatch(/reads|write\(/);
  });

  it('does not say which of its PASIDs a fault of a process is about', () => {
    const { listen } = FaultQueue.prototype;
    vi.spyOn(FaultQueue.prototype, 'listen').mockImplementation(function (this: FaultQueue, source) {
      return listen.call(this, () => ({ ...source(), isPasidTable: false }));
    });
    expect(foundIn({}, OWNED_PASIDS)).toMatch(/reads|write\(/);
  });
});
