/** The physical part of a machine: memory, root complex, links, devices and an IOMMU, put together from a specification. */

import { numberOf } from '../../hardware/bits/index.ts';
import { TimedIommu, type TimedIommuSpec } from '../../hardware/iommu/agent.ts';
import { type HierarchySpec, MemoryController, PhysicalMemory, type Range } from '../../hardware/memory/index.ts';
import { type Device, ROOT_COMPLEX, RootComplex } from '../../hardware/pcie/index.ts';
import type { Engine } from '../../hardware/sim/index.ts';
import { buildDevice } from './devices/index.ts';
import { buildFabric, type Fabric } from './fabric/build.ts';
import { type Plan, planBuses } from './fabric/plan.ts';
import { InputError } from './input-error.ts';
import { buildIommu, type Iommu } from './iommu/index.ts';
import type { MachineSpec } from './schema.ts';

const [KIB, MIB] = [2 ** 10, 2 ** 20];
/** RAM ends here at the latest and goes on above 4 GiB: what lies between belongs to registers. */
const LOW_RAM_END = 0xc000_0000;
const HIGH_RAM_START = 2 ** 32;
/** Where firmware lets the kernel place base address registers. */
export const MMIO_WINDOW: Range = [0xe000_0000, 0x1000_0000];
/** Registers of the IOMMU; those of a unit that has more begin below, aligned to their size. */
const IOMMU_BASE = 0xfed9_0000;
export const IOMMU_NAME = 'iommu0';

export interface Hardware {
  readonly memory: PhysicalMemory;
  readonly ram: readonly Range[];
  readonly controller: MemoryController;
  readonly rootComplex: RootComplex;
  readonly plan: Plan;
  readonly fabric: Fabric;
  readonly devices: ReadonlyMap<string, Device>;
  /** Requester ids by the devices' names. */
  readonly requesters: ReadonlyMap<string, number>;
  readonly iommu: Iommu;
  /** Where the IOMMU's registers are. */
  readonly window: Range;
  readonly agent: TimedIommu;
}

export type DeliverInterrupt = (address: number, data: number) => void;

/** `deliver` receives interrupt messages on behalf of the CPU. */
export function buildHardware(engine: Engine, spec: MachineSpec, deliver: DeliverInterrupt): Hardware {
  const ram = ramOf(spec);
  const memory = new PhysicalMemory(ram);
  const { latency, bytesPerNanosecond } = spec.memory;
  const hierarchy = hierarchyOf(spec.memory, ram);
  const controller = new MemoryController(engine, memory, { latency, bytesPerNanosecond, hierarchy }, 'memory');
  const rootComplex = new RootComplex(engine, controller, { ...ROOT_COMPLEX, ...spec.rootComplex }, 'root');
  const iommu = buildIommu(spec.iommu, { memory, raiseMsi: (hi, lo, data) => deliver(numberOf(hi, lo), data) });
  const { unit, registerBytes } = iommu;
  rootComplex.onInterrupt = deliver;
  // An IOMMU that is a function speaks as that one, another as the root complex.
  const [requester = rootComplex.spec.requester] = iommu.functions.keys();
  const agent = new TimedIommu(engine, unit, controller, { ...agentSpec(spec.iommu), requester }, IOMMU_NAME);
  rootComplex.attach(agent);
  const window: Range = [IOMMU_BASE - (IOMMU_BASE % registerBytes), registerBytes];
  rootComplex.claimMmio(...window, unit);
  for (const [requester, fn] of iommu.functions) rootComplex.integrate(requester, fn);
  const plan = planBuses(spec);
  const devices = buildDevices(engine, spec, plan);
  const fabric = buildFabric(engine, rootComplex, spec, plan, devices);
  // Functions of a device behind its first are virtual ones.
  const requesters = new Map(
    [...devices].flatMap(([name, { functions }]) =>
      functions.map(({ requester }, i) => [i === 0 ? name : `${name}v${i - 1}`, requester] as const),
    ),
  );
  return { memory, ram, controller, rootComplex, plan, fabric, devices, requesters, iommu, window, agent };
}

/** What a unit's surroundings take of its specification. */
function agentSpec(spec: MachineSpec['iommu']): TimedIommuSpec {
  const { lookup, requests, walkers, fetch, lookupInterval, mergeMisses, walkRegion, readHold } = spec;
  return { lookup, requests, walkers, fetch, lookupInterval, mergeMisses, walkRegion, readHold };
}

/** Physical ranges of RAM. Throws an InputError when the host address width does not reach its end. */
function ramOf({ memory, iommu }: MachineSpec): Range[] {
  const bytes = memory.megabytes * MIB;
  const low: Range = [0, Math.min(bytes, LOW_RAM_END)];
  const ram: Range[] = bytes > LOW_RAM_END ? [low, [HIGH_RAM_START, bytes - LOW_RAM_END]] : [low];
  const [start, length] = ram.at(-1)!;
  if (start + length > 2 ** iommu.hostAddressWidth) {
    throw new InputError(
      `machine.memory.megabytes: expected an amount that ${iommu.hostAddressWidth} address bits ` +
        `(machine.iommu.hostAddressWidth) reach, got ${memory.megabytes}.`,
    );
  }
  return ram;
}

/** What is between root complex and memory; nothing where one queue says it all. */
function hierarchyOf(spec: MachineSpec['memory'], ram: readonly Range[]): HierarchySpec | null {
  const { megabytes, channels, banks, lastLevelCache, otherSocket } = spec;
  if (channels === 1 && banks === null && lastLevelCache === null && otherSocket === null) return null;
  return {
    channels,
    banks,
    lastLevel: lastLevelCache && { ...lastLevelCache, bytes: lastLevelCache.kibibytes * KIB },
    otherSocket: otherSocket && {
      start: startOfLast(Math.floor(megabytes * otherSocket.share) * MIB, ram),
      hop: otherSocket.hop,
    },
  };
}

/** Where so many bytes at the end of memory begin. */
function startOfLast(bytes: number, ram: readonly Range[]): number {
  let left = bytes;
  for (const [start, length] of ram.toReversed()) {
    if (left <= length) return start + length - left;
    left -= length;
  }
  return 0;
}

/** The devices by name, and the requester id that each has. */
function buildDevices(engine: Engine, spec: MachineSpec, plan: Plan): Map<string, Device> {
  return new Map(spec.devices.map((device) => [device.name, buildDevice(engine, device, plan.requesterOf(device.at))]));
}
