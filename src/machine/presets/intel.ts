/** The base machine around other VT-d units. */
import { type CapabilitySet, intelCapabilities } from '../capabilities.ts';
import { BASE, TABLE_CACHE } from './base.ts';
import type { StatedMachine } from './stated.ts';

const LIKE_LEGACY = 'Like intel-legacy';

/** The machine with the unit that these registers describe. */
function withUnit(name: string, description: string, unit: CapabilitySet) {
  return { ...BASE, name, description, iommu: { ...BASE.iommu, ...unit } };
}

const LEGACY_39 = withUnit('intel-legacy-39', 'The same with 39-bit addresses, so tables of three levels.', {
  ...intelCapabilities['qemu-legacy-39'],
  hostAddressWidth: BASE.iommu.hostAddressWidth,
});

const SCALABLE_UNIT = withUnit(
  'intel-scalable',
  'Intel VT-d in scalable mode: PASIDs, two stages of translation, page requests; caches for tables of every kind.',
  intelCapabilities.modern,
);

export const SCALABLE = {
  ...SCALABLE_UNIT,
  iommu: { ...SCALABLE_UNIT.iommu, firstStageCache: TABLE_CACHE, secondStageCache: TABLE_CACHE },
} satisfies StatedMachine;

export const INTEL: readonly StatedMachine[] = [
  BASE,
  LEGACY_39,
  withUnit(
    'intel-caching-mode',
    'The same with caching mode: entries that are not present may be cached too, as virtual IOMMUs ask for.',
    intelCapabilities['qemu-caching-mode'],
  ),
  SCALABLE,
  {
    ...SCALABLE,
    name: 'intel-host-permissions',
    description:
      'Like intel-scalable, with host permission tables: what a device has translated itself can be checked.',
    iommu: {
      ...SCALABLE.iommu,
      ...intelCapabilities['modern-host-permissions'],
      hostPermissionCache: TABLE_CACHE,
    },
  },
  withUnit(
    'intel-device-tlb',
    `${LIKE_LEGACY}, with device TLBs and address translation services announced.`,
    intelCapabilities['qemu-device-tlb'],
  ),
  withUnit(
    'intel-snoop-control',
    `${LIKE_LEGACY}, with snoop control: mappings can force DMA to be coherent.`,
    intelCapabilities['qemu-snoop-control'],
  ),
  withUnit(
    'intel-alder-lake',
    'The unit of 12th generation Core chips (2021): version 5.0, 39-bit addresses, every page size.',
    intelCapabilities['alder-lake'],
  ),
  withUnit(
    'intel-alder-lake-graphics',
    "The same chips' graphics unit: version 4.0, device TLBs, no invalidation by page.",
    intelCapabilities['alder-lake-graphics'],
  ),
];
