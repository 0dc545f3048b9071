/** Makes domains as the unit's capabilities and mode allow. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import { DirtyTracking } from '../iommu/dirty-tracking.ts';
import type { DomainOptions, Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import { refusalOf, type TableShape } from '../iommu/table-shape.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { shapeOf } from './abilities.ts';
import { VtdDomain } from './domain.ts';
import type { VtdDriver } from './driver.ts';
import { HostPermissionTable } from './host-permission-table.ts';
import { HostPermissions } from './host-permissions.ts';
import type { FirstStageTarget, SecondStageTarget } from './routes.ts';
import { VtdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: VtdDriver, options: DomainOptions, allocator: PageAllocator): VtdDomain | number {
  const { hostPermissions = false } = options;
  const shape = shapeOf(driver, options);
  if (shape === null || (hostPermissions && driver.scalable?.hostPermissions !== true)) return -EOPNOTSUPP;
  const refusal = refusalOf(shape, options);
  if (refusal < 0) return refusal;
  const { memory } = driver.bus;
  const table = PageTable.create(shape.format, allocator, memory);
  if (typeof table === 'number') return table;
  const permissions = hostPermissions ? HostPermissionTable.create(allocator, memory) : null;
  const did = typeof permissions === 'number' ? permissions : driver.domainIds.take();
  if (typeof permissions === 'number' || did < 0) {
    table.destroy();
    if (typeof permissions !== 'number') permissions?.destroy();
    return did;
  }
  const permitted = permissions && new HostPermissions(driver, did, permissions);
  const { enforceSnoop: snoop = shape.canSnoop } = options;
  const tracking = shape.canTrack ? new DirtyTracking(table, shape.geometry) : null;
  const target = targetOf(driver, shape, { did, root: table.root, snoop, permissions: permitted, tracking });
  return new VtdDomain(driver, did, table, permitted, { target, geometry: shape.geometry });
}

/** A domain over a second stage of the same driver; -EOPNOTSUPP, -EINVAL or -ENOSPC. */
export function makeNested(driver: VtdDriver, { parent, table, levels }: Nesting): VtdNestedDomain | number {
  if (!driver.abilities.nestedLevels.includes(levels)) return -EOPNOTSUPP;
  const isParent = parent instanceof VtdDomain && parent.driver === driver && parent.target.kind === 'second-stage';
  if (!isParent || table > parent.geometry.last) return -EINVAL;
  const did = driver.domainIds.take();
  if (did < 0) return did;
  return new VtdNestedDomain(parent, { ...parent.target, kind: 'nested', did, table, levels });
}

interface Parts {
  readonly did: number;
  readonly root: PageNumber;
  readonly snoop: boolean;
  readonly tracking: DirtyTracking | null;
  readonly permissions: HostPermissions | null;
}

function targetOf(
  { capabilities }: VtdDriver,
  { stage, format }: TableShape,
  { did, root, snoop, permissions, tracking }: Parts,
): FirstStageTarget | SecondStageTarget {
  const common = { did, snoop, permissions };
  if (stage === 'second') {
    return { ...common, kind: 'second-stage', root, addressWidth: capabilities.depth.addressWidth, tracking };
  }
  return { ...common, kind: 'first-stage', table: root, levels: format.levels === 5 ? 5 : 4 };
}
