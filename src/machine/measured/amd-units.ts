/** AMD-Vi units over tables that somebody before the measurement has written, switched on. */
import { type AmdViSpec, AmdViUnit } from '../../../hardware/amdvi/index.ts';
import { CONTROL, DEVICE_TABLE_BASE, DTE } from '../../../hardware/amdvi/spec/index.ts';
import { encode, joinHalves, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import type { AmdCapabilitySet } from '../capabilities.ts';
import type { WrittenTables } from './tables.ts';

const ENTRY_BYTES = DTE.$.words * 4;

/** A device table with places for requesters up to `last`. */
export class DeviceTable {
  readonly start: number;
  readonly pages: number;
  readonly #tables: WrittenTables;

  constructor(tables: WrittenTables, last: number) {
    this.#tables = tables;
    this.pages = Math.ceil(((last + 1) * ENTRY_BYTES) / PAGE_SIZE);
    const [start = 0] = Array.from({ length: this.pages }, () => tables.table());
    this.start = start;
  }

  /** A device that may read and write, and keep translations. */
  add(requester: number, entry: Values<typeof DTE>): void {
    this.#tables.entry(this.start, requester, encode(DTE, { V: 1, TV: 1, IR: 1, IW: 1, I: 1, ...entry }));
  }
}

/** A unit with these registers, which has no caches yet. */
export function amdUnitOf({ efr, efr2, miscInfo0, hostAddressWidth }: AmdCapabilitySet) {
  const features = { efr: BigInt(efr), efr2: BigInt(efr2), miscInfo0: Number(miscInfo0) };
  return { features, hostAddressWidth } as const;
}

/** A unit that translates through `table`; its own interrupts go to `raiseMsi`. */
export function startAmdUnit(
  spec: AmdViSpec,
  memory: PhysicalMemory,
  { start, pages }: DeviceTable,
  raiseMsi: () => void = () => {},
): AmdViUnit {
  const unit = new AmdViUnit(spec, { memory, raiseMsi });
  const words = encode(DEVICE_TABLE_BASE, { DevTabBase: start / PAGE_SIZE, Size: pages - 1 });
  unit.write(DEVICE_TABLE_BASE.$.offset!, 8, joinHalves(words[1]!, words[0]!));
  control(unit, {});
  return unit;
}

/** One write of the control register of a unit that translates. What is on and not named goes off. */
export function control(unit: AmdViUnit, what: Values<typeof CONTROL>): void {
  const words = encode(CONTROL, { IommuEn: 1, GTEn: 1, ...what });
  unit.write(CONTROL.$.offset!, 8, joinHalves(words[1]!, words[0]!));
}
