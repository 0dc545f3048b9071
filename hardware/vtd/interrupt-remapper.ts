/**
 * Interrupt remapping (VT-d 5.1.2 to 5.1.4, 6.4, 9.9, 9.10): a message names an entry of the interrupt remapping table,
 * and the entry says what is delivered to whom, or where the interrupt is posted.
 *
 * Needs: the capabilities, the size of the interrupt entry cache. Offers: `walk` for one message; `setTable`,
 * `enabled`, `setEnabled` and `compatibilityPasses` for the commands of GCMD; `invalidate` for the queue.
 *
 * Delivery modes 011b and 110b, which the specification does not define, are delivered as they stand.
 */
import { anySet, type RegisterFile, reserve, reservedBits, undeclared } from '../bits/index.ts';
import {
  EntryCache,
  type EntryCacheSpec,
  type InterruptMessage,
  type IommuProbe,
  NO_PASID,
  Status,
  type Walk,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { deliver } from './interrupt-delivery.ts';
import { post } from './interrupt-poster.ts';
import { Event, NO_DOMAIN, type PerformanceEvents } from './performance-events.ts';
import type { Capability } from './spec/capability.ts';
import {
  FAULTS,
  type Fault,
  Granularity,
  InterruptFormat,
  IRTA,
  IRTE_POSTED,
  IRTE_REMAPPED,
  IRTE_REMAPPED_RESERVED_WITHOUT,
  IRTE_REMAPPED_XAPIC,
  REMAPPABLE_MSI_ADDRESS,
  REMAPPABLE_MSI_DATA,
  SourceIdQualifier,
  SourceValidationType,
} from './spec/index.ts';

export interface InterruptRemapperSpec {
  /** Size of the interrupt entry cache; `null`, or nothing, when there is none. Not architectural. */
  readonly interruptEntryCache?: EntryCacheSpec | null;
}

/** Indexes from `index` with its lowest `order` bits 0: there are `2 ** order`. */
export interface InterruptEntryInvalidation {
  readonly granularity: number;
  readonly index: number;
  readonly order: number;
}

/** What SIRTP latches of IRTA. */
export interface InterruptTable {
  readonly address: number;
  readonly entries: number;
  /** EIME: x2APIC mode. */
  readonly extended: boolean;
}

const POWER_ON: InterruptTable = { address: 0, entries: 2, extended: false };

/** Bits of the source id that each qualifier leaves out. */
const LEFT_OUT: Readonly<Record<number, number>> = {
  [SourceIdQualifier.ALL]: 0,
  [SourceIdQualifier.IGNORE_BIT_2]: 0b100,
  [SourceIdQualifier.IGNORE_BITS_2_1]: 0b110,
  [SourceIdQualifier.IGNORE_BITS_2_0]: 0b111,
};

type Format = Pick<typeof IRTE_REMAPPED, 'P' | 'FPD' | 'SVT' | 'SID' | 'SQ' | '$'>;

const RESERVED_DATA = undeclared(REMAPPABLE_MSI_DATA);

export class InterruptRemapper {
  /** GSTS.CFIS. */
  compatibilityPasses = false;
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  /** By interrupt index: the entry as it was fetched. */
  readonly cache: EntryCache<Uint32Array> | null;
  readonly #capabilities: Capabilities;
  readonly #reserved: { readonly remapped: Uint32Array; readonly xapic: Uint32Array; readonly posted: Uint32Array };
  #enabled = false;
  #table = POWER_ON;
  /** Counts invalidations: what was fetched before one is not entered after it. */
  #era = 0;

  constructor(capabilities: Capabilities, spec: InterruptRemapperSpec) {
    const size = spec.interruptEntryCache ?? null;
    this.cache = size === null ? null : new EntryCache(size);
    this.#capabilities = capabilities;
    const pdah = IRTE_POSTED.PDAH.spec;
    this.#reserved = {
      remapped: reservedBits(IRTE_REMAPPED, capabilities, IRTE_REMAPPED_RESERVED_WITHOUT),
      xapic: reservedBits(IRTE_REMAPPED_XAPIC, capabilities, IRTE_REMAPPED_RESERVED_WITHOUT),
      posted: reserve(reservedBits(IRTE_POSTED, capabilities), pdah.lo + capabilities.hostAddressWidth - 32, pdah.hi),
    };
  }

  get table(): InterruptTable {
    return this.#table;
  }

  /** SIRTP: takes over what IRTA holds. */
  setTable({ words }: RegisterFile): void {
    this.#table = {
      address: IRTA.IRTA.address(words),
      entries: 2 ** (IRTA.S.get(words) + 1),
      extended: this.#has('EIM') && IRTA.EIME.isSet(words),
    };
    if (this.#has('ESIRTPS')) this.#clear();
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  setEnabled(enabled: boolean): void {
    if (this.#enabled && !enabled && this.#has('ESIRTPS')) this.#clear();
    this.#enabled = enabled;
  }

  /** Removes entries from the cache; false for an index mask that the unit does not have. */
  invalidate({ granularity, index, order }: InterruptEntryInvalidation): boolean {
    if (granularity === Granularity.INTERRUPT_ENTRY_CACHE.GLOBAL) {
      this.#clear();
      return true;
    }
    if (order > this.#capabilities.value('MHMV')) return false;
    this.#era++;
    this.cache?.removeWhere((key) => key >>> order === index >>> order);
    if (this.probe !== null) this.probe.invalidated('interrupt entry cache', { granularity, index, order });
    return true;
  }

  reset(): void {
    this.#enabled = false;
    this.compatibilityPasses = false;
    this.#table = POWER_ON;
    this.#era++;
    this.cache?.clear();
  }

  /** What becomes of a message; a blocked one has `fault` set. */
  *walk(message: InterruptMessage<Fault>): Walk {
    const fault = yield* this.#procedure(message);
    if (fault === null) return;
    message.fault = fault;
    message.status = Status.UNSUPPORTED_REQUEST;
  }

  *#procedure(message: InterruptMessage<Fault>): Walk<Fault | null> {
    const table = this.#table;
    message.recorded = true;
    // 1. Remapping is off: the message passes, unless the unit demands remapping.
    if (!this.#enabled) return this.#has('IRREQ') ? FAULTS.IR_OFF : null;
    if (this.#has('EIMER') && !table.extended) return FAULTS.IR_EIME;
    // 2. Compatibility format.
    const address = Uint32Array.of(message.lo);
    if (REMAPPABLE_MSI_ADDRESS.FORMAT.get(address) === InterruptFormat.COMPATIBILITY) {
      return table.extended || !this.compatibilityPasses ? FAULTS.IR_COMPATIBILITY : null;
    }
    // 3. The index that handle and subhandle give.
    const data = Uint32Array.of(message.data);
    const hasSubhandle = REMAPPABLE_MSI_ADDRESS.SHV.isSet(address);
    if (hasSubhandle && anySet(data, RESERVED_DATA)) return FAULTS.IR_REQUEST_RESERVED;
    const handle =
      REMAPPABLE_MSI_ADDRESS.HANDLE_14_0.get(address) + REMAPPABLE_MSI_ADDRESS.HANDLE_15.get(address) * 0x8000;
    message.index = handle + (hasSubhandle ? REMAPPABLE_MSI_DATA.SUBHANDLE.get(data) : 0);
    if (message.index >= table.entries) return FAULTS.IR_INDEX;
    // 4. The entry, from the cache or from the table.
    const era = this.#era;
    const cached = this.#find(message);
    const irte = cached ?? (yield* this.#fetch(message, table));
    if (!(irte instanceof Uint32Array)) return irte;
    // 5. What it says. Without caching mode an entry that led to a fault is not kept.
    const fault = yield* this.#apply(message, irte, table.extended);
    const keeps = message.effects && cached === null && (fault === null || this.#has('CM')) && era === this.#era;
    if (keeps) this.cache?.insert(message.index, irte);
    return fault;
  }

  #find({ index, requester, effects }: InterruptMessage<Fault>): Uint32Array | null {
    const { cache, probe } = this;
    const counters = effects ? this.counters : null;
    if (counters !== null) counters.count(Event.INT_CACHE_LOOKUP, requester, NO_DOMAIN, NO_PASID, 0);
    if (cache === null) return null;
    const found = cache.find(index, !effects);
    if (probe !== null) probe.cache('interrupt entry cache', found !== null, `index ${index}`);
    if (found !== null && counters !== null) {
      const posted = this.#isPosted(found);
      const event = posted ? Event.INT_CACHE_HIT_POSTED : Event.INT_CACHE_HIT_NONPOSTED;
      counters.count(event, requester, NO_DOMAIN, NO_PASID, 0);
    }
    return found;
  }

  /** One read of 128 bits; software may change an entry at any time. */
  *#fetch({ memory, index }: InterruptMessage<Fault>, table: InterruptTable): Walk<Uint32Array | Fault> {
    const count = IRTE_REMAPPED.$.words;
    const address = table.address + index * count * 4;
    if (address >= 2 ** this.#capabilities.hostAddressWidth) return FAULTS.IR_INDEX;
    yield memory.read(address, count);
    if (!memory.ok) return FAULTS.IR_READ;
    const irte = memory.words.slice(0, count);
    if (this.probe !== null) this.probe.read(this.#format(irte, table.extended).$.name, address, irte, count);
    return irte;
  }

  *#apply(message: InterruptMessage<Fault>, irte: Uint32Array, extended: boolean): Walk<Fault | null> {
    const posted = this.#isPosted(irte);
    const format = this.#format(irte, extended);
    // 5.1 A fault that the entry leads to is recorded unless the entry says otherwise.
    message.recorded = !format.FPD.isSet(irte);
    if (!format.P.isSet(irte)) return FAULTS.IR_NOT_PRESENT;
    // 5.2 The entry is for this sender; only then its other fields count (VT-d 5.1.4).
    const type = format.SVT.get(irte);
    if (type > SourceValidationType.BUS_RANGE) return FAULTS.IR_RESERVED;
    if (!isFor(format, irte, type, message.requester)) return FAULTS.IR_SOURCE;
    const reserved = extended ? this.#reserved.remapped : this.#reserved.xapic;
    if (anySet(irte, posted ? this.#reserved.posted : reserved)) return FAULTS.IR_RESERVED;
    // 5.3 Posted format.
    if (posted) return yield* post(message, irte, extended, this.probe);
    // 5.4 Remapped format: the message that the entry describes.
    const remapped = extended ? IRTE_REMAPPED : IRTE_REMAPPED_XAPIC;
    deliver(message, {
      destination: remapped.DST.get(irte),
      vector: remapped.V.get(irte),
      logical: remapped.DM.get(irte),
      redirectionHint: remapped.RH.get(irte),
      deliveryMode: remapped.DLM.get(irte),
      trigger: remapped.TM.get(irte),
    });
    return null;
  }

  #format(irte: Uint32Array, extended: boolean): Format {
    if (this.#isPosted(irte)) return IRTE_POSTED;
    return extended ? IRTE_REMAPPED : IRTE_REMAPPED_XAPIC;
  }

  #isPosted(irte: Uint32Array): boolean {
    return this.#has('PI') && IRTE_POSTED.IM.isSet(irte);
  }

  #has(capability: Capability): boolean {
    return this.#capabilities.has('IR') && this.#capabilities.has(capability);
  }

  #clear(): void {
    this.#era++;
    this.cache?.clear();
    if (this.probe !== null) {
      this.probe.invalidated('interrupt entry cache', { granularity: Granularity.INTERRUPT_ENTRY_CACHE.GLOBAL });
    }
  }
}

/** The source check of VT-d 5.1.4, by SVT and SQ. */
function isFor(format: Format, irte: Uint32Array, type: number, requester: number): boolean {
  const sid = format.SID.get(irte);
  if (type === SourceValidationType.NONE) return true;
  if (type === SourceValidationType.SOURCE_ID) {
    const counts = ~LEFT_OUT[format.SQ.get(irte)]!;
    return (sid & counts) === (requester & counts);
  }
  const bus = requester >>> 8;
  return bus >= sid >>> 8 && bus <= (sid & 0xff);
}
