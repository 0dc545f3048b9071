/** VT-d units over tables that somebody before the measurement has written, switched on. */
import { encode, joinHalves, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { type VtdSpec, VtdUnit } from '../../../hardware/vtd/index.ts';
import {
  CONTEXT_ENTRY,
  GCMD,
  PASID_ENTRY,
  ROOT_ENTRY,
  RTADDR,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
  TranslationTableMode,
} from '../../../hardware/vtd/spec/index.ts';
import type { WrittenTables } from './tables.ts';

/** The root table of a unit, and the mode in which it is read. */
export interface Root {
  readonly table: number;
  readonly mode: number;
}

export interface LegacyRoot extends Root {
  /** Top table of the second stage, with nothing in it. */
  readonly top: number;
}

/** Legacy mode: a root table that leads this requester to a context entry. */
export function legacyRoot(tables: WrittenTables, requester: number, entry: Values<typeof CONTEXT_ENTRY>): LegacyRoot {
  const [table, contexts, top] = [tables.table(), tables.table(), tables.table()];
  const [bus, device] = [requester >>> 8, requester & 0xff];
  tables.entry(table, bus, encode(ROOT_ENTRY, { P: 1, CTP: contexts / PAGE_SIZE }));
  const context = { P: 1, SSPTPTR: top / PAGE_SIZE, DID: 1, ...entry };
  tables.entry(contexts, device, encode(CONTEXT_ENTRY, context));
  return { table, mode: TranslationTableMode.LEGACY, top };
}

/** Scalable mode: a root table that leads this requester, which has everything, with PASID 0 and without to a PASID-table entry. */
export function scalableRoot(tables: WrittenTables, requester: number, entry: Values<typeof PASID_ENTRY>): Root {
  const [table, contexts, directory, pasids] = [tables.table(), tables.table(), tables.table(), tables.table()];
  const [bus, device] = [requester >>> 8, requester & 0xff];
  const half = contexts / PAGE_SIZE;
  tables.entry(table, bus, encode(SCALABLE_ROOT_ENTRY, { LP: 1, LCTP: half, UP: 1, UCTP: half }));
  const context = { P: 1, DTE: 1, PASIDE: 1, PRE: 1, PASIDDIRPTR: directory / PAGE_SIZE, RID_PASID: 0 };
  tables.entry(contexts, device & 0x7f, encode(SCALABLE_CONTEXT_ENTRY, context));
  tables.write(directory, BigInt(pasids) | 1n);
  tables.entry(pasids, 0, encode(PASID_ENTRY, { P: 1, PWSNP: 1, ...entry }));
  return { table, mode: TranslationTableMode.SCALABLE };
}

/** A unit that translates through `root`; its own interrupts go to `raiseMsi`. */
export function startUnit(
  spec: VtdSpec,
  memory: PhysicalMemory,
  { table, mode }: Root,
  raiseMsi: () => void = () => {},
): VtdUnit {
  const unit = new VtdUnit(spec, { memory, raiseMsi });
  const [lo = 0, hi = 0] = encode(RTADDR, { RTA: table / PAGE_SIZE, TTM: mode });
  unit.write(RTADDR.$.offset!, 8, joinHalves(hi, lo));
  command(unit, { SRTP: 1 });
  command(unit, { TE: 1 });
  return unit;
}

/** One write of the global command register. What is on and not named goes off. */
export function command(unit: VtdUnit, what: Values<typeof GCMD>): void {
  unit.write(GCMD.$.offset!, 4, BigInt(encode(GCMD, what)[0]!));
}
