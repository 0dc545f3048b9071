/** VT-d units over tables that somebody before the measurement has written, switched on. */
import { encode, joinHalves, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { type VtdSpec, VtdUnit } from '../../../hardware/vtd/index.ts';
import {
  CONTEXT_ENTRY,
  GCMD,
  IOTLB_REG,
  IVA,
  PASID_ENTRY,
  ROOT_ENTRY,
  RTADDR,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
  TranslationTableMode,
} from '../../../hardware/vtd/spec/index.ts';
import type { CapabilitySet } from '../capabilities.ts';
import type { WrittenTables } from './tables.ts';

/** Devices and functions of the lower half of a bus. */
const HALF = 128;

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

/** Scalable mode: a root table that leads requesters, which have everything, with PASID 0 and without to a PASID-table entry of each. */
export class ScalableRoot implements Root {
  readonly mode = TranslationTableMode.SCALABLE;
  readonly table: number;
  readonly #tables: WrittenTables;
  /** Context tables by bus and half. */
  readonly #contexts = new Map<number, number>();

  constructor(tables: WrittenTables) {
    this.#tables = tables;
    this.table = tables.table();
  }

  add(requester: number, entry: Values<typeof PASID_ENTRY>): this {
    const tables = this.#tables;
    const [directory, pasids] = [tables.table(), tables.table()];
    const context = { P: 1, DTE: 1, PASIDE: 1, PRE: 1, PASIDDIRPTR: directory / PAGE_SIZE, RID_PASID: 0 };
    tables.entry(this.#contextTable(requester), requester % HALF, encode(SCALABLE_CONTEXT_ENTRY, context));
    tables.write(directory, BigInt(pasids) | 1n);
    tables.entry(pasids, 0, encode(PASID_ENTRY, { P: 1, PWSNP: 1, ...entry }));
    return this;
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

/** A unit with these registers, which has no caches yet. */
export function unitOf({ ver, cap, ecap, hostAddressWidth }: CapabilitySet) {
  const capabilities = { ver: BigInt(ver), cap: BigInt(cap), ecap: BigInt(ecap) };
  return { capabilities, hostAddressWidth, faultCompression: true } as const;
}

/** A unit that translates through `root`; its own interrupts go to `raiseMsi`. */
export function startUnit(
  spec: VtdSpec,
  memory: PhysicalMemory,
  { table, mode }: Root,
  raiseMsi: () => void = () => {},
): VtdUnit {
  const unit = new VtdUnit(spec, { memory, raiseMsi });
  write(unit, RTADDR.$.offset!, encode(RTADDR, { RTA: table / PAGE_SIZE, TTM: mode }));
  command(unit, { SRTP: 1 });
  command(unit, { TE: 1 });
  return unit;
}

/** One write of the global command register. What is on and not named goes off. */
export function command(unit: VtdUnit, what: Values<typeof GCMD>): void {
  unit.write(GCMD.$.offset!, 4, BigInt(encode(GCMD, what)[0]!));
}

/** Has a unit forget translations through its registers, which say that it has when this returns. */
export function invalidate(unit: VtdUnit, what: Values<typeof IOTLB_REG>, pages?: Values<typeof IVA>): void {
  const at = unit.capabilities.iotlbRegisterOffset;
  if (pages !== undefined) write(unit, at, encode(IVA, pages));
  write(unit, at + IOTLB_BYTE, encode(IOTLB_REG, { IVT: 1, ...what }));
}

/** Of IOTLB_REG behind IVA_REG. */
const IOTLB_BYTE = 8;

function write(unit: VtdUnit, at: number, [lo = 0, hi = 0]: Uint32Array): void {
  unit.write(at, 8, joinHalves(hi, lo));
}
