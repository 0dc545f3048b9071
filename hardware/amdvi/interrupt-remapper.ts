/**
 * Interrupt remapping: a message of a device names an entry of the interrupt remapping table that its device table entry
 * gives, and the entry says what is delivered to whom, or for which guest the interrupt is recorded.
 *
 * Needs: the registers, the device table, the size of the cache of entries; `guests` for entries in guest mode. Offers:
 * `walk` for one message; `invalidate` and `everything` for commands.
 *
 * Decisions where sources leave something open:
 * - IV alone decides whether a device table entry counts for interrupts, not V.
 * - What IntCtl or a pass bit aborts is not logged, as in VirtualBox; the list of events knows such a cause.
 * - An entry that cannot be read is a PAGE_TAB_HARDWARE_ERROR; `message.memory` still has its address.
 * - With NumIntRemapMode = 01b and DM = 1 in the request's address, all of bits 10:0 of the data are index, and no delivery
 *   mode is looked at: that is how Linux reaches indexes above 511.
 * - An entry that led to a fault is not kept in the cache.
 *
 * Not acted on: SMI filters, LINT0 and LINT1 messages, RqEoi, GAPPIDis.
 */
import { anySet, maskOf, type RegisterFile, undeclared } from '../bits/index.ts';
import {
  EntryCache,
  type EntryCacheSpec,
  type Era,
  type InterruptMessage,
  type IommuProbe,
  Status,
  type Walk,
} from '../iommu/index.ts';
import { COUNTED, type DeviceTable } from './device-table.ts';
import { type GuestInterrupts, post } from './guest-interrupts.ts';
import {
  type AmdFault,
  CONTROL,
  DeliveryMode,
  DTE,
  EventCode,
  FAULTS,
  GuestApicMode,
  INTERRUPT_ADDRESS,
  INTERRUPT_DATA,
  INTERRUPT_UPPER_ADDRESS,
  InterruptControl,
  IntType,
  IRTE_32,
  IRTE_128,
  IRTE_128_XT,
  IRTE_GUEST,
  IRTE_GUEST_XT,
  LARGEST_TABLE,
  NOT_CACHED,
  NumIntRemapMode,
  REMAPPED_INTERRUPT_DATA,
} from './spec/index.ts';

export interface InterruptSurroundings {
  readonly file: RegisterFile;
  readonly devices: Pick<DeviceTable, 'find'>;
  readonly era: Era;
  /** Size of the cache of interrupt table entries; `null` when there is none. Not architectural. */
  readonly cache: EntryCacheSpec | null;
}

/** Indexes of the largest table: the cache knows an entry by its device and its index. */
const INDEXES = LARGEST_TABLE[NumIntRemapMode.INTERRUPTS_2048]!;
/** Its entries of 32 bits, and those of 128 bits. */
const KEYS_OF_DEVICE = INDEXES * 2;

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
  readonly #file: RegisterFile;
  readonly #devices: Pick<DeviceTable, 'find'>;
  readonly #era: Era;

  constructor({ file, devices, era, cache }: InterruptSurroundings) {
    this.cache = cache === null ? null : new EntryCache(cache);
    this.#file = file;
    this.#devices = devices;
    this.#era = era;
  }

  /** INVALIDATE_INTERRUPT_TABLE: the entries that this device led to. */
  invalidate(deviceId: number): void {
    this.#era.end();
    this.cache?.removeWhere((key) => Math.floor(key / KEYS_OF_DEVICE) === deviceId);
    if (this.probe !== null) this.probe.invalidated('interrupt table cache', { deviceId });
  }

  /** INVALIDATE_IOMMU_ALL. */
  everything(): void {
    this.#era.end();
    this.cache?.clear();
    if (this.probe !== null) this.probe.invalidated('interrupt table cache', {});
  }

  /** What becomes of a message; an aborted one has `fault` set, and `recorded` when an event is to be logged. */
  *walk(message: InterruptMessage<AmdFault>): Walk {
    this.#era.begin(message);
    message.recorded = true;
    const fault = yield* this.#procedure(message);
    if (fault === null) return;
    message.fault = fault;
    message.status = Status.COMPLETER_ABORT;
    if (fault === FAULTS.INTERRUPT_ABORTED) message.recorded = false;
    // IG and SupIOPF keep this event from being logged, and no other.
    else if (fault.code !== EventCode.IO_PAGE_FAULT) message.recorded = true;
  }

  *#procedure(message: InterruptMessage<AmdFault>): Walk<AmdFault | null> {
    const control = this.#file.words;
    if (!CONTROL.IommuEn.isSet(control)) return null;
    // 1. The device table entry, as far as it is about interrupts.
    const device = yield* this.#devices.find(message, COUNTED.interrupt);
    if ('code' in device) return device;
    if (!device.interruptsValid) return null;
    if (device.interruptFault !== null) return device.interruptFault;
    const dte = device.words;
    // 2. What is no fixed or arbitrated interrupt passes, or does not.
    const address = Uint32Array.of(message.lo);
    const data = Uint32Array.of(message.data);
    const logical = INTERRUPT_ADDRESS.DM.isSet(address);
    const size = CONTROL.NumIntRemapMode.get(control);
    const isAllIndex = logical && size === NumIntRemapMode.INTERRUPTS_2048;
    const mode = INTERRUPT_DATA.DeliveryMode.get(data);
    if (mode > DeliveryMode.ARBITRATED && !isAllIndex) {
      return !logical && passes(dte, mode) ? null : FAULTS.INTERRUPT_ABORTED;
    }
    // 3. What IntCtl says.
    const treatment = DTE.IntCtl.get(dte);
    if (treatment === InterruptControl.FORWARD) return null;
    if (treatment !== InterruptControl.REMAP) return FAULTS.INTERRUPT_ABORTED;
    // 4. The index.
    message.recorded = !DTE.IG.isSet(dte);
    message.index = REMAPPED_INTERRUPT_DATA.Index.get(data);
    const length = Math.min(2 ** DTE.IntTabLen.get(dte), LARGEST_TABLE[size] ?? 0);
    if (message.index >= length) return FAULTS.INTERRUPT_INDEX;
    return yield* this.#remap(message, DTE.IntTabRoot.address(dte));
  }

  *#remap(message: InterruptMessage<AmdFault>, table: number): Walk<AmdFault | null> {
    const { index, requester } = message;
    const control = this.#file.words;
    const isLong = CONTROL.GAEn.isSet(control);
    const key = requester * KEYS_OF_DEVICE + index + (isLong ? INDEXES : 0);
    const cache = CONTROL.IRTCacheDis.isSet(control) ? null : this.cache;
    // 5. The entry, from the cache or from the table.
    const address = table + index * (isLong ? IRTE_128 : IRTE_32).$.words * 4;
    const cached = this.#find(cache, key, message);
    const irte = cached ?? (yield* this.#fetch(message, address, isLong));
    if (irte === null) return FAULTS.INTERRUPT_READ;
    // 6. What it says.
    const isGuest = isLong && IRTE_GUEST.GuestMode.isSet(irte);
    const fault = isGuest
      ? yield* this.#toGuest(message, irte, cached === null ? null : address)
      : this.#toHost(message, irte, isLong);
    if (cache !== null && cached === null && fault === null && this.#era.mayFill(message)) cache.insert(key, irte);
    return fault;
  }

  #find(cache: EntryCache<Uint32Array> | null, key: number, message: InterruptMessage<AmdFault>) {
    if (cache === null) return null;
    const { index, requester, effects } = message;
    const found = cache.find(key, !effects);
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

  #toHost(message: InterruptMessage<AmdFault>, irte: Uint32Array, isLong: boolean): AmdFault | null {
    const long = CONTROL.XTEn.isSet(this.#file.words) ? REMAPPED.xt : REMAPPED.long;
    const { format, reserved } = isLong ? long : REMAPPED.short;
    const fault = this.#check(message, irte, format, reserved);
    if (fault !== null) return fault;
    if (format.GuestMode.isSet(irte) || format.IntType.get(irte) > IntType.ARBITRATED) return FAULTS.INTERRUPT_RESERVED;
    deliver(message, format, irte);
    return null;
  }

  /** `from` is the address of an entry that came from the cache: what hardware does not cache is then read again. */
  *#toGuest(message: InterruptMessage<AmdFault>, irte: Uint32Array, from: number | null): Walk<AmdFault | null> {
    const control = this.#file.words;
    const { format, reserved, fresh } = CONTROL.XTEn.isSet(control) ? GUEST.xt : GUEST.long;
    const fault = this.#check(message, irte, format, reserved);
    if (fault !== null) return fault;
    if (CONTROL.GAMEn.get(control) !== GuestApicMode.VIRTUAL_APIC) return FAULTS.INTERRUPT_RESERVED;
    let entry = irte;
    if (from !== null) {
      const now = yield* this.#fetch(message, from, true);
      if (now === null) return FAULTS.INTERRUPT_READ;
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
    if (!format.RemapEn.isSet(irte)) return FAULTS.INTERRUPT_OFF;
    return anySet(irte, reserved) ? FAULTS.INTERRUPT_RESERVED : null;
  }
}

/** Whose entry a key of the cache is for, and which. */
export function ofCacheKey(key: number): { readonly requester: number; readonly index: number } {
  return { requester: Math.floor(key / KEYS_OF_DEVICE), index: key % INDEXES };
}

function passes(dte: Uint32Array, mode: number): boolean {
  if (mode === DeliveryMode.SMI) return true;
  if (mode === DeliveryMode.NMI) return DTE.NMIPass.isSet(dte);
  if (mode === DeliveryMode.INIT) return DTE.InitPass.isSet(dte);
  return mode === DeliveryMode.EXT_INT && DTE.EIntPass.isSet(dte);
}

/** Makes `message` the one that is delivered: what the entry does not say stays as the device sent it. */
function deliver(message: InterruptMessage<AmdFault>, format: Remapped, irte: Uint32Array): void {
  const destination = destinationOf(format, irte);
  const [hi, lo, data] = [new Uint32Array(1), Uint32Array.of(message.lo), Uint32Array.of(message.data)];
  INTERRUPT_UPPER_ADDRESS.DestinationID_31_8.set(hi, destination >>> 8);
  INTERRUPT_ADDRESS.DestinationID.set(lo, destination & 0xff);
  INTERRUPT_ADDRESS.DM.set(lo, format.DM.get(irte));
  INTERRUPT_DATA.Vector.set(data, format.Vector.get(irte));
  INTERRUPT_DATA.DeliveryMode.set(data, format.IntType.get(irte));
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
