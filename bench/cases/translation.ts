/**
 * Functional translation through a whole VT-d unit with every check on: IOTLB, context cache, 4-level
 * second stage in sparse memory, rights, reserved bits, interrupt range; and nested in scalable mode.
 */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import { AddressWidth, PasidTranslationType } from '../../hardware/vtd/spec/index.ts';
import { legacyRoot, type Root, ScalableRoot, startUnit } from '../../src/machine/measured/units.ts';
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

/** Registers of the recorded machine `legacy48`: 48-bit, 2M and 1G pages, queued invalidation. */
const LEGACY = { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an };
/** The same with scalable mode, both stages, nesting, 20-bit PASIDs, device-TLBs, page requests and snooped walks. */
const SCALABLE = { ...LEGACY, ecap: 0x1_c998_24f0_0f4en };
const CACHES = { iotlb: IOTLB, contextCache: { sets: 16, ways: 4 }, pasidCache: { sets: 16, ways: 4 } };
const format = vtdSecondStage({ levels: 4, superpages: [] });

/** A unit with remapping on. */
function unitOver({ memory }: Tables, capabilities: typeof LEGACY, root: Root): VtdUnit {
  return startUnit({ capabilities, hostAddressWidth: 48, faultCompression: true, ...CACHES }, memory, root);
}

/** Legacy mode: consecutive pages of one requester. */
function legacyUnit(pages: number): VtdUnit {
  const tables = new Tables();
  const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48 });
  tables.pages(format, pages, root.top);
  return unitOver(tables, LEGACY, root);
}

/** Scalable mode, nested: four levels over four. */
function nestedUnit(pages: number): VtdUnit {
  const tables = new Tables();
  const [second, first] = [tables.table(), 0x1_0000_0000];
  const root = new ScalableRoot(tables).add(REQUESTER, {
    PGTT: PasidTranslationType.NESTED,
    AW: AddressWidth.BITS_48,
    SSPTPTR: second / PAGE_SIZE,
    FSPTPTR: first / PAGE_SIZE,
    DID: 1,
  });
  new GuestTables(tables, format, second, first).pages(pages);
  return unitOver(tables, SCALABLE, root);
}

export const hit: BenchCase = {
  name: 'hit',
  operation: 'translation that hits the IOTLB',
  goalNsPerOp: 20,
  bound: IDEAL_HIT,
  operations: OPERATIONS,
  make: () => translating(legacyUnit(UNIFORM_PAGES), uniform()),
};

export const miss4: BenchCase = {
  name: 'miss4',
  operation: 'translation that misses and walks 4 levels',
  goalNsPerOp: 100,
  bound: IDEAL_WALK,
  operations: OPERATIONS,
  make: () => translating(legacyUnit(CYCLE_PAGES), cycle()),
};

export const nested: BenchCase = {
  name: 'nested',
  operation: 'translation that misses and walks 4 levels nested in 4',
  goalNsPerOp: 300,
  bound: IDEAL_NESTED,
  operations: OPERATIONS,
  make: () => translating(nestedUnit(CYCLE_PAGES), cycle()),
};
