/** Takes the remapping units into service when the kernel boots, and puts the devices behind each into their groups. */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { ENOMEM, formatResult } from '../uapi/index.ts';
import type { RemappingUnit } from './acpi/remapping.ts';
import { AmdDriver } from './amd/driver.ts';
import { ComposedDrivers } from './composed-drivers.ts';
import type { IommuDomain, IommuDriver } from './iommu/driver.ts';
import { attachDirect, type DirectRun, type Iommu, type KeptMemory } from './iommu/iommu.ts';
import type { IommuServices } from './iommu/services.ts';
import type { KernelOptions } from './options.ts';
import { groupsOf, type Pci, type PciDevice, united } from './pci/index.ts';
import { VtdDriver } from './vtd/driver.ts';

export interface RemappingUnitsSpec {
  /** What drivers of IOMMUs are given. */
  readonly services: IommuServices;
  readonly options: KernelOptions;
  readonly pci: Pci;
  readonly iommu: Iommu;
}

export class RemappingUnits {
  readonly #spec: RemappingUnitsSpec;

  constructor(spec: RemappingUnitsSpec) {
    this.#spec = spec;
  }

  /** A unit that cannot be taken into service translates nothing, and its devices belong to no group: nobody can have them. */
  *start(units: readonly RemappingUnit[], devices: readonly PciDevice[]): Script {
    for (const [index, unit] of units.entries()) {
      const driver = this.#driverOf(unit, index);
      if (driver !== null) yield* this.#startUnit(driver, unit, devices);
    }
  }

  *#startUnit(driver: IommuDriver, unit: RemappingUnit, devices: readonly PciDevice[]): Script {
    const { services, pci, iommu } = this.#spec;
    if ((yield* driver.probe()) < 0) return;
    const kept = new Map<PciDevice, KeptMemory>();
    for (const [device, memory] of unit.reserved) {
      kept.set(device, { memory, domain: yield* this.#keepReaching(driver, device, memory) });
    }
    if ((yield* driver.enable()) < 0) return;
    const composed = new ComposedDrivers(driver, services);
    const own = new Set(unit.groups.flat());
    const reached = groupsOf(devices, pci.bridges).map((group) => group.filter((device) => own.has(device)));
    for (const group of united(unit.groups, reached)) {
      const theirs = new Map([...kept].filter(([device]) => group.includes(device)));
      const added = iommu.addGroup(theirs.size > 0 ? driver : composed.of(group), group, theirs);
      if (added === 0) continue;
      const names = group.map(({ address }) => address).join(', ');
      services.log.write(`${driver.name}: ${names}: nobody can have it: ${formatResult(added)}`);
    }
  }

  /** Firmware goes on using this device with this memory, and it with nothing else. */
  *#keepReaching(driver: IommuDriver, device: PciDevice, memory: readonly DirectRun[]): Script<IommuDomain | null> {
    const { services, pci } = this.#spec;
    const isRefused = services.faultPoints.refuses('attachment');
    const result = isRefused ? -ENOMEM : yield* attachDirect(driver, device, memory);
    if (typeof result !== 'number') yield* pci.setBusMaster(device, true);
    const bytes = memory.reduce((sum, { pages }) => sum + pages * PAGE_SIZE, 0);
    services.log.write(
      typeof result !== 'number'
        ? `${driver.name}: ${device.address} keeps ${bytes} bytes of reserved memory and stays with firmware`
        : `${driver.name}: ${device.address} loses its reserved memory: ${formatResult(result)}`,
    );
    return typeof result === 'number' ? null : result;
  }

  /** `null` when there is no memory for it. */
  #driverOf(unit: RemappingUnit, index: number): IommuDriver | null {
    const { services, options, pci } = this.#spec;
    const name = `${unit.vendor === 'amd' ? 'amdvi' : 'vtd'}${index}`;
    if (services.faultPoints.refuses('remapping unit')) {
      services.log.write(`${name}: could not be taken into service`);
      return null;
    }
    const legacy = options.iommuMode === 'legacy';
    const { remapInterrupts } = options;
    if (unit.vendor === 'amd') return new AmdDriver(services, { name, unit: unit.unit, legacy, remapInterrupts });
    const { registerBase, interruptRemapping } = unit;
    return new VtdDriver(services, {
      name,
      registerBase,
      interruptRemapping,
      buses: pci.buses,
      legacy,
      remapInterrupts,
    });
  }
}
