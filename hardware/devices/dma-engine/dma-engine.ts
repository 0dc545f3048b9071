/**
 * The DMA engine of spec.ts, and the device to copy when a new one is written: a function, a register file, a behaviour.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: registers and buffer answer at once; a transfer starts in the instant of the command.
 */
import { RegisterFile } from '../../bits/index.ts';
import {
  CompletionStatus,
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  pieceLength,
  type Tlp,
} from '../../pcie/index.ts';
import { type Component, type Engine, Gate, type Script } from '../../sim/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_CLASS,
  DMA_ENGINE_DEVICE,
  DMA_ENGINE_REGISTERS,
  DMA_ENGINE_VENDOR,
  ErrorCode,
  ID,
  LENGTH,
  MAGIC,
  PASID,
  REGISTER_BYTES,
  REVISION,
  STATUS,
  TRANSFERRED,
} from './spec.ts';

export interface DmaEngineSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding, up to 256. */
  readonly tags: number;
}

/** Not architectural. */
export const DMA_ENGINE = { payloadSupported: 512, tags: 32 } as const;

export interface DmaEngineState {
  transfers: number;
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
}

const CONFIG = {
  vendor: DMA_ENGINE_VENDOR,
  device: DMA_ENGINE_DEVICE,
  revision: REVISION,
  classCode: DMA_ENGINE_CLASS,
  bars: [{ index: DMA_ENGINE_BAR, size: DMA_ENGINE_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 1,
} as const satisfies Partial<ConfigSpec>;

export class DmaEngine implements Component<DmaEngineSpec, DmaEngineState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: DmaEngineSpec;
  readonly function: PcieFunction;
  readonly #engine: Engine;
  readonly #registers = new RegisterFile(REGISTER_BYTES, DMA_ENGINE_REGISTERS);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #transfers = 0;
  /** Changes with each reset: a transfer of an earlier life must not go on. */
  #life = 0;
  /** Reads that have not completed, and the gate that one of them has. */
  #outstanding = 0;
  #retired!: Gate;
  // By tag: where in the buffer the answer goes, and how many bytes were asked for; -1 while the tag is idle.
  readonly #place: Int32Array;
  readonly #asked: Int32Array;

  constructor(engine: Engine, spec: DmaEngineSpec) {
    const { name, requester, payloadSupported } = spec;
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester, payloadSupported }, this);
    this.#engine = engine;
    this.#place = new Int32Array(spec.tags);
    this.#asked = new Int32Array(spec.tags);
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(COMMAND.$.offset!, (written) => this.#command(written));
    this.#retireAll();
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): DmaEngineState {
    const words = DMA_ENGINE_REGISTERS.flatMap(({ $ }) => {
      const names = $.words === 1 ? [$.name] : [`${$.name} low`, `${$.name} high`];
      return names.map((name, i) => [name, this.#registers.read32($.offset! + i * 4)] as const);
    });
    return { transfers: this.#transfers, registers: Object.fromEntries(words) };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    if (offset >= BUFFER_OFFSET) {
      const from = offset - BUFFER_OFFSET;
      for (let i = 0; i < length; i++) into[i] = this.#buffer[from + i] ?? 0;
      return;
    }
    const aligned = (length === 4 || length === 8) && offset % length === 0;
    for (let i = 0; i < length; i++) {
      into[i] = aligned ? this.#registers.read32(offset + (i & ~3)) >>> ((i & 3) * 8) : 0;
    }
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    if (offset >= BUFFER_OFFSET) {
      // A typed array ignores what lies behind its end.
      for (let i = 0; i < length; i++) this.#buffer[offset - BUFFER_OFFSET + i] = from[i]!;
    } else if (length === 4 && offset % 4 === 0) {
      this.#registers.write32(offset, wordAt(from, 0));
    } else if (length === 8 && offset % 8 === 0) {
      this.#registers.write64(offset, wordAt(from, 0), wordAt(from, 4));
    }
  }

  completion(tlp: Tlp): void {
    const asked = this.#asked[tlp.tag] ?? -1;
    if (asked < 0) return;
    if (tlp.status !== CompletionStatus.SUCCESSFUL) {
      const aborted = tlp.status === CompletionStatus.COMPLETER_ABORT;
      this.#fail(aborted ? ErrorCode.COMPLETER_ABORT : ErrorCode.UNSUPPORTED_REQUEST);
    } else if (asked > 0) {
      const at = this.#place[tlp.tag]! + asked - tlp.byteCount;
      this.#buffer.set(tlp.data!.subarray(0, tlp.length), at);
      this.#count(tlp.length);
      if (tlp.byteCount > tlp.length) return;
    }
    this.#retire(tlp.tag);
  }

  reset(): void {
    this.#life++;
    this.#transfers = 0;
    this.#registers.reset();
    this.#buffer.fill(0);
    this.#retireAll();
    this.function.reset();
  }

  #retire(tag: number): void {
    this.#asked[tag] = -1;
    this.#outstanding--;
    this.#retired.notify();
  }

  #retireAll(): void {
    this.#asked.fill(-1);
    this.#outstanding = 0;
    this.#retired = new Gate(this.#engine, `a completion for ${this.name}`);
  }

  #command(written: number): void {
    const { words } = this.#registers;
    const start = written & COMMAND.START.mask;
    if (start === 0 || STATUS.BUSY.isSet(words)) return;
    words[STATUS.$.offset! / 4] = STATUS.BUSY.mask;
    TRANSFERRED.BYTES.set(words, 0);
    this.#transfers++;
    this.#engine.spawn(this.#transfer(this.#life), `${this.name} transfer ${this.#transfers}`);
  }

  *#transfer(life: number): Script {
    if (life !== this.#life) return;
    const { words } = this.#registers;
    const length = LENGTH.LENGTH.get(words);
    const interrupt = COMMAND.INTERRUPT_ENABLE.isSet(words);
    if (length > BUFFER_BYTES) this.#fail(ErrorCode.BAD_LENGTH);
    else if (COMMAND.WRITE.isSet(words)) yield* this.#write(length, life);
    else yield* this.#read(length, life);
    if (life !== this.#life) return;
    STATUS.BUSY.set(words, 0);
    STATUS.DONE.set(words, 1);
    if (interrupt) yield* this.function.interrupt(0);
  }

  *#write(length: number, life: number): Script {
    const address = this.#addressOfTransfer();
    let from = 0;
    do {
      const piece = pieceLength(address.lo + from, length - from, this.function.config.maxPayload);
      const [hi, lo] = advance(address, from);
      const tlp = this.#dress(this.function.take().memoryWrite(this.spec.requester, hi, lo, piece));
      tlp.data!.set(this.#buffer.subarray(from, from + piece));
      const sent = yield* this.function.transmit(tlp);
      if (life !== this.#life) return;
      if (!sent) {
        this.#fail(ErrorCode.NOT_MASTER);
        return;
      }
      this.#count(piece);
      from += piece;
    } while (from < length);
  }

  *#read(length: number, life: number): Script {
    const address = this.#addressOfTransfer();
    let from = 0;
    do {
      const piece = pieceLength(address.lo + from, length - from, this.function.config.maxReadRequest);
      const [hi, lo] = advance(address, from);
      while (this.#outstanding === this.spec.tags) yield this.#retired.wait();
      if (life !== this.#life) return;
      const tag = this.#asked.indexOf(-1);
      this.#asked[tag] = piece;
      this.#place[tag] = from;
      this.#outstanding++;
      const tlp = this.#dress(this.function.take().memoryRead(this.spec.requester, tag, hi, lo, piece));
      const sent = yield* this.function.transmit(tlp);
      if (life !== this.#life) return;
      if (!sent) {
        this.#retire(tag);
        this.#fail(ErrorCode.NOT_MASTER);
        break;
      }
      from += piece;
    } while (from < length);
    while (this.#outstanding > 0 && life === this.#life) yield this.#retired.wait();
  }

  #addressOfTransfer(): { hi: number; lo: number } {
    const at = ADDRESS.$.offset!;
    return { hi: this.#registers.read32(at + 4), lo: this.#registers.read32(at) };
  }

  /** Puts on a request what the registers say about requests. */
  #dress(tlp: Tlp): Tlp {
    const { words } = this.#registers;
    tlp.addressType = COMMAND.ADDRESS_TYPE.get(words);
    if (!PASID.VALID.isSet(words)) return tlp;
    // Only reads may ask to execute.
    const execute = tlp.data === null && PASID.EXECUTE.isSet(words);
    return tlp.withPasid(PASID.PASID.get(words), PASID.PRIVILEGED.isSet(words), execute);
  }

  #fail(code: number): void {
    const { words } = this.#registers;
    if (STATUS.ERROR.isSet(words)) return;
    STATUS.ERROR.set(words, 1);
    STATUS.ERROR_CODE.set(words, code);
  }

  #count(bytes: number): void {
    const { words } = this.#registers;
    TRANSFERRED.BYTES.set(words, TRANSFERRED.BYTES.get(words) + bytes);
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** The halves of an address `offset` bytes further on. */
function advance(address: { hi: number; lo: number }, offset: number): [hi: number, lo: number] {
  const lo = address.lo + offset;
  return [lo >= 2 ** 32 ? address.hi + 1 : address.hi, lo];
}
