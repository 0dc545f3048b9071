/**
 * Which remapping units firmware says there are: in the DMAR table where there is one, else in the IVRS table. What firmware
 * got wrong costs a line of the log and the unit or the range that it is about.
 */
import type { Hpa } from '../../../hardware/bits/index.ts';
import type { DirectRun } from '../iommu/iommu.ts';
import type { PciDevice } from '../pci/index.ts';
import type { AmdUnit } from './amd-units.ts';
import { dmarUnits } from './dmar-units.ts';
import type { FirmwareServices } from './findings.ts';
import { ivrsUnits } from './ivrs-units.ts';

interface Served {
  /** The functions behind it; those that share the id of their requests stand together. */
  readonly groups: readonly (readonly PciDevice[])[];
  /** Memory that firmware uses with some of them: disjoint, in ascending order. */
  readonly reserved: ReadonlyMap<PciDevice, readonly DirectRun[]>;
}

export interface IntelUnit extends Served {
  readonly vendor: 'intel';
  readonly registerBase: Hpa;
  /** Firmware says that the platform can remap interrupts. */
  readonly interruptRemapping: boolean;
}

export interface AmdViUnit extends Served {
  readonly vendor: 'amd';
  /** What the IVRS table says about it. */
  readonly unit: AmdUnit;
}

export type RemappingUnit = IntelUnit | AmdViUnit;

/** The units that firmware describes and that can be there; none when its tables are damaged. */
export function discoverUnits(services: FirmwareServices, devices: readonly PciDevice[]): readonly RemappingUnit[] {
  return dmarUnits(services, devices) ?? ivrsUnits(services, devices) ?? [];
}
