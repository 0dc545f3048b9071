/** Makes domains as the unit's capabilities and mode allow. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { type PageTableFormat, vtdSecondStage } from '../../../hardware/formats/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import { type DomainOptions, INTERRUPT_PAGES, lastFirstStagePage, type Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { type DomainShape, VtdDomain } from './domain.ts';
import type { VtdDriver } from './driver.ts';
import { firstStageFormat } from './first-stage.ts';
import { HostPermissionTable } from './host-permission-table.ts';
import { HostPermissions } from './host-permissions.ts';
import { VtdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: VtdDriver, options: DomainOptions, allocator: PageAllocator): VtdDomain | number {
  const { scalable } = driver;
  const hasSecondStage = scalable === null || scalable.secondStage;
  const { stage = hasSecondStage ? 'second' : 'first', levels = 4, hostPermissions = false } = options;
  if (hostPermissions && scalable?.hostPermissions !== true) return -EOPNOTSUPP;
  const means = { driver, allocator, hostPermissions };
  if (stage === 'second') return hasSecondStage ? secondStage(means) : -EOPNOTSUPP;
  // A fifth level costs a step, so it has to be asked for.
  return scalable?.firstStage === true ? firstStage(means, levels) : -EOPNOTSUPP;
}

/** What a domain is made by. */
interface Means {
  readonly driver: VtdDriver;
  readonly allocator: PageAllocator;
  readonly hostPermissions: boolean;
}

/** A domain over a second stage of the same driver; -EOPNOTSUPP, -EINVAL or -ENOSPC. */
export function makeNested(driver: VtdDriver, { parent, table, levels }: Nesting): VtdNestedDomain | number {
  const { scalable } = driver;
  if (scalable?.nested !== true || (levels === 5 && !scalable.fiveLevels)) return -EOPNOTSUPP;
  const isParent = parent instanceof VtdDomain && parent.driver === driver && parent.target.kind === 'second-stage';
  if (!isParent || table > parent.geometry.last) return -EINVAL;
  const did = driver.takeDid();
  if (did < 0) return did;
  const { root, addressWidth, permissions } = parent.target;
  return new VtdNestedDomain(parent, { kind: 'nested', did, table, levels, root, addressWidth, permissions });
}

function secondStage(means: Means): VtdDomain | number {
  const { driver } = means;
  const { depth, superpages, snoopControl, lastPage } = driver.capabilities;
  const format = vtdSecondStage({ levels: depth.levels, superpages });
  return withTables(means, format, (did, root, permissions) => ({
    target: { kind: 'second-stage', did, root, addressWidth: depth.addressWidth, permissions },
    geometry: { last: lastPage, reserved: [INTERRUPT_PAGES] },
    enforcesSnoop: snoopControl,
  }));
}

function firstStage(means: Means, levels: 4 | 5): VtdDomain | number {
  const { driver } = means;
  const scalable = driver.scalable!;
  if (levels === 5 && !scalable.fiveLevels) return -EOPNOTSUPP;
  return withTables(means, firstStageFormat(levels, scalable), (did, table, permissions) => ({
    target: { kind: 'first-stage', did, table, levels, permissions },
    geometry: { last: lastFirstStagePage(levels), reserved: [INTERRUPT_PAGES] },
    enforcesSnoop: driver.capabilities.snoopControl,
  }));
}

/** A domain with its tables and its id, or the errno and nothing is taken. */
function withTables(
  { driver, allocator, hostPermissions }: Means,
  format: PageTableFormat,
  shape: (did: number, root: PageNumber, permissions: HostPermissions | null) => DomainShape,
): VtdDomain | number {
  const { memory } = driver.bus;
  const table = PageTable.create(format, allocator, memory);
  if (typeof table === 'number') return table;
  const permissions = hostPermissions ? HostPermissionTable.create(allocator, memory) : null;
  const did = typeof permissions === 'number' ? permissions : driver.takeDid();
  if (typeof permissions === 'number' || did < 0) {
    table.destroy();
    if (typeof permissions !== 'number') permissions?.destroy();
    return did;
  }
  const permitted = permissions && new HostPermissions(driver, did, permissions);
  return new VtdDomain(driver, did, table, permitted, shape(did, table.root, permitted));
}
