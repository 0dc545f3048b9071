/** An AMD-Vi unit over the spaces of many requesters. */
import { AmdViUnit } from '../../../hardware/amdvi/index.ts';
import { CONTROL, DEVICE_TABLE_BASE, DTE, GCR3_ENTRY, GuestPagingMode } from '../../../hardware/amdvi/spec/index.ts';
import { encode, joinHalves, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import { amdV1 } from '../../../hardware/formats/index.ts';
import type { IommuUnit } from '../../../hardware/iommu/index.ts';
import { amdCapabilities } from '../capabilities.ts';
import type { WrittenTables } from '../measured/tables.ts';
import type { CachesSpec } from './caches.ts';
import { type Space, type SpacesSpec, writeSpaces } from './spaces.ts';

const FORMAT = amdV1({ levels: 4 });
/** Pages of a table with an entry for each of 65,536 devices. */
const DEVICE_TABLE_PAGES = 512;

export function amdUnit(tables: WrittenTables, spaces: SpacesSpec, caches: CachesSpec): IommuUnit {
  const { efr, efr2, miscInfo0, hostAddressWidth } = amdCapabilities.full;
  const [devices = 0] = Array.from({ length: DEVICE_TABLE_PAGES }, () => tables.table());
  for (const space of writeSpaces(tables, FORMAT, spaces)) {
    tables.entry(
      devices,
      space.requester,
      encode(DTE, { V: 1, TV: 1, IR: 1, IW: 1, I: 1, ...stagesOf(space, tables) }),
    );
  }
  const spec = {
    features: { efr: BigInt(efr), efr2: BigInt(efr2), miscInfo0: Number(miscInfo0) },
    hostAddressWidth,
    iotlb: caches.iotlb,
    deviceTableCache: caches.devices,
    gcr3Cache: caches.devices,
    guestDirectoryCache: caches.guestStructures,
    hostDirectoryCache: caches.hostStructures,
  };
  const unit = new AmdViUnit(spec, { memory: tables.memory, raiseMsi: () => {} });
  const base = { DevTabBase: devices / PAGE_SIZE, Size: DEVICE_TABLE_PAGES - 1 };
  write(unit, DEVICE_TABLE_BASE.$.offset!, encode(DEVICE_TABLE_BASE, base));
  write(unit, CONTROL.$.offset!, encode(CONTROL, { IommuEn: 1, GTEn: 1 }));
  return unit;
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

function write(unit: AmdViUnit, offset: number, [lo = 0, hi = 0]: Uint32Array): void {
  unit.write(offset, 8, joinHalves(hi, lo));
}
