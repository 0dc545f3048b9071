/**
 * What the DMAR table means on this machine: which remapping units there are, whose devices they have, and which memory
 * those devices must go on reaching.
 *
 * What firmware got wrong costs a line of the log and the unit or the range that it is about. A device that a refused
 * unit names is served by no other. Device scopes lead through bridges by the numbers that these have now.
 */
import { hex, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import {
  type DeviceScope,
  DMAR_SIGNATURE,
  type DmarStructure,
  type DmarTable,
  ScopeType,
} from '../../../hardware/vtd/spec/dmar.ts';
import type { Firmware } from '../bus.ts';
import type { DirectRun } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';
import { bridgesAbove, type PciBridge, type PciDevice } from '../pci/index.ts';
import { decodeDmar } from './dmar.ts';
import { type FirmwareServices, reservedRun, united, wrongPlace } from './findings.ts';
import type { IntelUnit } from './remapping.ts';
import { findTable } from './tables.ts';

type Drhd = Extract<DmarStructure, { type: 'DRHD' }>;
type Rmrr = Extract<DmarStructure, { type: 'RMRR' }>;

const DEVICES_PER_BUS = 32;
const FUNCTIONS = 8;
const READ_WRITE = { read: true, write: true };

/** The units that firmware describes and that can be there, none when its tables are damaged; `undefined` without a table. */
export function dmarUnits(services: FirmwareServices, devices: readonly PciDevice[]): IntelUnit[] | undefined {
  const { memory, firmware, log } = services;
  const bytes = findTable(memory, firmware, DMAR_SIGNATURE);
  if (bytes === undefined) return undefined;
  const table = typeof bytes === 'string' ? bytes : decodeDmar(bytes);
  if (typeof table === 'string') {
    log.write(`dmar: ${table}; no remapping unit is used`);
    return [];
  }
  return new Discovery(table, services, devices).units();
}

class Discovery {
  readonly #table: DmarTable;
  readonly #firmware: Firmware;
  readonly #log: KernelLog;
  readonly #devices: ReadonlyMap<number, PciDevice>;
  /** Those with devices below. */
  readonly #bridges: ReadonlyMap<number, PciBridge>;

  constructor(table: DmarTable, { firmware, log }: FirmwareServices, devices: readonly PciDevice[]) {
    this.#table = table;
    this.#firmware = firmware;
    this.#log = log;
    this.#devices = new Map(devices.map((device) => [device.rid, device]));
    const bridges = devices.flatMap((device) => [...bridgesAbove(device)]);
    this.#bridges = new Map(bridges.map((bridge) => [bridge.rid, bridge]));
  }

  units(): IntelUnit[] {
    const { structures, interruptRemapping } = this.#table;
    const unknown = structures.filter(({ type }) => type === 'other').length;
    if (unknown > 0) this.#log.write(`dmar: structures of unknown types are skipped: ${unknown}`);
    const served = this.#servedDevices(structures.filter((one) => one.type === 'DRHD'));
    const reserved = this.#reservedMemory(structures.filter((one) => one.type === 'RMRR'));
    const bases = new Set<bigint>();
    const units: IntelUnit[] = [];
    for (const [unit, devices] of served) {
      const wrong = bases.has(unit.base) ? 'another unit has the same address' : this.#wrongWith(unit);
      bases.add(unit.base);
      if (wrong !== undefined) this.#log.write(`dmar: the unit at ${hex(unit.base)} is not used: ${wrong}`);
      else {
        const own = new Map(
          devices.flatMap((device) => (reserved.has(device) ? [[device, reserved.get(device)!]] : [])),
        );
        // Nothing here shares the id of another device.
        const groups = devices.map((device) => [device]);
        const registerBase = Number(unit.base);
        units.push({ vendor: 'intel', registerBase, interruptRemapping, groups, reserved: own });
      }
    }
    return units;
  }

  /** The first unit that names a device has it; those that nobody names go to the first that has all the rest. */
  #servedDevices(units: readonly Drhd[]): Map<Drhd, readonly PciDevice[]> {
    const left = new Set(this.#devices.values());
    const served = new Map<Drhd, readonly PciDevice[]>();
    for (const unit of units) {
      const devices = this.#inScope(unit).filter((device) => left.delete(device));
      served.set(unit, devices);
    }
    const rest = units.find(({ includePciAll, segment }) => includePciAll && segment === 0);
    if (rest !== undefined) served.set(rest, [...served.get(rest)!, ...left]);
    return served;
  }

  #wrongWith({ segment, base }: Drhd): string | undefined {
    if (segment !== 0) return `there is no segment ${segment}`;
    return wrongPlace(this.#firmware, base, PAGE_SIZE);
  }

  #reservedMemory(ranges: readonly Rmrr[]): Map<PciDevice, readonly DirectRun[]> {
    const found = new Map<PciDevice, DirectRun[]>();
    for (const range of ranges) {
      const run = this.#runOf(range);
      if (run === undefined) {
        this.#log.write(`dmar: ${hex(range.base)}-${hex(range.limit)} is no reserved memory and is not mapped`);
        continue;
      }
      for (const device of this.#inScope(range)) found.set(device, [...(found.get(device) ?? []), run]);
    }
    return new Map([...found].map(([device, runs]) => [device, united(runs)]));
  }

  #runOf({ segment, base, limit }: Rmrr): DirectRun | undefined {
    const run = segment === 0 ? reservedRun(this.#firmware, base, limit + 1n) : undefined;
    return run && { ...run, protection: READ_WRITE };
  }

  /** The functions that device scopes name and that are there. */
  #inScope({ segment, scope }: Drhd | Rmrr): PciDevice[] {
    if (segment !== 0) return [];
    return scope.flatMap((one) => this.#devicesOf(one));
  }

  /** The function at the end of a path, or all that are below the bridge there. */
  #devicesOf({ type, startBus, path }: DeviceScope): PciDevice[] {
    if (type !== ScopeType.ENDPOINT && type !== ScopeType.SUB_HIERARCHY) return [];
    const bridges: (PciBridge | undefined)[] = [];
    let rid = -1;
    for (const [i, [device, fn]] of path.entries()) {
      const bus = i === 0 ? startBus : bridges[i - 1]?.secondary;
      const isPlace = bus !== undefined && device < DEVICES_PER_BUS && fn < FUNCTIONS;
      rid = isPlace ? (bus << 8) | (device << 3) | fn : -1;
      bridges.push(this.#bridges.get(rid));
    }
    const last = bridges.pop();
    const isWay = !bridges.includes(undefined) && (type === ScopeType.ENDPOINT || last !== undefined);
    if (!isWay) {
      this.#log.write('dmar: a device scope leads through a bridge that is not there and is skipped');
      return [];
    }
    if (type === ScopeType.ENDPOINT) return [this.#devices.get(rid)].filter((device) => device !== undefined);
    return [...this.#devices.values()].filter((device) => [...bridgesAbove(device)].includes(last!));
  }
}
