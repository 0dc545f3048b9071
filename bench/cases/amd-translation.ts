/**
 * Functional translation through a whole AMD-Vi unit with every check on: IOTLB, device table cache, 4-level host table
 * in sparse memory, rights, reserved bits, interrupt range; and a guest table over a host table.
 */
import { AmdViUnit } from '../../hardware/amdvi/index.ts';
import { amdV1 } from '../../hardware/formats/index.ts';
import type { BenchCase } from '../case.ts';
import { IDEAL_HIT, IDEAL_NESTED, IDEAL_WALK } from './bounds.ts';
import {
  CYCLE_PAGES,
  cycle,
  GuestTables,
  IOTLB,
  OPERATIONS,
  REQUESTER,
  Tables,
  translating,
  UNIFORM_PAGES,
  uniform,
} from './tables.ts';

/** GTSup, IASup; four levels of host and guest tables; PASIDs of 16 bits; GIoSup. */
const EFR = 0x0001_000f_0000_0050n;
const CACHES = { iotlb: IOTLB, deviceTableCache: { sets: 16, ways: 4 }, gcr3Cache: { sets: 16, ways: 4 } };
/** Control: IommuEn, and GTEn. */
const ON = 1n;
const GUEST_ON = 0x1_0000n;
/** Quadwords of a device table entry: V, TV, Mode=4, IR, IW; then the domain. */
const HOST = 0x6000_0000_0000_0803n;
const DOMAIN = 1n;
/** GIoV and GV. */
const GUEST = 0x00c0_0000_0000_0000n;

const format = amdV1({ levels: 4 });

/** A unit that is on, with one entry in its device table. */
function unitOver(tables: Tables, control: bigint, ...entry: readonly bigint[]): AmdViUnit {
  const { memory } = tables;
  const devices = tables.table();
  tables.write(devices + REQUESTER * 32, ...entry);
  const spec = { features: { efr: EFR }, hostAddressWidth: 48, ...CACHES };
  const unit = new AmdViUnit(spec, { memory, raiseMsi: () => {} });
  unit.write(0x00, 8, BigInt(devices));
  unit.write(0x18, 8, control);
  return unit;
}

/** A host table: consecutive pages of one requester. */
function hostUnit(pages: number): AmdViUnit {
  const tables = new Tables();
  const top = tables.pages(format, pages);
  return unitOver(tables, ON, BigInt(top) | HOST, DOMAIN);
}

/** Requests without PASID use the guest table of PASID 0: four levels over four. */
function nestedUnit(pages: number): AmdViUnit {
  const tables = new Tables();
  const [gcr3, host, guest] = [tables.table(), tables.table(), 0x1_0000_0000];
  // Entry 0 of the GCR3 table: V, and the top guest table.
  tables.write(gcr3, BigInt(guest) | 1n);
  new GuestTables(tables, format, host, guest).pages(pages);
  // GCR3 table, address bits 14:12 and 30:15.
  const [low, middle] = [(BigInt(gcr3) >> 12n) & 7n, BigInt(gcr3) >> 15n];
  return unitOver(tables, ON | GUEST_ON, BigInt(host) | HOST | GUEST | (low << 58n), DOMAIN | (middle << 16n));
}

export const amdHit: BenchCase = {
  name: 'amd-hit',
  operation: 'AMD-Vi: translation that hits the IOTLB',
  goalNsPerOp: 20,
  bound: IDEAL_HIT,
  operations: OPERATIONS,
  make: () => translating(hostUnit(UNIFORM_PAGES), uniform()),
};

export const amdMiss4: BenchCase = {
  name: 'amd-miss4',
  operation: 'AMD-Vi: translation that misses and walks 4 levels',
  goalNsPerOp: 100,
  bound: IDEAL_WALK,
  operations: OPERATIONS,
  make: () => translating(hostUnit(CYCLE_PAGES), cycle()),
};

export const amdNested: BenchCase = {
  name: 'amd-nested',
  operation: 'AMD-Vi: translation that misses and walks 4 levels nested in 4',
  goalNsPerOp: 300,
  bound: IDEAL_NESTED,
  operations: OPERATIONS,
  make: () => translating(nestedUnit(CYCLE_PAGES), cycle()),
};
