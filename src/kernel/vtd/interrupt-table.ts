/**
 * The interrupt remapping table (VT-d 5.1.3, 9.9): one entry for each interrupt of a device. An entry names its device, so
 * that the same message from any other is blocked; messages of the format without index are blocked, too.
 */
import { encode, joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  COMPATIBILITY_MSI_ADDRESS,
  COMPATIBILITY_MSI_DATA,
  GCMD,
  GSTS,
  INTERRUPT_IDENTIFIER,
  InterruptFormat,
  IRTA,
  IRTE_REMAPPED_XAPIC as IRTE,
  REMAPPABLE_MSI_ADDRESS,
  SourceIdQualifier,
  SourceValidationType,
} from '../../../hardware/vtd/spec/index.ts';
import { ENOSPC } from '../../uapi/index.ts';
import type { Message } from '../interrupts.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { Capabilities } from './capabilities.ts';
import type { Invalidator } from './invalidation.ts';
import type { Registers } from './registers.ts';

const ENTRY_BYTES = IRTE.$.words * 4;
/** More than there are vectors: the table has 2 ** (S + 1) entries. */
const SIZE = 7;
const ENTRIES = 2 ** (SIZE + 1);

interface Unit extends IommuServices {
  readonly registers: Registers;
  readonly invalidator: Invalidator;
}

export class InterruptTable {
  readonly #unit: Unit;
  /** With caching mode, entries that are not present are cached, too. */
  readonly #cachingMode: boolean;
  /** The unit forgets entries by itself when it is given a table. */
  readonly #flushes: boolean;
  readonly #table: PageNumber;
  readonly #used = new Set<number>();
  /** The unit knows the table. */
  #isTold = false;

  private constructor(unit: Unit, capabilities: Capabilities, table: PageNumber) {
    this.#unit = unit;
    this.#cachingMode = capabilities.cachingMode;
    this.#flushes = capabilities.interruptTableFlushes;
    this.#table = table;
  }

  /** A table of which the unit knows nothing yet, or -ENOMEM. */
  static create(unit: Unit, capabilities: Capabilities): InterruptTable | number {
    const table = unit.allocator.allocate('interrupt remapping table');
    return table < 0 ? table : new InterruptTable(unit, capabilities, table);
  }

  /** From now on no message of a device passes that has not been admitted: 0, -EIO. */
  *enable(): Script<number> {
    const { registers, invalidator } = this.#unit;
    this.#isTold = true;
    yield* registers.write(IRTA, { IRTA: this.#table, S: SIZE });
    let result = yield* registers.command(GCMD.SIRTP, true, GSTS.IRTPS, true);
    if (result === 0 && !this.#flushes) {
      result = yield* invalidator.run([{ cache: 'interrupt entries', scope: 'global' }]);
    }
    if (result === 0) result = yield* registers.command(GCMD.CFI, false, GSTS.CFIS, false);
    if (result === 0) result = yield* registers.command(GCMD.IRE, true, GSTS.IRES, true);
    return result;
  }

  release(): void {
    if (!this.#isTold) this.#unit.allocator.release(this.#table);
  }

  /** What the device with this source id has to write so that `message` is delivered: -ENOSPC, -EIO. */
  *admit(sourceId: number, { address, data }: Message): Script<Message | number> {
    const index = this.#freeIndex();
    if (index < 0) return index;
    this.#used.add(index);
    const entry = encode(IRTE, {
      P: 1,
      V: COMPATIBILITY_MSI_DATA.VECTOR.get(Uint32Array.of(data)),
      DST: COMPATIBILITY_MSI_ADDRESS.DESTINATION_ID.get(Uint32Array.of(address)),
      SID: sourceId,
      SQ: SourceIdQualifier.ALL,
      SVT: SourceValidationType.SOURCE_ID,
    });
    // The upper half says whose it is, the lower one that it is present.
    yield* this.#write(index, entry, [1, 0]);
    const result = this.#cachingMode ? yield* this.#forget(index) : 0;
    return result < 0 ? result : messageOf(index);
  }

  /** 0, or -EIO when the entry may still be in use. */
  *revoke({ address }: Message): Script<number> {
    const index = REMAPPABLE_MSI_ADDRESS.HANDLE_14_0.get(Uint32Array.of(address));
    yield* this.#write(index, new Uint32Array(IRTE.$.words), [0, 1]);
    const result = yield* this.#forget(index);
    if (result === 0) this.#used.delete(index);
    return result;
  }

  *#write(index: number, entry: Uint32Array, halves: readonly number[]): Script {
    const { memory, cost } = this.#unit.bus;
    const at = this.#table * PAGE_SIZE + index * ENTRY_BYTES;
    for (const half of halves) memory.write64(at + half * 8, joinHalves(entry[half * 2 + 1]!, entry[half * 2]!));
    yield ns(halves.length * cost.writeEntry);
  }

  #forget(index: number): Script<number> {
    return this.#unit.invalidator.run([{ cache: 'interrupt entries', scope: 'index', index }]);
  }

  #freeIndex(): number {
    if (this.#unit.faultPoints.refuses('interrupt remapping entry')) return -ENOSPC;
    for (let index = 0; index < ENTRIES; index++) if (!this.#used.has(index)) return index;
    return -ENOSPC;
  }
}

/** Without a subhandle the index alone counts, and no data. */
function messageOf(index: number): Message {
  const words = encode(REMAPPABLE_MSI_ADDRESS, {
    IDENTIFIER: INTERRUPT_IDENTIFIER,
    FORMAT: InterruptFormat.REMAPPABLE,
    HANDLE_14_0: index,
  });
  return { address: words[0]!, data: 0 };
}
