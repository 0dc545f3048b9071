/**
 * Interrupt remapping: a message of a device names an entry of the interrupt remapping table that its device table entry
 * gives, and the entry says what is delivered to whom, or for which guest the interrupt is recorded.
 *
 * Needs: the device table, the size of the cache of entries; `guests` for entries in guest mode. Offers: `walk` for one
 * message; `control` for what the Control register says; `invalidate` and `invalidateAll` for commands.
 *
 * Decisions where sources leave something open:
 * - IV alone decides whether a device table entry counts for interrupts, not V.
 * - What IntCtl or a pass bit aborts is not logged.
 * - An entry that cannot be read is a PAGE_TAB_HARDWARE_ERROR; `message.memory` still has its address.
 * - With NumIntRemapMode = 01b and DM = 1 in the request's address, all of bits 10:0 of the data are index, and no delivery
 *   mode is looked at: that is how Linux reaches indexes above 511.
 * - An entry that led to a fault is not kept in the cache.
 *
 * Not acted on: SMI filters, LINT0 and LINT1 messages, RqEoi, GAPPIDis.
 */
import { anySet, maskOf, undeclared } from '../bits/index.ts';
import {
  EntryCache,
  type EntryCacheSpec,
  type InterruptMessage,
  type IommuProbe,
  Status,
  type Walk,
} from '../iommu/index.ts';
import { type GuestInterrupts, post } from './guest-interrupts.ts';
import type { InterruptControl, InterruptDevices, InterruptSettings } from './interrupt-settings.ts';
import {
  type AmdFault,
  DeliveryMode,
  EventCode,
  FAULTS,
  GuestApicMode,
  IntCtl,
  IntType,
  IRTE_32,
  IRTE_128,
  IRTE_128_XT,
  IRTE_GUEST,
  IRTE_GUEST_XT,
  LARGEST_TABLE,
  MESSAGE_DATA,
  MSI_ADDRESS,
  MSI_UPPER_ADDRESS,
  NO_EVENT,
  NOT_CACHED,
  NumIntRemapMode,
  REMAPPED_MSI_DATA,
} from './spec/index.ts';

export interface InterruptRemapperSpec {
  /** Size of the cache of interrupt table entries; `null`, or nothing, when there is none. Not architectural. */
  readonly interruptEntryCache?: EntryCacheSpec | null;
}

const POWER_ON: InterruptControl = {
  iommuEn: false,
  gaEn: false,
  gaMode: GuestApicMode.LEGACY,
  xtEn: false,
  numIntRemapMode: NumIntRemapMode.INTERRUPTS_512,
  irtCacheDis: false,
};

/** Indexes of the largest table: the cache knows an entry by its device and its index. */
const INDEXES = LARGEST_TABLE[NumIntRemapMode.INTERRUPTS_2048]!;

/** Formats of an entry that is remapped, and of one for a guest, each with its reserved bits. */
const REMAPPED = {
  short: { format: IRTE_32, reserved: undeclared(IRTE_32) },
  long: { format: IRTE_128, reserved: undeclared(IRTE_128) },
  xt: { format: IRTE_128_XT, reserved: undeclared(IRTE_128_XT) },
};
const GUEST = {
  long: { format: IRTE_GUEST, reserved: undeclared(IRTE_GUEST), fresh: notCached(IRTE_GUEST) },
  xt: { format: IRTE_GUEST_XT, reserved: undeclared(IRTE_GUEST_XT), fresh: notCached(IRTE_GUEST_XT) },
};

type Remapped = typeof IRTE_32 | typeof IRTE_128 | typeof IRTE_128_XT;
type Guest = typeof IRTE_GUEST | typeof IRTE_GUEST_XT;

export class InterruptRemapper {
  probe: IommuProbe | null = null;
  /** Who is told of interrupts for guests; without anybody they are recorded all the same. */
  guests: GuestInterrupts | null = null;
  /** By device and index: the entry as it was fetched. */
  readonly cache: EntryCache<Uint32Array> | null;
  readonly #devices: InterruptDevices;
  #control = POWER_ON;
  /** Counts invalidations: what was fetched before one is not entered after it. */
  #era = 0;

  constructor(devices: InterruptDevices, spec: InterruptRemapperSpec) {
    const size = spec.interruptEntryCache ?? null;
    this.cache = size === null ? null : new EntryCache(size);
    this.#devices = devices;
  }

  get control(): InterruptControl {
    return this.#control;
  }

  /** Entries of another width, and what is cached while caching is off, are not looked at again. */
  set control(control: InterruptControl) {
    if (control.gaEn !== this.#control.gaEn || control.irtCacheDis) this.#drop(() => true);
    this.#control = control;
  }

  /** INVALIDATE_INTERRUPT_TABLE: the entries that this device led to. */
  invalidate(deviceId: number): void {
    this.#drop((key) => Math.floor(key / INDEXES) === deviceId);
    if (this.probe !== null) this.probe.invalidated('interrupt table cache', { deviceId });
  }

  /** INVALIDATE_IOMMU_ALL. */
  invalidateAll(): void {
    this.#drop(() => true);
    if (this.probe !== null) this.probe.invalidated('interrupt table cache', {});
  }

  reset(): void {
    this.#control = POWER_ON;
    this.#drop(() => true);
  }

  /** What becomes of a message; an aborted one has `fault` set, and `recorded` when an event is to be logged. */
  *walk(message: InterruptMessage<AmdFault>): Walk {
    message.recorded = true;
    const fault = yield* this.#procedure(message);
    if (fault === null) return;
    message.fault = fault;
    message.status = Status.COMPLETER_ABORT;
    message.recorded = fault.code !== NO_EVENT && (message.recorded || fault.code !== EventCode.IO_PAGE_FAULT);
  }

  *#procedure(message: InterruptMessage<AmdFault>): Walk<AmdFault | null> {
    const { iommuEn, numIntRemapMode } = this.#control;
    if (!iommuEn) return null;
    // 1. The device table entry, as far as it is about interrupts.
    const device = yield* this.#devices.find(message);
    if (!('interrupts' in device)) return device;
    const settings = device.interrupts;
    if (!settings.valid) return null;
    if (settings.fault !== null) return settings.fault;
    // 2. What is no fixed or arbitrated interrupt passes, or does not.
    const address = Uint32Array.of(message.lo);
    const data = Uint32Array.of(message.data);
    const logical = MSI_ADDRESS.DM.isSet(address);
    const isAllIndex = logical && numIntRemapMode === NumIntRemapMode.INTERRUPTS_2048;
    const mode = MESSAGE_DATA.DeliveryMode.get(data);
    if (mode > DeliveryMode.ARBITRATED && !isAllIndex) {
      return !logical && passes(settings, mode) ? null : FAULTS.INTERRUPT_ABORTED;
    }
    // 3. What IntCtl says.
    if (settings.control === IntCtl.FORWARD) return null;
    if (settings.control !== IntCtl.REMAP) return FAULTS.INTERRUPT_ABORTED;
    // 4. The index.
    message.recorded = !settings.ignoreUnmapped;
    message.index = REMAPPED_MSI_DATA.Index.get(data);
    const length = Math.min(settings.tableLength, LARGEST_TABLE[numIntRemapMode] ?? 0);
    if (message.index >= length) return FAULTS.IRTE_OUTSIDE;
    return yield* this.#remap(message, settings.table);
  }

  *#remap(message: InterruptMessage<AmdFault>, table: number): Walk<AmdFault | null> {
    const { index, requester } = message;
    const { gaEn, irtCacheDis } = this.#control;
    const key = requester * INDEXES + index;
    const cache = irtCacheDis ? null : this.cache;
    // 5. The entry, from the cache or from the table.
    const era = this.#era;
    const address = table + index * (gaEn ? IRTE_128 : IRTE_32).$.words * 4;
    const cached = this.#find(cache, key, message);
    const irte = cached ?? (yield* this.#fetch(message, address, gaEn));
    if (irte === null) return FAULTS.IRTE_READ;
    // 6. What it says.
    const isGuest = gaEn && IRTE_GUEST.GuestMode.isSet(irte);
    const fault = isGuest
      ? yield* this.#toGuest(message, irte, cached === null ? null : address)
      : this.#toHost(message, irte);
    if (cache !== null && cached === null && fault === null && era === this.#era) cache.insert(key, irte);
    return fault;
  }

  #find(cache: EntryCache<Uint32Array> | null, key: number, { index, requester }: InterruptMessage<AmdFault>) {
    if (cache === null) return null;
    const found = cache.find(key);
    if (this.probe !== null) {
      this.probe.cache('interrupt table cache', found !== null, `index ${index} of ${requester}`);
    }
    return found;
  }

  /** One read of the whole entry; software may change it at any time. */
  *#fetch({ memory }: InterruptMessage<AmdFault>, address: number, isLong: boolean): Walk<Uint32Array | null> {
    const count = (isLong ? IRTE_128 : IRTE_32).$.words;
    yield memory.read(address, count);
    if (!memory.ok) return null;
    const irte = memory.words.slice(0, count);
    if (this.probe !== null) this.probe.read('IRTE', address, irte, count);
    return irte;
  }

  #toHost(message: InterruptMessage<AmdFault>, irte: Uint32Array): AmdFault | null {
    const { gaEn, xtEn } = this.#control;
    const { format, reserved } = gaEn ? (xtEn ? REMAPPED.xt : REMAPPED.long) : REMAPPED.short;
    const fault = this.#check(message, irte, format, reserved);
    if (fault !== null) return fault;
    if (format.GuestMode.isSet(irte)) return FAULTS.IRTE_GUEST_MODE;
    if (format.IntType.get(irte) > IntType.ARBITRATED) return FAULTS.IRTE_INT_TYPE;
    deliver(message, format, irte);
    return null;
  }

  /** `from` is the address of an entry that came from the cache: what hardware does not cache is then read again. */
  *#toGuest(message: InterruptMessage<AmdFault>, irte: Uint32Array, from: number | null): Walk<AmdFault | null> {
    const { xtEn, gaMode } = this.#control;
    const { format, reserved, fresh } = xtEn ? GUEST.xt : GUEST.long;
    const fault = this.#check(message, irte, format, reserved);
    if (fault !== null) return fault;
    if (gaMode !== GuestApicMode.VIRTUAL_APIC) return FAULTS.IRTE_GUEST_MODE;
    let entry = irte;
    if (from !== null) {
      const now = yield* this.#fetch(message, from, true);
      if (now === null) return FAULTS.IRTE_READ;
      entry = irte.map((word, i) => (word & ~fresh[i]!) | (now[i]! & fresh[i]!));
    }
    return yield* post(message, {
      page: format.BackingPage.address(entry),
      vector: format.Vector.get(entry),
      running: format.IsRun.isSet(entry) ? destinationOf(format, entry) : null,
      logged: format.GALogIntr.isSet(entry) ? format.GATag.get(entry) : null,
      guests: this.guests,
    });
  }

  /** What is common to entries of all formats. SupIOPF counts even when the entry is not in use. */
  #check(message: InterruptMessage<AmdFault>, irte: Uint32Array, format: Remapped | Guest, reserved: Uint32Array) {
    if (format.SupIOPF.isSet(irte)) message.recorded = false;
    if (!format.RemapEn.isSet(irte)) return FAULTS.IRTE_NOT_PRESENT;
    return anySet(irte, reserved) ? FAULTS.IRTE_RESERVED : null;
  }

  #drop(select: (key: number) => boolean): void {
    this.#era++;
    this.cache?.removeWhere(select);
  }
}

function passes({ nmiPass, initPass, eintPass }: InterruptSettings, mode: number): boolean {
  if (mode === DeliveryMode.SMI) return true;
  if (mode === DeliveryMode.NMI) return nmiPass;
  if (mode === DeliveryMode.INIT) return initPass;
  return mode === DeliveryMode.EXT_INT && eintPass;
}

/** Makes `message` the one that is delivered: what the entry does not say stays as the device sent it. */
function deliver(message: InterruptMessage<AmdFault>, format: Remapped, irte: Uint32Array): void {
  const destination = destinationOf(format, irte);
  const [hi, lo, data] = [new Uint32Array(1), Uint32Array.of(message.lo), Uint32Array.of(message.data)];
  MSI_UPPER_ADDRESS.DestinationID_31_8.set(hi, destination >>> 8);
  MSI_ADDRESS.DestinationID.set(lo, destination & 0xff);
  MSI_ADDRESS.DM.set(lo, format.DM.get(irte));
  MESSAGE_DATA.Vector.set(data, format.Vector.get(irte));
  MESSAGE_DATA.DeliveryMode.set(data, format.IntType.get(irte));
  message.hi = hi[0]! | 0;
  message.lo = lo[0]! | 0;
  message.data = data[0]!;
}

function destinationOf(format: Remapped | Guest, irte: Uint32Array): number {
  if ('Destination' in format) return format.Destination.get(irte);
  return format.Destination_31_24.get(irte) * 2 ** 24 + format.Destination_23_0.get(irte);
}

function notCached(format: Guest): Uint32Array {
  return maskOf(format, ({ name }) => NOT_CACHED.includes(name));
}
