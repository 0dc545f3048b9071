/**
 * The rig: an IOMMU with memory and DMA initiators but no kernel, driven from outside and fully synchronous. An
 * emulator that runs a stock kernel, a recorded case or a fuzzer uses exactly this.
 *
 * Addresses and 64-bit values are bigints: this is an edge. What a guest does never throws; what the host asks for and
 * cannot have does: a wrong option is an error that names it, a mode that does not exist is `NotSupported`.
 */
import { highOf, joinHalves, lowOf } from './bits/index.ts';
import {
  Access,
  AddressType,
  finish,
  InterruptMessage,
  type IommuInspector,
  inInterruptRange,
  NO_PASID,
  Status,
  Translation,
} from './iommu/index.ts';
import { PhysicalMemory, type Range } from './memory/index.ts';
import { type HostMemory, hostWindow } from './rig-memory.ts';
import { checkDma, checkOptions, NotSupported } from './rig-options.ts';
import { VtdInspector, VtdUnit } from './vtd/index.ts';
import type { Fault } from './vtd/spec/index.ts';

export { type HostMemory, NotSupported };

export interface IntelCapabilities {
  readonly ver: bigint;
  readonly cap: bigint;
  readonly ecap: bigint;
}

export interface AmdCapabilities {
  readonly efr: bigint;
  readonly efr2?: bigint;
  readonly capHeader?: bigint;
  readonly miscInfo0?: bigint;
  readonly miscInfo1?: bigint;
}

interface CommonOptions {
  /** Bits of a host physical address: 32 to 52, by default 52. */
  readonly hostAddressWidth?: number;
  /** The physical ranges that exist, as [start, length]; by default all. */
  readonly ram?: readonly (readonly [start: bigint, length: bigint])[];
  /** Memory that the host brings. */
  readonly memory?: HostMemory;
  /** Receives every interrupt message. */
  readonly onMsi?: (address: bigint, data: number) => void;
  /** The platform promises that walks are coherent whatever the entries say. */
  readonly assumeCoherentWalks?: boolean;
}

export type RigOptions = CommonOptions &
  (
    | { readonly vendor: 'intel'; readonly capabilities: IntelCapabilities }
    | { readonly vendor: 'amd'; readonly capabilities: AmdCapabilities }
  );

export interface TranslateRequest {
  /** Requester id: bus, device and function. */
  readonly requester: number;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  readonly addressType?: 'untranslated' | 'translated';
  readonly address: bigint;
  readonly write: boolean;
  /** Bytes; 0 is a zero-length read. */
  readonly length?: number;
  /** With true the answer is the same and nothing changes: no cache, table, record or counter. */
  readonly probe?: boolean;
}

export interface DmaRequest extends Omit<TranslateRequest, 'probe'> {
  /** What a write carries. A read gives `length` instead. */
  readonly data?: Uint8Array;
}

/** A fault as the unit reports it. */
export interface RigFault {
  /** The specification's fault reason. */
  readonly code: number;
  readonly name: string;
  /** False when the specification lets it go unrecorded. */
  readonly recorded: boolean;
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  /** Page of the blocked access. */
  readonly address: bigint;
  readonly write: boolean;
}

export interface Segment {
  readonly address: bigint;
  readonly length: number;
}

export type DmaResult =
  | { readonly ok: true; readonly data?: Uint8Array; readonly segments: readonly Segment[] }
  | { readonly ok: false; readonly status: 'UR' | 'CA' | 'dropped'; readonly fault?: RigFault };

export interface Rig {
  readonly vendor: 'intel' | 'amd';
  /** Reads 4 or 8 bytes of the unit's register page. */
  readRegister(offset: number, size: number): bigint;
  /** Writes 4 or 8 bytes; what the write starts is done when it returns. */
  writeRegister(offset: number, size: number, value: bigint): void;
  /** The bytes at a physical address; bytes that do not exist read 0. */
  readMemory(address: bigint, length: number): Uint8Array;
  /** Writes bytes; those that do not exist are dropped. */
  writeMemory(address: bigint, bytes: Uint8Array): void;
  dma(request: DmaRequest): DmaResult;
  translate(request: TranslateRequest): DmaResult;
  /** Explanations, registers, tables and caches as plain data; asking changes nothing. */
  inspect(): IommuInspector;
}

const PAGE = 4096;

/** Sizes of the caches in a rig. Not architectural. */
const CACHES = {
  iotlb: { sets: 32, ways: 8 },
  contextCache: { sets: 16, ways: 4 },
  pasidCache: { sets: 16, ways: 4 },
  interruptEntryCache: { sets: 16, ways: 4 },
} as const;

/** Makes a rig. Throws a sentence that names a wrong or unknown option, and `NotSupported` for what does not exist. */
export function createRig(options: RigOptions): Rig {
  checkOptions(options);
  if (options.vendor === 'amd') throw new NotSupported('vendor "amd" does not exist yet; "intel" does');
  return new IntelRig(options, options.capabilities);
}

class IntelRig implements Rig {
  readonly vendor = 'intel';
  readonly #memory: PhysicalMemory;
  readonly #unit: VtdUnit;
  readonly #onMsi: (address: bigint, data: number) => void;
  readonly #translation = new Translation<Fault>();
  readonly #message = new InterruptMessage<Fault>();

  constructor(options: CommonOptions, capabilities: IntelCapabilities) {
    const ram = options.ram?.map(([start, length]): Range => [Number(start), Number(length)]);
    this.#onMsi = options.onMsi ?? (() => {});
    this.#memory = new PhysicalMemory(ram);
    if (options.memory !== undefined) {
      const ranges = ram ?? [[0, 2 ** 52] as const];
      for (const [start, length] of ranges) this.#memory.map(start, length, hostWindow(options.memory, start));
    }
    this.#unit = new VtdUnit(
      {
        capabilities,
        hostAddressWidth: options.hostAddressWidth ?? 52,
        assumeCoherentWalks: options.assumeCoherentWalks ?? false,
        faultCompression: true,
        ...CACHES,
      },
      { memory: this.#memory, raiseMsi: (hi, lo, data) => this.#onMsi(joinHalves(hi, lo), data) },
    );
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
      const blocked = this.#translate(request, piece, request.probe !== true);
      if (blocked !== null) return blocked;
      segments.push(this.#segment(piece.length));
    }
    return { ok: true, segments };
  }

  inspect(): IommuInspector {
    return new VtdInspector(this.#unit, this.#memory);
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

interface Piece {
  readonly address: bigint;
  /** Where the piece begins within the access. */
  readonly from: number;
  readonly length: number;
}

/** Splits an access at 4 KiB: each piece is a request of its own. Addresses wrap at 64 bits. */
function piecesOf(address: bigint, length: number): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  do {
    const at = BigInt.asUintN(64, address + BigInt(from));
    const room = PAGE - Number(at & BigInt(PAGE - 1));
    const part = Math.min(room, length - from);
    pieces.push({ address: at, from, length: part });
    from += part;
  } while (from < length);
  return pieces;
}

function accessOf(request: TranslateRequest | DmaRequest, piece: Piece): number {
  return (
    (request.write ? Access.WRITE : Access.READ) |
    (request.execute === true ? Access.EXECUTE : 0) |
    (request.privileged === true ? Access.PRIVILEGED : 0) |
    (!request.write && piece.length === 0 ? Access.ZERO_LENGTH : 0)
  );
}

/** A DWORD write without PASID to 0xFEEx_xxxx. */
function isInterrupt(request: DmaRequest, piece: Piece): boolean {
  const { address, length } = piece;
  if (!request.write || request.pasid !== undefined || request.addressType === 'translated') return false;
  return length === 4 && (address & 3n) === 0n && inInterruptRange(highOf(address), lowOf(address));
}
