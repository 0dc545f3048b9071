/** Makes domains as the unit's features allow. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import { DirtyTracking } from '../iommu/dirty-tracking.ts';
import type { DomainOptions, ForeignPasidTable, IommuDomain, Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import { refusalOf } from '../iommu/table-shape.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { shapeOf } from './abilities.ts';
import { AmdDomain, type HostDomain, isHost } from './domain.ts';
import type { AmdDriver } from './driver.ts';
import { GCR3_BITS } from './features.ts';
import { AmdPasidTable } from './pasid-table.ts';
import { AmdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: AmdDriver, options: DomainOptions, allocator: PageAllocator): AmdDomain | number {
  const shape = shapeOf(driver.features, options);
  if (shape === null) return -EOPNOTSUPP;
  const refusal = refusalOf(shape, options);
  if (refusal < 0) return refusal;
  const { stage, format, geometry, canSnoop, canTrack } = shape;
  const table = PageTable.create(format, allocator, driver.bus.memory);
  if (typeof table === 'number') return table;
  const { root } = table;
  if (stage === 'first') {
    return new AmdDomain(driver, table, { kind: 'guest', table: root, levels: format.levels === 5 ? 5 : 4 }, geometry);
  }
  const did = driver.domainIds.take();
  if (did < 0) {
    table.destroy();
    return did;
  }
  const { enforceSnoop: snoop = canSnoop } = options;
  const tracking = canTrack ? new DirtyTracking(table, geometry) : null;
  return new AmdDomain(driver, table, { kind: 'host', did, root, levels: format.levels, snoop, tracking }, geometry);
}

/** A domain over a host table of the same driver; -EOPNOTSUPP or -EINVAL. */
export function makeNested(driver: AmdDriver, { parent, table, levels }: Nesting): AmdNestedDomain | number {
  if (!driver.abilities.nestedLevels.includes(levels)) return -EOPNOTSUPP;
  const host = hostFor(driver, parent, table);
  if (typeof host === 'number') return host;
  return new AmdNestedDomain(host, { kind: 'nested', table, levels, host: host.target });
}

/** A domain over a GCR3 table of somebody else; -EOPNOTSUPP or -EINVAL. */
export function makePasidTable(driver: AmdDriver, foreign: ForeignPasidTable): AmdPasidTable | number {
  const { parent, table: root, pasidBits, levels, usesPasidZero } = foreign;
  const { nestedLevels, pasidTableBits } = driver.abilities;
  if (pasidTableBits === 0 || !nestedLevels.includes(levels)) return -EOPNOTSUPP;
  if (!Number.isInteger(pasidBits) || pasidBits < 1 || pasidBits > pasidTableBits) return -EINVAL;
  const host = hostFor(driver, parent, root);
  if (typeof host === 'number') return host;
  const place = { root, levels: Math.ceil(pasidBits / GCR3_BITS) };
  return new AmdPasidTable(host, { kind: 'PASID table', place, levels, usesPasidZero, host: host.target });
}

/** The domain under a table of somebody else, which is in it, or -EINVAL. */
function hostFor(driver: AmdDriver, parent: IommuDomain, table: PageNumber): HostDomain | number {
  const isParent = parent instanceof AmdDomain && parent.driver === driver;
  return isParent && isHost(parent) && table <= parent.geometry.last ? parent : -EINVAL;
}
