/** An AMD-Vi unit over the spaces of many requesters. */
import { type DTE, GCR3_ENTRY, GuestPagingMode } from '../../../hardware/amdvi/spec/index.ts';
import { encode, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import { amdV1 } from '../../../hardware/formats/index.ts';
import type { IommuUnit } from '../../../hardware/iommu/index.ts';
import { amdCapabilities } from '../capabilities.ts';
import { amdUnitOf, DeviceTable, startAmdUnit } from '../measured/amd-units.ts';
import type { WrittenTables } from '../measured/tables.ts';
import type { CachesSpec } from './caches.ts';
import { type Space, type SpacesSpec, writeSpaces } from './spaces.ts';

const FORMAT = amdV1({ levels: 4 });
const LAST_REQUESTER = 0xffff;

export function amdUnit(tables: WrittenTables, spaces: SpacesSpec, caches: CachesSpec): IommuUnit {
  const devices = new DeviceTable(tables, LAST_REQUESTER);
  for (const space of writeSpaces(tables, FORMAT, spaces)) devices.add(space.requester, stagesOf(space, tables));
  const spec = {
    ...amdUnitOf(amdCapabilities.full),
    iotlb: caches.iotlb,
    deviceTableCache: caches.devices,
    gcr3Cache: caches.devices,
    guestDirectoryCache: caches.guestStructures,
    hostDirectoryCache: caches.hostStructures,
  };
  return startAmdUnit(spec, tables.memory, devices);
}

function stagesOf({ domain, host, guest }: Space, tables: WrittenTables): Values<typeof DTE> {
  const first = { DomainID: domain, ...(host === null ? {} : { Mode: FORMAT.levels, HostPTRoot: host / PAGE_SIZE }) };
  if (guest === null) return first;
  const gcr3 = tables.table();
  tables.entry(gcr3, 0, encode(GCR3_ENTRY, { V: 1, Address: guest / PAGE_SIZE }));
  const page = gcr3 / PAGE_SIZE;
  return {
    ...first,
    GV: 1,
    GIoV: 1,
    GuestPagingMode: GuestPagingMode.FOUR_LEVEL,
    GCR3_14_12: page & 0x7,
    GCR3_30_15: (page >>> 3) & 0xffff,
    GCR3_51_31: Math.floor(page / 2 ** 19),
  };
}
