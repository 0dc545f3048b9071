/**
 * Functional translation through a whole VT-d unit with every check on: IOTLB, context cache, 4-level
 * second stage in sparse memory, rights, reserved bits, interrupt range; and nested in scalable mode.
 */
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';
import type { BenchCase } from '../case.ts';
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

/** Registers of the recorded machine `legacy48`: 48-bit, 2M and 1G pages, queued invalidation. */
const LEGACY = { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an };
/** The same with scalable mode, both stages, nesting, 20-bit PASIDs and snooped walks. */
const SCALABLE = { ...LEGACY, ecap: 0x1_c998_04f0_0f4an };
const CACHES = { iotlb: IOTLB, contextCache: { sets: 16, ways: 4 }, pasidCache: { sets: 16, ways: 4 } };

/** A unit with remapping on. */
function unitOver({ memory }: Tables, capabilities: typeof LEGACY, rtaddr: number): VtdUnit {
  const spec = { capabilities, hostAddressWidth: 48, faultCompression: true, ...CACHES };
  const unit = new VtdUnit(spec, { memory, raiseMsi: () => {} });
  unit.write(0x20, 8, BigInt(rtaddr));
  unit.write(0x18, 4, 0x4000_0000n);
  unit.write(0x18, 4, 0x8000_0000n);
  return unit;
}

/** Legacy mode: consecutive pages of one requester. */
export function legacyUnit(pages: number, tables = new Tables()): VtdUnit {
  const [root, contexts] = [tables.table(), tables.table()];
  const top = tables.pages(vtdSecondStage({ levels: 4, superpages: [] }), pages);
  tables.write(root, BigInt(contexts) | 1n);
  tables.write(contexts + REQUESTER * 16, BigInt(top) | 1n, 0x0102n);
  return unitOver(tables, LEGACY, root);
}

/** Scalable mode, nested: four levels over four. */
function nestedUnit(pages: number): VtdUnit {
  const tables = new Tables();
  const [root, contexts, directory, pasids] = [tables.table(), tables.table(), tables.table(), tables.table()];
  const [second, first] = [tables.table(), 0x1_0000_0000];
  tables.write(root, BigInt(contexts) | 1n);
  tables.write(contexts + REQUESTER * 32, BigInt(directory) | 1n);
  tables.write(directory, BigInt(pasids) | 1n);
  // PGTT=nested, AW=48 bits; DID 1 and PWSNP; the first stage's top table.
  tables.write(pasids, BigInt(second) | 0xc9n, 0x80_0001n, BigInt(first));
  new GuestTables(tables, vtdSecondStage({ levels: 4, superpages: [] }), second, first).pages(pages);
  return unitOver(tables, SCALABLE, root | 0x400);
}

export const hit: BenchCase = {
  name: 'hit',
  operation: 'translation that hits the IOTLB',
  goalNsPerOp: 20,
  boundNsPerOp: 12.1,
  operations: OPERATIONS,
  make: () => translating(legacyUnit(UNIFORM_PAGES), uniform()),
};

export const miss4: BenchCase = {
  name: 'miss4',
  operation: 'translation that misses and walks 4 levels',
  goalNsPerOp: 100,
  boundNsPerOp: 15,
  operations: OPERATIONS,
  make: () => translating(legacyUnit(CYCLE_PAGES), cycle()),
};

export const nested: BenchCase = {
  name: 'nested',
  operation: 'translation that misses and walks 4 levels nested in 4',
  goalNsPerOp: 300,
  boundNsPerOp: 51,
  operations: OPERATIONS,
  make: () => translating(nestedUnit(CYCLE_PAGES), cycle()),
};
