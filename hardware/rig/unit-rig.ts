/** The rig around a unit of either vendor: its memory, its registers, and the requests of devices. */
import type { TranslationEntry } from '../ats/index.ts';
import { highOf, joinHalves, lowOf } from '../bits/index.ts';
import {
  AddressType,
  accessBits,
  askForTranslation,
  type FaultReason,
  finish,
  InterruptMessage,
  type InvalidationCompletion,
  type IommuInspector,
  type IommuUnit,
  NO_PASID,
  Status,
  Translation,
} from '../iommu/index.ts';
import { PhysicalMemory, type Range } from '../memory/index.ts';
import { hostWindow } from './memory.ts';
import { checkCompletion, checkConfig, checkDma, checkPageRequest, checkTranslation } from './options.ts';
import { accessOf, isInterrupt, PAGE, type Piece, piecesOf } from './pieces.ts';
import type {
  DmaRequest,
  DmaResult,
  PageRequestMessage,
  Rig,
  RigOptions,
  Segment,
  TranslateRequest,
  TranslationCompletion,
  TranslationRequest,
  TranslationResult,
} from './types.ts';

/** What a vendor's unit adds to what all have in common. */
export interface Rigged<Fault extends FaultReason> {
  readonly unit: IommuUnit<Fault>;
  readonly inspector: () => IommuInspector;
  /** The configuration space of the unit's function; `null` when it is none. */
  readonly config: ConfigSpace | null;
}

export interface ConfigSpace {
  readConfig(offset: number, size: number): number;
  writeConfig(offset: number, size: number, value: number): void;
}

/** Makes the vendor's part around memory and the way out for interrupts. */
export type MakeUnit<Fault extends FaultReason> = (memory: PhysicalMemory, raiseMsi: RaiseMsi) => Rigged<Fault>;

type RaiseMsi = (hi: number, lo: number, data: number) => void;

export class UnitRig<Fault extends FaultReason = FaultReason> implements Rig {
  readonly vendor: 'intel' | 'amd';
  readonly #memory: PhysicalMemory;
  readonly #rigged: Rigged<Fault>;
  readonly #unit: IommuUnit<Fault>;
  readonly #onMsi: (address: bigint, data: number) => void;
  readonly #translation = new Translation<Fault>();
  readonly #message = new InterruptMessage<Fault>();

  constructor(options: RigOptions, make: MakeUnit<Fault>) {
    const ram = options.ram?.map(([start, length]): Range => [Number(start), Number(length)]);
    this.vendor = options.vendor;
    this.#onMsi = options.onMsi ?? (() => {});
    this.#memory = new PhysicalMemory(ram);
    if (options.memory !== undefined) {
      const ranges = ram ?? [[0, 2 ** 52] as const];
      for (const [start, length] of ranges) this.#memory.map(start, length, hostWindow(options.memory, start));
    }
    this.#rigged = make(this.#memory, (hi, lo, data) => this.#onMsi(joinHalves(hi, lo), data));
    this.#unit = this.#rigged.unit;
    this.#unit.devices.taker = options.onDeviceMessage ?? null;
    this.#unit.devices.awaitsCompletions = options.awaitInvalidations ?? false;
  }

  readConfig(offset: number, size: number): number {
    checkConfig('readConfig', offset, size);
    // Nobody answers where no function is: all bits are 1.
    return this.#rigged.config?.readConfig(offset, size) ?? 2 ** (size * 8) - 1;
  }

  writeConfig(offset: number, size: number, value: number): void {
    checkConfig('writeConfig', offset, size);
    this.#rigged.config?.writeConfig(offset, size, value >>> 0);
  }

  readRegister(offset: number, size: number): bigint {
    return this.#unit.read(offset, size);
  }

  writeRegister(offset: number, size: number, value: bigint): void {
    this.#unit.write(offset, size, value);
  }

  readMemory(address: bigint, length: number): Uint8Array {
    const whole = this.#memory.read(Number(address), length);
    if (whole !== undefined) return whole;
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#memory.read(Number(address) + i, 1)?.[0] ?? 0;
    return bytes;
  }

  writeMemory(address: bigint, bytes: Uint8Array): void {
    if (this.#memory.write(Number(address), bytes)) return;
    for (let i = 0; i < bytes.length; i++) this.#memory.write(Number(address) + i, bytes.subarray(i, i + 1));
  }

  translate(request: TranslateRequest): DmaResult {
    checkDma(request, 'translate');
    const segments: Segment[] = [];
    for (const piece of piecesOf(request.address, request.length ?? 1)) {
      // An interrupt message is not translated: only its delivery, which `dma` does, shows what becomes of it.
      if (isInterrupt(request, piece)) {
        segments.push({ address: piece.address, length: piece.length });
        continue;
      }
      const blocked = this.#translate(request, piece, request.probe !== true);
      if (blocked !== null) return blocked;
      segments.push(this.#segment(piece.length));
    }
    return { ok: true, segments };
  }

  translationRequest(request: TranslationRequest): TranslationResult {
    checkTranslation(request);
    const t = this.#translation;
    const { requester, pasid = NO_PASID, address, noWrite = false } = request;
    const question = { requester, pasid, access: accessBits(request), noWrite };
    askForTranslation(t, question, { hi: highOf(address), lo: lowOf(address) }, this.#unit);
    this.#unit.translate(t);
    if (t.status !== Status.SUCCESS) return this.#refused(false) as TranslationResult;
    return { ok: true, completion: completionOf(address, this.#unit.completion(t)) };
  }

  pageRequest(request: PageRequestMessage): void {
    checkPageRequest(request);
    const { address } = request;
    this.#unit.requestPage({
      requester: request.requester,
      pasid: request.pasid ?? NO_PASID,
      hi: highOf(address),
      lo: lowOf(address),
      read: request.read === true,
      write: request.write === true,
      execute: request.execute === true,
      privileged: request.privileged === true,
      last: request.last === true,
      group: request.group,
    });
  }

  completeInvalidation(completion: InvalidationCompletion): void {
    checkCompletion(completion);
    this.#unit.completeInvalidation(completion);
  }

  expireInvalidations(): void {
    this.#unit.expireInvalidations();
  }

  inspect(): IommuInspector {
    return this.#rigged.inspector();
  }

  dma(request: DmaRequest): DmaResult {
    checkDma(request, 'dma');
    const length = request.write ? request.data!.length : request.length!;
    const data = new Uint8Array(request.write ? 0 : length);
    const segments: Segment[] = [];
    for (const piece of piecesOf(request.address, length)) {
      if (isInterrupt(request, piece)) {
        const blocked = this.#interrupt(request, piece);
        if (blocked !== null) return blocked;
        continue;
      }
      const blocked = this.#translate(request, piece, true);
      if (blocked !== null) return blocked;
      const segment = this.#segment(piece.length);
      const done = request.write
        ? this.#memory.write(Number(segment.address), request.data!.subarray(piece.from, piece.from + piece.length))
        : this.#readInto(data, piece.from, segment);
      // Nothing answers at the translated address: a read ends in an unsupported request, a write is lost.
      if (!done) return { ok: false, status: request.write ? 'dropped' : 'UR' };
      segments.push(segment);
    }
    return request.write ? { ok: true, segments } : { ok: true, data, segments };
  }

  /** Puts one piece through the unit; `null` when it may go on. */
  #translate(request: TranslateRequest | DmaRequest, piece: Piece, effects: boolean): DmaResult | null {
    const t = this.#translation;
    t.ask(
      request.requester,
      request.pasid ?? NO_PASID,
      accessOf(request, piece),
      highOf(piece.address),
      lowOf(piece.address),
    );
    t.addressType = request.addressType === 'translated' ? AddressType.TRANSLATED : AddressType.UNTRANSLATED;
    t.effects = effects;
    this.#unit.translate(t);
    if (t.fault === null && t.status === Status.SUCCESS) return null;
    return this.#refused(request.write);
  }

  #refused(write: boolean): DmaResult {
    const t = this.#translation;
    const status = t.status === Status.COMPLETER_ABORT ? 'CA' : write ? 'dropped' : 'UR';
    if (t.fault === null) return { ok: false, status };
    return {
      ok: false,
      status,
      fault: {
        code: t.fault.code,
        name: t.fault.name,
        recorded: t.recorded,
        requester: t.requester,
        pasid: t.pasid,
        address: joinHalves(t.hi, t.lo & ~(PAGE - 1)),
        write,
      },
    };
  }

  /** A write into the interrupt range is a message, not a memory access. */
  #interrupt(request: DmaRequest, piece: Piece): DmaResult | null {
    const data = new DataView(request.data!.buffer, request.data!.byteOffset + piece.from, 4).getUint32(0, true);
    const message = this.#message.ask(request.requester, highOf(piece.address), lowOf(piece.address), data);
    finish(this.#unit.walkInterrupt(message), this.#memory);
    this.#unit.reportInterrupt(message);
    if (message.fault === null) {
      if (message.delivered) this.#onMsi(joinHalves(message.hi, message.lo), message.data);
      return null;
    }
    const { fault, recorded, requester } = message;
    const { code, name } = fault;
    const { address } = piece;
    return {
      ok: false,
      status: 'dropped',
      fault: { code, name, recorded, requester, pasid: NO_PASID, address, write: true },
    };
  }

  #segment(length: number): Segment {
    return { address: joinHalves(this.#translation.hpaHi, this.#translation.hpaLo), length };
  }

  #readInto(data: Uint8Array, from: number, { address, length }: Segment): boolean {
    const bytes = this.#memory.read(Number(address), length);
    if (bytes === undefined) return false;
    data.set(bytes, from);
    return true;
  }
}

/** An entry as a host reads it. */
function completionOf(address: bigint, { hi, lo, shift, snooped, ...entry }: TranslationEntry): TranslationCompletion {
  const size = 1n << BigInt(shift);
  return {
    ...entry,
    address: address & ~(size - 1n),
    translated: joinHalves(hi, lo),
    size,
    nonSnoopedIgnored: snooped,
  };
}
