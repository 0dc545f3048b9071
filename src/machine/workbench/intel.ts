/** A VT-d unit in scalable mode over the spaces of many requesters. */
import { encode, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import type { IommuUnit } from '../../../hardware/iommu/index.ts';
import {
  AddressWidth,
  FirstStagePagingMode,
  PASID_ENTRY,
  PasidTranslationType,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
  TranslationTableMode,
} from '../../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../capabilities.ts';
import type { WrittenTables } from '../measured/tables.ts';
import { startUnit } from '../measured/units.ts';
import type { CachesSpec } from './caches.ts';
import { type Space, type SpacesSpec, writeSpaces } from './spaces.ts';

const FORMAT = vtdSecondStage({ levels: 4, superpages: [2] });
/** Devices and functions of the lower half of a bus. */
const HALF = 128;

export function intelUnit(tables: WrittenTables, spaces: SpacesSpec, caches: CachesSpec): IommuUnit {
  const { ver, cap, ecap, hostAddressWidth } = intelCapabilities.modern;
  const roots = new Roots(tables);
  for (const space of writeSpaces(tables, FORMAT, spaces)) roots.add(space);
  const unitSpec = {
    capabilities: { ver: BigInt(ver), cap: BigInt(cap), ecap: BigInt(ecap) },
    hostAddressWidth,
    faultCompression: true,
    iotlb: caches.iotlb,
    contextCache: caches.devices,
    pasidCache: caches.devices,
    firstStageCache: caches.guestStructures,
    secondStageCache: caches.hostStructures,
  };
  return startUnit(unitSpec, tables.memory, { table: roots.table, mode: TranslationTableMode.SCALABLE });
}

/** The way from a requester to its space. */
class Roots {
  readonly table: number;
  readonly #tables: WrittenTables;
  /** Context tables by bus and half. */
  readonly #contexts = new Map<number, number>();

  constructor(tables: WrittenTables) {
    this.#tables = tables;
    this.table = tables.table();
  }

  add(space: Space): void {
    const tables = this.#tables;
    const [directory, pasids] = [tables.table(), tables.table()];
    const context = { P: 1, DTE: 1, PASIDE: 1, PRE: 1, PASIDDIRPTR: directory / PAGE_SIZE, RID_PASID: 0 };
    const at = this.#contextTable(space.requester);
    tables.entry(at, space.requester % HALF, encode(SCALABLE_CONTEXT_ENTRY, context));
    tables.write(directory, BigInt(pasids) | 1n);
    tables.entry(pasids, 0, encode(PASID_ENTRY, { P: 1, PWSNP: 1, DID: space.domain, ...stagesOf(space) }));
  }

  #contextTable(requester: number): number {
    const half = Math.floor(requester / HALF);
    const known = this.#contexts.get(half);
    if (known !== undefined) return known;
    const made = this.#tables.table();
    this.#contexts.set(half, made);
    const bus = half >>> 1;
    const [lower, upper] = [this.#contexts.get(bus * 2), this.#contexts.get(bus * 2 + 1)];
    const entry = {
      ...(lower === undefined ? {} : { LP: 1, LCTP: lower / PAGE_SIZE }),
      ...(upper === undefined ? {} : { UP: 1, UCTP: upper / PAGE_SIZE }),
    };
    this.#tables.entry(this.table, bus, encode(SCALABLE_ROOT_ENTRY, entry));
    return made;
  }
}

function stagesOf({ host, guest }: Space): Values<typeof PASID_ENTRY> {
  const second = host === null ? {} : { SSPTPTR: host / PAGE_SIZE, AW: AddressWidth.BITS_48 };
  if (guest === null) return { PGTT: PasidTranslationType.SECOND_STAGE, ...second };
  const first = { FSPTPTR: guest / PAGE_SIZE, FSPM: FirstStagePagingMode.FOUR_LEVEL };
  const PGTT = host === null ? PasidTranslationType.FIRST_STAGE : PasidTranslationType.NESTED;
  return { PGTT, ...first, ...second };
}
