/**
 * What the data sheet in spec.ts describes, apart from how requests get to memory: registers, a data buffer, one transfer at
 * a time between the buffer and wherever a command says. Devices that have these registers, whatever stands between them and
 * their link, are built around it.
 *
 * Surface: `memoryRead` and `memoryWrite` for what reaches the base address, `count` for what was moved; `state`, `reset`.
 */
import type { AtsTarget } from '../../ats/index.ts';
import { RegisterFile } from '../../bits/index.ts';
import { type Dma, DmaStatus, type PcieFunction } from '../../pcie/index.ts';
import type { Engine, Script } from '../../sim/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_REGISTERS,
  ErrorCode,
  FAULT_ADDRESS,
  ID,
  LENGTH,
  MAGIC,
  PASID,
  REGISTER_BYTES,
  REVISION,
  STATUS,
  TRANSFERRED,
} from './spec.ts';

const ERROR_OF: Readonly<Record<number, number>> = {
  [DmaStatus.SUCCESS]: ErrorCode.NONE,
  [DmaStatus.UNSUPPORTED_REQUEST]: ErrorCode.UNSUPPORTED_REQUEST,
  [DmaStatus.COMPLETER_ABORT]: ErrorCode.COMPLETER_ABORT,
  [DmaStatus.NOT_MASTER]: ErrorCode.NOT_MASTER,
  [DmaStatus.TIMED_OUT]: ErrorCode.TIMED_OUT,
  [DmaStatus.NO_TRANSLATION]: ErrorCode.NO_TRANSLATION,
};

export interface TransfersState {
  readonly transfers: number;
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
}

/** What moves the bytes of a transfer to this target. */
export type Mover = (target: AtsTarget) => Pick<Dma, 'read' | 'write'>;

export class Transfers {
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #moverOf: Mover;
  readonly #registers = new RegisterFile(REGISTER_BYTES, DMA_ENGINE_REGISTERS);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #transfers = 0;
  /** Changes with each reset: a transfer of an earlier life must not go on. */
  #life = 0;

  constructor(engine: Engine, fn: PcieFunction, moverOf: Mover) {
    this.#engine = engine;
    this.#function = fn;
    this.#moverOf = moverOf;
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(COMMAND.$.offset!, (written) => this.#command(written));
  }

  get state(): TransfersState {
    return { transfers: this.#transfers, registers: this.#registers.wordValues(DMA_ENGINE_REGISTERS) };
  }

  memoryRead(offset: number, into: Uint8Array, length: number): void {
    if (offset < BUFFER_OFFSET) {
      this.#registers.readAligned(offset, into, length);
      return;
    }
    const from = offset - BUFFER_OFFSET;
    for (let i = 0; i < length; i++) into[i] = this.#buffer[from + i] ?? 0;
  }

  memoryWrite(offset: number, from: Uint8Array, length: number): void {
    if (offset < BUFFER_OFFSET) {
      this.#registers.writeAligned(offset, from, length);
      return;
    }
    // A typed array ignores what lies behind its end.
    for (let i = 0; i < length; i++) this.#buffer[offset - BUFFER_OFFSET + i] = from[i]!;
  }

  /** So many bytes more were moved. */
  count(bytes: number): void {
    const { words } = this.#registers;
    TRANSFERRED.BYTES.set(words, TRANSFERRED.BYTES.get(words) + bytes);
  }

  reset(): void {
    this.#life++;
    this.#transfers = 0;
    this.#registers.reset();
    this.#buffer.fill(0);
  }

  #command(written: number): void {
    const { words } = this.#registers;
    const start = written & COMMAND.START.mask;
    if (start === 0 || STATUS.BUSY.isSet(words)) return;
    words[STATUS.$.offset! / 4] = STATUS.BUSY.mask;
    TRANSFERRED.BYTES.set(words, 0);
    this.#transfers++;
    this.#engine.spawn(this.#transfer(this.#life), `${this.#function.name} transfer ${this.#transfers}`);
  }

  *#transfer(life: number): Script {
    if (life !== this.#life) return;
    const { words } = this.#registers;
    const length = LENGTH.LENGTH.get(words);
    const interrupt = COMMAND.INTERRUPT_ENABLE.isSet(words);
    const error = length > BUFFER_BYTES ? ErrorCode.BAD_LENGTH : ERROR_OF[yield* this.#move(length)]!;
    if (life !== this.#life) return;
    STATUS.BUSY.set(words, 0);
    STATUS.DONE.set(words, 1);
    STATUS.ERROR.set(words, error === ErrorCode.NONE ? 0 : 1);
    STATUS.ERROR_CODE.set(words, error);
    if (error === ErrorCode.NO_TRANSLATION) this.#noteFault();
    if (interrupt) yield* this.#function.interrupt(0);
  }

  *#move(length: number): Script<number> {
    const buffer = this.#buffer.subarray(0, length);
    const target = this.#target();
    const dma = this.#moverOf(target);
    if (COMMAND.WRITE.isSet(this.#registers.words)) return yield* dma.write(target, buffer);
    return (yield* dma.read(target, length, buffer)).status;
  }

  /** What was moved says where it stopped. */
  #noteFault(): void {
    const { words } = this.#registers;
    FAULT_ADDRESS.ADDRESS.setBig(words, ADDRESS.ADDRESS.big(words) + BigInt(TRANSFERRED.BYTES.get(words)));
  }

  /** Where the registers send a transfer, and as whom. */
  #target(): AtsTarget {
    const { words } = this.#registers;
    const at = ADDRESS.$.offset! / 4;
    return {
      hi: words[at + 1]! | 0,
      lo: words[at]! | 0,
      pasid: PASID.VALID.isSet(words) ? PASID.PASID.get(words) : undefined,
      privileged: PASID.PRIVILEGED.isSet(words),
      execute: PASID.EXECUTE.isSet(words),
      addressType: COMMAND.ADDRESS_TYPE.get(words),
      onFault: COMMAND.REQUEST_PAGES.isSet(words) ? 'request page' : 'fail',
    };
  }
}
