/**
 * Where a declaration comes from. AMD's document (48882) was not at hand: every row rests on public code that was written
 * against it, on inference from that, or on memory, and says so. A layout's `reference` names the sources of all its
 * fields; a field that rests on something else says so itself.
 */
import type { FieldSpec } from '../../bits/index.ts';

/** What the letters stand for, in falling order of trust. */
export const SOURCES = {
  L72: 'Linux 7.2, drivers/iommu/amd and generic_pt',
  LX: 'other files of Linux',
  VB: 'VirtualBox, iommu-amd.h and DevIommuAmd.cpp (revision 3.05)',
  OV: 'openvmm, amd_iommu (revision 3.11)',
  FB: 'FreeBSD, sys/x86/iommu',
  XN: 'Xen, drivers/passthrough/amd',
  NV: 'NOVA, smmu_amd.hpp',
  OS: 'OSDev wiki (revision 3.11)',
  Q10: 'QEMU 10.0, amd_iommu.c',
  CB: 'coreboot, acpi_ivrs.h',
  INF: 'inferred from the sources beside it',
  MEM: 'remembered, confirmed by no source',
} as const;

export type Source = keyof typeof SOURCES;

/** The reference of a layout: `AMD-Vi (L72 VB)`. */
export function amdVi(...sources: readonly Source[]): string {
  return `AMD-Vi (${sources.join(' ')})`;
}

/** A field that rests on other sources than its layout. */
export interface SourcedField extends FieldSpec {
  readonly sources: readonly Source[];
}

export function from<F extends FieldSpec>(sources: Source | readonly Source[], field: F): F & SourcedField {
  return { ...field, sources: typeof sources === 'string' ? [sources] : sources };
}
