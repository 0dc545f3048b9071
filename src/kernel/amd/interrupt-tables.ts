/**
 * Interrupt remapping tables (fact sheet 9): one for each device that has interrupts, found by the device's id, so that no
 * message leads to the entry of another. All others share a table in which nothing is in use: what they send is aborted
 * and logged.
 */
import {
  type DTE,
  INTERRUPT_ADDRESS,
  INTERRUPT_DATA,
  InterruptControl,
  IntType,
  IRTE_32 as IRTE,
  REMAPPED_INTERRUPT_DATA,
} from '../../../hardware/amdvi/spec/index.ts';
import { bytesOf, encode, PAGE_SIZE, type PageNumber, type Values } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { ENOSPC } from '../../uapi/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { Message } from '../interrupts.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PageAllocator } from '../page-allocator.ts';
import type { Command } from './commands.ts';
import { type DeviceTable, DTE_WRITES } from './device-table.ts';
import type { AmdDriver } from './driver.ts';

const PURPOSE = 'interrupt table';
/** Entries of a table, as a power of two: more than there are vectors. */
const LENGTH = 8;
const ENTRY_BYTES = IRTE.$.words * 4;
/** IntTabRoot counts in units of its lowest address bit. */
const ROOT_UNIT = 64;

interface Table {
  readonly page: PageNumber;
  readonly used: Set<number>;
}

export class InterruptTables {
  /** What the device table says of devices without interrupts. */
  readonly none: Values<typeof DTE>;
  readonly #empty: PageNumber;
  readonly #driver: AmdDriver;
  readonly #faultPoints: FaultPoints;
  readonly #allocator: PageAllocator;
  readonly #memory: CpuMemory;
  /** By the first of a device's ids. */
  readonly #tables = new Map<number, Table>();

  private constructor(driver: AmdDriver, { allocator, bus, faultPoints }: IommuServices, empty: PageNumber) {
    this.#driver = driver;
    this.#faultPoints = faultPoints;
    this.#allocator = allocator;
    this.#memory = bus.memory;
    this.#empty = empty;
    this.none = entriesAt(empty, 0);
  }

  /** No device has interrupts yet; -ENOMEM. */
  static create(driver: AmdDriver, services: IommuServices): InterruptTables | number {
    const empty = services.allocator.allocate(PURPOSE);
    return empty < 0 ? empty : new InterruptTables(driver, services, empty);
  }

  /** While no device has interrupts, and the unit has not been told of any table. */
  release(): void {
    this.#allocator.release(this.#empty);
  }

  /** What the device with these ids has to write so that `message` is delivered: -ENOMEM, -ENOSPC, -EIO. */
  *admit(devices: DeviceTable, ids: readonly number[], { address, data }: Message): Script<Message | number> {
    const table = yield* this.#tableOf(devices, ids);
    if (typeof table === 'number') return table;
    let index = 0;
    while (table.used.has(index)) index++;
    if (index >= 2 ** LENGTH || this.#faultPoints.refuses('interrupt remapping entry')) {
      const dropped = yield* this.#dropIfUnused(devices, ids, table);
      return dropped < 0 ? dropped : -ENOSPC;
    }
    table.used.add(index);
    const entry = encode(IRTE, {
      RemapEn: 1,
      IntType: IntType.FIXED,
      Vector: INTERRUPT_DATA.Vector.get(Uint32Array.of(data)),
      Destination: INTERRUPT_ADDRESS.DestinationID.get(Uint32Array.of(address)),
    });
    yield* this.#write(table, index, entry);
    const result = yield* this.#forget(ids);
    // The destination is that of the entry, whatever the address says.
    return result < 0 ? result : { address, data: encode(REMAPPED_INTERRUPT_DATA, { Index: index })[0]! };
  }

  /** 0, or -EIO when the entry may still be in use. */
  *revoke(devices: DeviceTable, ids: readonly number[], { data }: Message): Script<number> {
    const table = this.#tables.get(ids[0]!)!;
    const index = REMAPPED_INTERRUPT_DATA.Index.get(Uint32Array.of(data));
    yield* this.#write(table, index, new Uint32Array(IRTE.$.words));
    const result = yield* this.#forget(ids);
    if (result < 0) return result;
    table.used.delete(index);
    return yield* this.#dropIfUnused(devices, ids, table);
  }

  /** The table of a device, made when it has none: -ENOMEM, -EIO. */
  *#tableOf(devices: DeviceTable, ids: readonly number[]): Script<Table | number> {
    let table = this.#tables.get(ids[0]!);
    if (table === undefined) {
      const page = this.#allocator.allocate(PURPOSE);
      if (page < 0) return page;
      table = { page, used: new Set<number>() };
      this.#tables.set(ids[0]!, table);
    }
    const result = yield* this.#lead(devices, ids, entriesAt(table.page, LENGTH));
    return result < 0 ? result : table;
  }

  /** After its last interrupt a device has no table any more: 0, or -EIO and it stays. */
  *#dropIfUnused(devices: DeviceTable, ids: readonly number[], { page, used }: Table): Script<number> {
    if (used.size > 0) return 0;
    let result = yield* this.#lead(devices, ids, this.none);
    if (result === 0) result = yield* this.#forget(ids);
    if (result < 0) return result;
    this.#tables.delete(ids[0]!);
    this.#allocator.release(page);
    return 0;
  }

  /** What the device table says of these ids from now on: 0, -EIO. */
  *#lead(devices: DeviceTable, ids: readonly number[], interrupts: Values<typeof DTE>): Script<number> {
    const changed = ids.filter((id) => devices.setInterrupts(id, interrupts));
    if (changed.length === 0) return 0;
    yield* this.#driver.writeEntries(ids.length * DTE_WRITES);
    return yield* this.#driver.run(ids.map((deviceId): Command => ({ kind: 'device entry', deviceId })));
  }

  *#write({ page }: Table, index: number, entry: Uint32Array): Script {
    this.#memory.write(page * PAGE_SIZE + index * ENTRY_BYTES, bytesOf(entry));
    yield* this.#driver.writeEntries(1);
  }

  #forget(ids: readonly number[]): Script<number> {
    return this.#driver.run(ids.map((deviceId): Command => ({ kind: 'interrupt table', deviceId })));
  }
}

/** Fields of a device table entry: interrupts go through the table at `page`. */
function entriesAt(page: PageNumber, length: number): Values<typeof DTE> {
  return {
    IV: 1,
    IntCtl: InterruptControl.REMAP,
    IntTabLen: length,
    IntTabRoot: (page * PAGE_SIZE) / ROOT_UNIT,
  };
}
