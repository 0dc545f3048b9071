/**
 * What stops the transfers of spec.ts: DMA that goes page by page, and waits where a page has no translation until somebody has
 * seen to it.
 *
 * Surface: `read` and `write` as of every `Dma`; `registerRead` and `registerWrite` for what reaches the base address; `counts`,
 * `registers`, `forget` for a function-level reset, `reset`.
 */
import { type AtsTarget, nextPage } from '../../ats/index.ts';
import { RegisterFile } from '../../bits/index.ts';
import { beyond, type Dma, type DmaRead, DmaStatus, type PcieFunction } from '../../pcie/index.ts';
import { type Engine, type Script, Signal, waitFor } from '../../sim/index.ts';
import {
  STALL_ADDRESS,
  STALL_ANSWER,
  STALL_CONTROL,
  STALL_ID,
  STALL_MAGIC,
  STALL_PASID,
  STALL_REGISTER_BYTES,
  STALL_REGISTERS,
  STALL_REVISION,
  STALL_STATUS,
  StallEngineVector,
} from './spec.ts';

export interface StallCounts {
  /** Times that a transfer has stopped, and that it was not to look again. */
  stops: number;
  aborts: number;
}

const NONE: StallCounts = { stops: 0, aborts: 0 };
const NUMBERS = 2 ** STALL_STATUS.NUMBER.width;

export class Stalls implements Pick<Dma, 'read' | 'write'> {
  readonly counts: StallCounts = { ...NONE };
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #translated: Pick<Dma, 'read' | 'write'>;
  readonly #registers = new RegisterFile(STALL_REGISTER_BYTES, STALL_REGISTERS);
  /** Of the transfer that is stopped: true is RETRY. */
  #answer: Signal<boolean> | null = null;
  /** Of the last stop. Also after a reset a late answer must not meet another stop. */
  #number = 0;

  /** `translated` fails with NO_TRANSLATION where it has none. */
  constructor(engine: Engine, fn: PcieFunction, translated: Pick<Dma, 'read' | 'write'>) {
    this.#engine = engine;
    this.#function = fn;
    this.#translated = translated;
    const registers = this.#registers;
    registers.initial(STALL_ID, { MAGIC: STALL_MAGIC, REVISION: STALL_REVISION });
    registers.onWrite(STALL_CONTROL.$.offset!, () => {
      if (!STALL_CONTROL.ENABLE.isSet(registers.words)) this.#resume(false);
    });
    registers.onWrite(STALL_ANSWER.$.offset!, (written) => this.#answered(written));
  }

  /** The registers' words that are declared, by name. */
  get registers(): Readonly<Record<string, number>> {
    return this.#registers.wordValues(STALL_REGISTERS);
  }

  registerRead(offset: number, into: Uint8Array, length: number): void {
    this.#registers.readAligned(offset, into, length);
  }

  registerWrite(offset: number, from: Uint8Array, length: number): void {
    this.#registers.writeAligned(offset, from, length);
  }

  *read(at: AtsTarget, length: number, into: Uint8Array = new Uint8Array(length)): Script<DmaRead> {
    let came = 0;
    const translated = this.#translated;
    const status = yield* this.#eachPage(at, length, false, function* (to, start, end) {
      const { status, data } = yield* translated.read(to, end - start, into.subarray(start, end));
      came = start + data.length;
      return status;
    });
    return { status, data: into.subarray(0, came) };
  }

  write(at: AtsTarget, bytes: Uint8Array): Script<number> {
    return this.#eachPage(at, bytes.length, true, (to, start, end) =>
      this.#translated.write(to, bytes.subarray(start, end)),
    );
  }

  /** Registers are as after power-on; what is stopped ends with an error. */
  forget(): void {
    this.#resume(false);
    this.#registers.reset();
    Object.assign(this.counts, NONE);
  }

  /** The same with the whole machine: nobody is left who waits for anything. */
  reset(): void {
    this.#answer = null;
    this.#number = 0;
    this.forget();
  }

  /** Moves an access page by page; one without bytes is to the page in which it lies. */
  *#eachPage(
    at: AtsTarget,
    length: number,
    write: boolean,
    move: (to: AtsTarget, start: number, end: number) => Script<number>,
  ): Script<number> {
    for (let start = 0; start === 0 || start < length; ) {
      const next = nextPage(at, start);
      const to = beyond(at, start);
      const status = yield* move(to, start, Math.min(next, length));
      if (status === DmaStatus.NO_TRANSLATION && (yield* this.#stops(to, write))) continue;
      if (status !== DmaStatus.SUCCESS) return status;
      start = next;
    }
    return DmaStatus.SUCCESS;
  }

  /** Waits at a page, if transfers stop. True when the access may try again. */
  *#stops({ hi, lo, pasid, execute = false, privileged = false }: AtsTarget, write: boolean): Script<boolean> {
    const { words } = this.#registers;
    if (!STALL_CONTROL.ENABLE.isSet(words)) return false;
    this.counts.stops++;
    this.#number = (this.#number + 1) % NUMBERS;
    const { STOPPED, WRITE, EXECUTE, PRIVILEGED, NUMBER } = STALL_STATUS;
    STOPPED.set(words, 1);
    WRITE.set(words, write ? 1 : 0);
    EXECUTE.set(words, execute ? 1 : 0);
    PRIVILEGED.set(words, privileged ? 1 : 0);
    NUMBER.set(words, this.#number);
    STALL_PASID.PASID.set(words, pasid ?? 0);
    STALL_PASID.VALID.set(words, pasid === undefined ? 0 : 1);
    words.set([lo, hi], STALL_ADDRESS.$.offset! / 4);
    this.#answer = new Signal<boolean>(this.#engine, `an answer to a stop of ${this.#function.name}`);
    if (STALL_CONTROL.INTERRUPT_ENABLE.isSet(words)) {
      this.#engine.spawn(this.#function.interrupt(StallEngineVector.STOP), `${this.#function.name} tells of a stop`);
    }
    return yield* waitFor(this.#answer);
  }

  #answered(written: number): void {
    const { RETRY, ABORT } = STALL_ANSWER;
    if ((written & (RETRY.mask | ABORT.mask)) === 0 || written >>> 16 !== this.#number) return;
    this.#resume((written & ABORT.mask) === 0);
  }

  #resume(retry: boolean): void {
    const answer = this.#answer;
    if (answer === null) return;
    this.#answer = null;
    if (!retry) this.counts.aborts++;
    STALL_STATUS.STOPPED.set(this.#registers.words, 0);
    answer.fire(retry);
  }
}
