/**
 * The device table: one entry per device id. An entry that routes nothing blocks all accesses to memory, since one that
 * is not valid would let them pass: no host table, and neither permission (fact sheet 2.6, 10.1).
 */
import { type DEVICE_TABLE_BASE, DTE } from '../../../hardware/amdvi/spec/index.ts';
import { encode, joinHalves, PAGE_SIZE, type PageNumber, type Values, wordsOf } from '../../../hardware/bits/index.ts';
import type { AmdUnit } from '../acpi/amd-units.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';

const ENTRY_WORDS = DTE.$.words;
const HALF_WORDS = ENTRY_WORDS / 2;
const ENTRY_BYTES = ENTRY_WORDS * 4;
const ENTRIES_PER_PAGE = PAGE_SIZE / ENTRY_BYTES;
/** What an entry that is written costs: two writes of 128 bits. */
export const DTE_WRITES = 2;

export interface DeviceTableSpec {
  readonly unit: AmdUnit;
  /** What all entries say about interrupts at first. */
  readonly interrupts: Values<typeof DTE>;
}

export class DeviceTable {
  readonly ids: number;
  readonly #memory: CpuMemory;
  readonly #allocator: PageAllocator;
  readonly #unit: AmdUnit;
  readonly #table: PageNumber;
  readonly #pages: number;
  readonly #routes = new Map<number, Values<typeof DTE>>();
  readonly #interrupts = new Map<number, Values<typeof DTE>>();
  /** What entries say about interrupts that have not been told anything else. */
  readonly #otherInterrupts: Values<typeof DTE>;

  private constructor(
    memory: CpuMemory,
    allocator: PageAllocator,
    { unit, interrupts }: DeviceTableSpec,
    table: PageNumber,
    pages: number,
  ) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#unit = unit;
    this.#table = table;
    this.#pages = pages;
    this.#otherInterrupts = interrupts;
    this.ids = pages * ENTRIES_PER_PAGE;
    for (let id = 0; id < this.ids; id++) this.#write(id);
  }

  /** A table that reaches the last device that firmware names and blocks them all, or -ENOMEM. */
  static create(memory: CpuMemory, allocator: PageAllocator, spec: DeviceTableSpec): DeviceTable | number {
    let order = 0;
    while (2 ** order * ENTRIES_PER_PAGE <= spec.unit.lastDeviceId) order++;
    const table = allocator.allocate('device table', order);
    return table < 0 ? table : new DeviceTable(memory, allocator, spec, table, 2 ** order);
  }

  /** While the unit has not been told where it is. */
  release(): void {
    this.#allocator.release(this.#table);
  }

  /** What the base register says. */
  get base(): Values<typeof DEVICE_TABLE_BASE> {
    return { DevTabBase: this.#table, Size: this.#pages - 1 };
  }

  /** True when firmware names the device as one of the unit's. */
  covers(id: number): boolean {
    return this.#unit.settingOf(id) !== undefined;
  }

  /** The ids that requests of a device may carry, and that have to be routed with it. */
  idsOf(id: number): readonly number[] {
    const alias = this.#unit.aliasOf(id);
    return alias === id ? [id] : [id, alias];
  }

  /** Routes a device id as `route` says; false when the entry says so already. */
  set(id: number, route: Values<typeof DTE>): boolean {
    this.#routes.set(id, route);
    return this.#write(id);
  }

  /** Where the interrupts of a device id go; its accesses go where they went. */
  setInterrupts(id: number, interrupts: Values<typeof DTE>): boolean {
    this.#interrupts.set(id, interrupts);
    return this.#write(id);
  }

  /**
   * False when the entry is right already. Hardware may read it between its halves: the upper one, which says how guest
   * tables are read, comes first unless guest translation ends (fact sheet 10.3).
   */
  #write(id: number): boolean {
    const interrupts = this.#interrupts.get(id) ?? this.#otherInterrupts;
    const entry = encode(DTE, { ...this.#settingsOf(id), V: 1, TV: 1, ...interrupts, ...this.#routes.get(id) });
    const at = this.#table * PAGE_SIZE + id * ENTRY_BYTES;
    const before = wordsOf(this.#memory.read(at, ENTRY_BYTES));
    if (entry.every((word, i) => word === before[i])) return false;
    const guestEnds = DTE.GV.isSet(before) && !DTE.GV.isSet(entry);
    for (const half of guestEnds ? [0, 1] : [1, 0]) {
      for (let word = half * HALF_WORDS; word < (half + 1) * HALF_WORDS; word += 2) {
        this.#memory.write64(at + word * 4, joinHalves(entry[word + 1]!, entry[word]!));
      }
    }
    return true;
  }

  #settingsOf(id: number): Values<typeof DTE> {
    const setting = this.#unit.settingOf(id);
    if (setting === undefined) return {};
    const one = (flag: boolean): number => (flag ? 1 : 0);
    return {
      InitPass: one(setting.initPass),
      EIntPass: one(setting.eIntPass),
      NMIPass: one(setting.nmiPass),
      Lint0Pass: one(setting.lint0Pass),
      Lint1Pass: one(setting.lint1Pass),
      SysMgt: setting.sysMgt,
    };
  }
}
