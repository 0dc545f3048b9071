/** The MMU of one device as its driver reaches it: its registers, and its tables in its own memory. */
import { bytesOf, encode, joinHalves, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import {
  DIRECTORY_ENTRY,
  ENTRY_BYTES,
  MMU_ANSWER,
  MMU_BAR,
  MMU_COMMAND,
  MMU_CONTROL,
  MMU_DIRECTORY,
  MMU_FAULT_ADDRESS,
  MMU_FAULT_STATUS,
  MMU_ID,
  MMU_MAGIC,
  TABLE_MEMORY_BAR,
} from '../../../hardware/devices/mmu-engine/spec.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { ENODEV, ENOMEM } from '../../uapi/index.ts';
import { isAllOnes, RegisterPage } from '../iommu/register-page.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { writeRange } from '../register-range.ts';
import type { Change } from './tables.ts';

/** What the MMU says of an access that it did not let through. */
export interface MmuFault {
  readonly code: number;
  readonly name: string;
  readonly address: bigint;
  readonly write: boolean;
  /** The device waits for an answer. */
  readonly stalled: boolean;
}

/** Page of the device's memory where its directory is. */
const DIRECTORY_PAGE = 0;

export class DeviceMmu {
  readonly #services: IommuServices;
  readonly #registers: RegisterPage;
  /** Where the device's memory is, and the pages of it that hold nothing. */
  readonly #memory: number;
  readonly #pages: number;
  #free: number[] = [];
  /** Its page of each table that it has. */
  readonly #tables = new Map<number, number>();
  /** Pages whose tables are unlinked: the device may go on reading them until it is flushed. */
  #unlinked: number[] = [];
  /** Pages that the device has not given up since it had tables in them. */
  #kept: number;

  /** `kept`: pages that are there for certain. */
  constructor(device: PciDevice, services: IommuServices, kept = 0) {
    const memory = device.bars.get(TABLE_MEMORY_BAR);
    this.#services = services;
    this.#kept = kept;
    this.#registers = new RegisterPage(services.engine, services.bus, device.bars.get(MMU_BAR)?.address ?? 0);
    this.#memory = memory?.address ?? 0;
    this.#pages = device.bars.has(MMU_BAR) ? (memory?.bytes ?? 0) / PAGE_SIZE : 0;
  }

  /** Empty tables, nothing kept from earlier, and switched off: 0, -ENODEV when it does not do so. */
  *clear(): Script<number> {
    if (this.#pages === 0) return -ENODEV;
    const id = yield* this.#registers.read(MMU_ID);
    if (isAllOnes(MMU_ID, id) || MMU_ID.MAGIC.get(id) !== MMU_MAGIC) return -ENODEV;
    yield* this.stop();
    this.#tables.clear();
    this.#unlinked = [];
    this.#free = Array.from({ length: this.#pages - 1 }, (_, i) => this.#pages - 1 - i);
    return (yield* this.#command({ CLEAR: 1, FLUSH: 1 })) ? 0 : -ENODEV;
  }

  /** Tables that the device has. */
  get tables(): number {
    return this.#tables.size;
  }

  /** From now on addresses are translated. `stall`: the device waits where a page is missing. */
  *start(stall: boolean): Script {
    yield* this.#registers.write(MMU_DIRECTORY, { PAGE: DIRECTORY_PAGE });
    yield* this.#registers.write(MMU_CONTROL, { ENABLE: 1, INTERRUPT_ENABLE: 1, STALL: stall ? 1 : 0 });
  }

  /** From now on addresses go out as they are; where the device waits, it waits no more. */
  *stop(): Script {
    if (this.#pages > 0) yield* this.#registers.write(MMU_CONTROL, {});
  }

  /** Enters new entries: 0, -ENOMEM when there is no place for their table. */
  *enter({ table, from, entries }: Change): Script<number> {
    const known = this.#tables.get(table);
    const page = known ?? this.#take();
    if (page === undefined) return -ENOMEM;
    yield* this.#write(page, from, entries);
    if (known === undefined) {
      // Pages that are free read 0, so what was written is all there is.
      this.#tables.set(table, page);
      yield* this.#write(DIRECTORY_PAGE, table, encode(DIRECTORY_ENTRY, { V: 1, TABLE: page }));
    }
    return 0;
  }

  /** Clears entries. The device may go on using them until it is flushed. */
  *remove({ table, from, entries, isLast }: Change): Script {
    const page = this.#tables.get(table);
    if (page === undefined) return;
    yield* this.#write(page, from, entries);
    if (!isLast) return;
    yield* this.#write(DIRECTORY_PAGE, table, encode(DIRECTORY_ENTRY, {}));
    this.#tables.delete(table);
    this.#unlinked.push(page);
  }

  /** Makes the device forget what it has read of its tables; false when it does not say that it has. */
  *flush(): Script<boolean> {
    const flushed = yield* this.#command({ FLUSH: 1 });
    // If it does not, it may read them as what they become next. That misleads itself and nobody else.
    this.#free.push(...this.#unlinked.splice(0));
    return flushed;
  }

  /** Takes the fault that is recorded, if one is. */
  *takeFault(): Script<MmuFault | undefined> {
    const status = yield* this.#registers.read(MMU_FAULT_STATUS);
    const { VALID, OVERFLOW, STALLED, WRITE, REASON } = MMU_FAULT_STATUS;
    if (isAllOnes(MMU_FAULT_STATUS, status) || !VALID.isSet(status)) return undefined;
    const address = yield* this.#registers.read(MMU_FAULT_ADDRESS);
    const at = MMU_FAULT_ADDRESS.$.offset! / 4;
    yield* this.#registers.write(MMU_FAULT_STATUS, { VALID: 1, OVERFLOW: OVERFLOW.get(status) });
    return {
      code: REASON.get(status),
      name: REASON.valueName(status) ?? 'unknown',
      address: joinHalves(address[at + 1]!, address[at]!),
      write: WRITE.isSet(status),
      stalled: STALLED.isSet(status),
    };
  }

  /** Tells a device that waits whether to look again. */
  answer(retry: boolean): Script {
    return this.#registers.write(MMU_ANSWER, retry ? { RETRY: 1 } : { ABORT: 1 });
  }

  #take(): number | undefined {
    if (this.#kept > 0) {
      this.#kept--;
      return this.#free.pop();
    }
    return this.#services.faultPoints.refuses('table memory of a device') ? undefined : this.#free.pop();
  }

  *#command(command: { readonly FLUSH?: 1; readonly CLEAR?: 1 }): Script<boolean> {
    const registers = this.#registers;
    yield* registers.write(MMU_COMMAND, command);
    return yield* registers.waitUntil(function* () {
      return !MMU_COMMAND.BUSY.isSet(yield* registers.read(MMU_COMMAND));
    });
  }

  #write(page: number, from: number, entries: Uint32Array): Script {
    return writeRange(this.#services.bus, this.#memory + page * PAGE_SIZE + from * ENTRY_BYTES, bytesOf(entries));
  }
}
