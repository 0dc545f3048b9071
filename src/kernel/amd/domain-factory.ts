/** Makes domains as the unit's features allow. */
import { amdV1, x86Paging } from '../../../hardware/formats/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import { type DomainOptions, lastFirstStagePage, type Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { AmdDomain } from './domain.ts';
import type { AmdDriver } from './driver.ts';
import { AmdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: AmdDriver, options: DomainOptions, allocator: PageAllocator): AmdDomain | number {
  const { host, guest } = driver.features;
  const { stage = host === null ? 'first' : 'second' } = options;
  if (stage === 'second') return host === null ? -EOPNOTSUPP : hostDomain(driver, host, allocator);
  // A fifth level costs a step, so it has to be asked for.
  const { levels = 4 } = options;
  if (guest === null || (levels === 5 && !guest.fiveLevels)) return -EOPNOTSUPP;
  return guestDomain(driver, levels, allocator);
}

/** A domain over a host table of the same driver; -EOPNOTSUPP or -EINVAL. */
export function makeNested(driver: AmdDriver, { parent, table, levels }: Nesting): AmdNestedDomain | number {
  const { host, guest } = driver.features;
  if (host === null || guest === null || (levels === 5 && !guest.fiveLevels)) return -EOPNOTSUPP;
  const isParent = parent instanceof AmdDomain && parent.driver === driver;
  if (!isParent || parent.target.kind !== 'host' || table > parent.geometry.last) return -EINVAL;
  return new AmdNestedDomain(parent, { kind: 'nested', table, levels, host: parent.target });
}

function hostDomain(
  driver: AmdDriver,
  { levels, last }: NonNullable<AmdDriver['features']['host']>,
  allocator: PageAllocator,
): AmdDomain | number {
  const table = PageTable.create(amdV1({ levels }), allocator, driver.bus.memory);
  if (typeof table === 'number') return table;
  const did = driver.takeDid();
  if (did < 0) {
    table.destroy();
    return did;
  }
  const { reserved } = driver.features;
  return new AmdDomain(driver, table, { kind: 'host', did, root: table.root, levels }, { last, reserved });
}

function guestDomain(driver: AmdDriver, levels: 4 | 5, allocator: PageAllocator): AmdDomain | number {
  const table = PageTable.create(x86Paging({ levels, superpages: [2, 3] }), allocator, driver.bus.memory);
  if (typeof table === 'number') return table;
  const geometry = { last: lastFirstStagePage(levels), reserved: driver.features.reserved };
  return new AmdDomain(driver, table, { kind: 'guest', table: table.root, levels }, geometry);
}
