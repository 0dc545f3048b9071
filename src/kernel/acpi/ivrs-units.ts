/**
 * What the IVRS table means on this machine: which of its units can be there, which devices they have, and which memory
 * those must go on reaching. The first unit that has an entry for a device has it.
 */

import { IVRS_SIGNATURE } from '../../../hardware/amdvi/spec/ivrs.ts';
import { hex } from '../../../hardware/bits/index.ts';
import type { DirectRun } from '../iommu/iommu.ts';
import type { PciDevice } from '../pci/index.ts';
import { type AmdUnit, type DeviceMemory, understandIvrs } from './amd-units.ts';
import { type FirmwareServices, reservedRun, united, wrongPlace } from './findings.ts';
import { decodeIvrs } from './ivrs.ts';
import type { AmdViUnit } from './remapping.ts';
import { findTable } from './tables.ts';

/** The units that firmware describes and that can be there, none when its tables are damaged; `undefined` without a table. */
export function ivrsUnits(services: FirmwareServices, devices: readonly PciDevice[]): AmdViUnit[] | undefined {
  const { memory, firmware, log } = services;
  const bytes = findTable(memory, firmware, IVRS_SIGNATURE);
  if (bytes === undefined) return undefined;
  const table = typeof bytes === 'string' ? bytes : decodeIvrs(bytes);
  if (typeof table === 'string') {
    log.write(`ivrs: ${table}; no remapping unit is used`);
    return [];
  }
  const findings = understandIvrs(table);
  for (const remark of findings.remarks) log.write(remark);
  const reserved = reservedMemory(findings.memory, services, devices);
  const left = new Set(devices);
  const bases = new Set<bigint>();
  return findings.units.flatMap((unit) => {
    const own = [...left].filter(({ rid }) => unit.segment === 0 && unit.settingOf(rid) !== undefined);
    for (const device of own) left.delete(device);
    const wrong = bases.has(unit.registerBase) ? 'another unit has the same address' : wrongWith(unit, services);
    bases.add(unit.registerBase);
    if (wrong !== undefined) {
      log.write(`ivrs: ${unit.name} is not used: ${wrong}`);
      return [];
    }
    const kept = new Map([...reserved].filter(([device]) => own.includes(device)));
    return [{ vendor: 'amd', unit, groups: byAlias(unit, own), reserved: kept }];
  });
}

function wrongWith({ segment, registerBase, registerBytes }: AmdUnit, { firmware }: FirmwareServices) {
  return segment === 0 ? wrongPlace(firmware, registerBase, registerBytes) : `there is no segment ${segment}`;
}

/** Devices whose requests carry one id cannot be told apart. */
function byAlias(unit: AmdUnit, devices: readonly PciDevice[]): PciDevice[][] {
  const groups = new Map<number, PciDevice[]>();
  for (const device of devices) {
    const alias = unit.aliasOf(device.rid);
    groups.set(alias, [...(groups.get(alias) ?? []), device]);
  }
  return [...groups.values()];
}

function reservedMemory(
  ranges: readonly DeviceMemory[],
  { firmware, log }: FirmwareServices,
  devices: readonly PciDevice[],
): Map<PciDevice, readonly DirectRun[]> {
  const found = new Map<PciDevice, DirectRun[]>();
  for (const { segment, first, last, start, size, read, write } of ranges) {
    const run = segment === 0 ? reservedRun(firmware, start, start + size) : undefined;
    if (run === undefined) {
      log.write(`ivrs: ${hex(start)}-${hex(start + size - 1n)} is no reserved memory and is not mapped`);
      continue;
    }
    if (!read && !write) continue;
    for (const device of devices) {
      if (device.rid < first || device.rid > last) continue;
      const runs = found.get(device) ?? [];
      runs.push({ ...run, protection: { read, write } });
      found.set(device, runs);
    }
  }
  return new Map([...found].map(([device, runs]) => [device, united(runs)]));
}
