/** Makes domains as the unit's features allow. */
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { DomainOptions, Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import { refusalOf } from '../iommu/table-shape.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { shapeOf } from './abilities.ts';
import { AmdDomain } from './domain.ts';
import type { AmdDriver } from './driver.ts';
import { AmdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: AmdDriver, options: DomainOptions, allocator: PageAllocator): AmdDomain | number {
  const shape = shapeOf(driver.features, options);
  if (shape === null) return -EOPNOTSUPP;
  const refusal = refusalOf(shape, options);
  if (refusal < 0) return refusal;
  const { stage, format, geometry, canSnoop } = shape;
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
  return new AmdDomain(driver, table, { kind: 'host', did, root, levels: format.levels, snoop }, geometry);
}

/** A domain over a host table of the same driver; -EOPNOTSUPP or -EINVAL. */
export function makeNested(driver: AmdDriver, { parent, table, levels }: Nesting): AmdNestedDomain | number {
  if (!driver.abilities.nestedLevels.includes(levels)) return -EOPNOTSUPP;
  const isParent = parent instanceof AmdDomain && parent.driver === driver;
  if (!isParent || parent.target.kind !== 'host' || table > parent.geometry.last) return -EINVAL;
  return new AmdNestedDomain(parent, { kind: 'nested', table, levels, host: parent.target });
}
