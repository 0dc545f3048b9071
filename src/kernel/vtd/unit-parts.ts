/**
 * Everything that the driver of a unit needs memory or a vector for. All of it is taken before the unit is told of any: where
 * something is missing everything goes back, and the unit is as it was. What it has been told of later stays its own, whatever
 * becomes of it: it may still read it.
 */
import type { IommuServices } from '../iommu/services.ts';
import { Takings } from '../iommu/takings.ts';
import type { Capabilities } from './capabilities.ts';
import type { VtdDriver, VtdPlace } from './driver.ts';
import { FaultReader } from './faults.ts';
import { InterruptTable } from './interrupt-table.ts';
import { type Invalidator, RegisterInvalidation } from './invalidation.ts';
import { LegacyRoutes } from './legacy-routes.ts';
import { PageRequestQueue } from './page-requests.ts';
import { InvalidationQueue } from './queue.ts';
import type { Registers } from './registers.ts';
import type { Routes } from './routes.ts';
import { ScalableRoutes } from './scalable-routes.ts';

export interface UnitParts {
  readonly invalidator: Invalidator;
  /** `null` where invalidations are asked for by registers. */
  readonly queue: InvalidationQueue | null;
  readonly routes: Routes;
  /** The unit learns where the root table is. */
  tellRoot(): void;
  readonly pageRequests: PageRequestQueue | null;
  readonly faults: FaultReader;
  /** `null` where interrupts are not remapped. */
  readonly interrupts: InterruptTable | null;
  /** All of them: what the unit has been told of stays when they are released. */
  readonly taken: Takings;
}

export interface PartsSpec {
  readonly services: IommuServices;
  readonly registers: Registers;
  readonly capabilities: Capabilities;
  readonly place: VtdPlace;
  readonly remapsInterrupts: boolean;
}

/** All parts, or -ENOMEM or -ENOSPC and nothing is taken. */
export function takeParts(driver: VtdDriver, spec: PartsSpec): UnitParts | number {
  const { services, registers, capabilities, place, remapsInterrupts } = spec;
  const { name } = driver;
  const taken = new Takings();
  let isRootTold = false;
  let reader: FaultReader | null = null;
  const withFaults = { ...services, readFaults: () => reader!.read() };
  const shape = {
    wide: driver.scalable !== null,
    draining: capabilities.draining,
    throttles: capabilities.scalable?.throttles ?? false,
  };
  const queue = capabilities.queued
    ? taken.keep(InvalidationQueue.create(withFaults, registers, name, shape), (one) => one.release())
    : null;
  if (typeof queue === 'number') return queue;
  const { invalidationOffset, draining } = capabilities;
  const invalidator = queue ?? new RegisterInvalidation(registers, services.log, name, invalidationOffset, draining);
  const routes = taken.keep(routesOf(driver, services, place), (one) => {
    if (!isRootTold) one.destroy();
  });
  if (typeof routes === 'number') return routes;
  const unit = { ...services, registers, invalidator };
  const pageRequests =
    driver.scalable?.pageRequests === true
      ? taken.keep(PageRequestQueue.create({ ...unit, attachments: driver.attachments }, name), (one) => one.release())
      : null;
  if (typeof pageRequests === 'number') return pageRequests;
  const records = { offset: capabilities.faultOffset, count: capabilities.faultRecords };
  const faults = taken.keep(FaultReader.create(services, registers, name, records), (one) => one.release());
  if (typeof faults === 'number') return faults;
  reader = faults;
  const interrupts = remapsInterrupts
    ? taken.keep(InterruptTable.create(unit, capabilities), (one) => one.release())
    : null;
  if (typeof interrupts === 'number') return interrupts;
  const tellRoot = (): void => {
    isRootTold = true;
  };
  return { queue, invalidator, routes, tellRoot, pageRequests, faults, interrupts, taken };
}

function routesOf(driver: VtdDriver, { engine, allocator, bus }: IommuServices, { buses }: VtdPlace): Routes | number {
  const { scalable } = driver;
  if (scalable === null) return LegacyRoutes.create(driver, bus.memory, allocator, buses);
  return ScalableRoutes.create(driver, { engine, memory: bus.memory, allocator }, scalable, buses);
}
