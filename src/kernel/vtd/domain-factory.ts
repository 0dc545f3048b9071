/** Makes domains as the unit's capabilities and mode allow. */
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import { type DomainOptions, INTERRUPT_PAGES, lastFirstStagePage, type Nesting } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { type DomainShape, VtdDomain } from './domain.ts';
import type { VtdDriver } from './driver.ts';
import { firstStageFormat } from './first-stage.ts';
import { VtdNestedDomain } from './table-less.ts';

/** A domain that maps nothing; -EOPNOTSUPP, -ENOSPC or -ENOMEM. */
export function makeDomain(driver: VtdDriver, options: DomainOptions, allocator: PageAllocator): VtdDomain | number {
  const { scalable } = driver;
  const hasSecondStage = scalable === null || scalable.secondStage;
  const { stage = hasSecondStage ? 'second' : 'first' } = options;
  if (stage === 'second') return hasSecondStage ? secondStage(driver, allocator) : -EOPNOTSUPP;
  // A fifth level costs a step, so it has to be asked for.
  return scalable?.firstStage === true ? firstStage(driver, options.levels ?? 4, allocator) : -EOPNOTSUPP;
}

/** A domain over a second stage of the same driver; -EOPNOTSUPP, -EINVAL or -ENOSPC. */
export function makeNested(driver: VtdDriver, { parent, table, levels }: Nesting): VtdNestedDomain | number {
  const { scalable } = driver;
  if (scalable?.nested !== true || (levels === 5 && !scalable.fiveLevels)) return -EOPNOTSUPP;
  const isParent = parent instanceof VtdDomain && parent.driver === driver && parent.target.kind === 'second-stage';
  if (!isParent || table > parent.geometry.last) return -EINVAL;
  const did = driver.takeDid();
  if (did < 0) return did;
  const { root, addressWidth } = parent.target;
  return new VtdNestedDomain(parent, { kind: 'nested', did, table, levels, root, addressWidth });
}

function secondStage(driver: VtdDriver, allocator: PageAllocator): VtdDomain | number {
  const { depth, superpages, snoopControl, lastPage } = driver.capabilities;
  const format = vtdSecondStage({ levels: depth.levels, superpages });
  return withTable(driver, PageTable.create(format, allocator, driver.bus.memory), (did, root) => ({
    target: { kind: 'second-stage', did, root, addressWidth: depth.addressWidth },
    geometry: { last: lastPage, reserved: [INTERRUPT_PAGES] },
    enforcesSnoop: snoopControl,
  }));
}

function firstStage(driver: VtdDriver, levels: 4 | 5, allocator: PageAllocator): VtdDomain | number {
  const scalable = driver.scalable!;
  if (levels === 5 && !scalable.fiveLevels) return -EOPNOTSUPP;
  const format = firstStageFormat(levels, scalable);
  return withTable(driver, PageTable.create(format, allocator, driver.bus.memory), (did, table) => ({
    target: { kind: 'first-stage', did, table, levels },
    geometry: { last: lastFirstStagePage(levels), reserved: [INTERRUPT_PAGES] },
    enforcesSnoop: driver.capabilities.snoopControl,
  }));
}

function withTable(
  driver: VtdDriver,
  table: PageTable | number,
  shape: (did: number, root: number) => DomainShape,
): VtdDomain | number {
  if (typeof table === 'number') return table;
  const did = driver.takeDid();
  if (did >= 0) return new VtdDomain(driver, did, table, shape(did, table.root));
  table.destroy();
  return did;
}
