/** The IOMMU that a specification names. */
import { amdIommu } from './amd.ts';
import { intelIommu } from './intel.ts';
import type { Iommu, Surroundings } from './iommu.ts';
import type { AmdSpec, IntelSpec } from './schema.ts';

export type { AliasRange, DevicePath, FirmwareTable, Iommu, SharedMemory } from './iommu.ts';
export type { AmdSpec, IntelSpec } from './schema.ts';

/** Throws an InputError for a unit that cannot be. */
export function buildIommu(spec: AmdSpec | IntelSpec, surroundings: Surroundings): Iommu {
  return spec.vendor === 'amd' ? amdIommu(spec, surroundings) : intelIommu(spec, surroundings);
}
