/** A VT-d unit in scalable mode over the spaces of many requesters. */
import { PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import type { IommuUnit } from '../../../hardware/iommu/index.ts';
import {
  AddressWidth,
  FirstStagePagingMode,
  type PASID_ENTRY,
  PasidTranslationType,
} from '../../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../capabilities.ts';
import type { WrittenTables } from '../measured/tables.ts';
import { ScalableRoot, startUnit, unitOf } from '../measured/units.ts';
import type { CachesSpec } from './caches.ts';
import { type Space, type SpacesSpec, writeSpaces } from './spaces.ts';

const FORMAT = vtdSecondStage({ levels: 4, superpages: [2] });
export function intelUnit(tables: WrittenTables, spaces: SpacesSpec, caches: CachesSpec): IommuUnit {
  const root = new ScalableRoot(tables);
  for (const space of writeSpaces(tables, FORMAT, spaces)) root.add(space.requester, entryOf(space));
  const unitSpec = {
    ...unitOf(intelCapabilities.modern),
    iotlb: caches.iotlb,
    contextCache: caches.devices,
    pasidCache: caches.devices,
    firstStageCache: caches.guestStructures,
    secondStageCache: caches.hostStructures,
  };
  return startUnit(unitSpec, tables.memory, root);
}

function entryOf({ domain: DID, host, guest }: Space): Values<typeof PASID_ENTRY> {
  const second = host === null ? {} : { SSPTPTR: host / PAGE_SIZE, AW: AddressWidth.BITS_48 };
  if (guest === null) return { DID, PGTT: PasidTranslationType.SECOND_STAGE, ...second };
  const first = { FSPTPTR: guest / PAGE_SIZE, FSPM: FirstStagePagingMode.FOUR_LEVEL };
  const PGTT = host === null ? PasidTranslationType.FIRST_STAGE : PasidTranslationType.NESTED;
  return { DID, PGTT, ...first, ...second };
}
