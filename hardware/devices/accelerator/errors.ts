/**
 * Errors that no completion record can tell: SWERR holds the first, or the event log all of them. And the device's own
 * causes for an interrupt, which are told by vector 0.
 *
 * Choices: an error that finds the log full, or that the log cannot be written with, goes to SWERR. SWERR says of a write
 * to the log that faults where the fault was.
 */
import { bytesOf, encode, type RegisterFile, type Values } from '../../bits/index.ts';
import type { PcieFunction } from '../../pcie/index.ts';
import type { Engine, Script } from '../../sim/index.ts';
import type { Accessor, Fault, Memory } from './memory.ts';
import {
  EVL_ENTRY,
  EVL_ENTRY_BYTES,
  EVL_SIZE_MIN,
  EVLCFG,
  EVLSTATUS,
  Flag,
  GENCFG,
  GENCTRL,
  INTCAUSE,
  SWERR,
} from './spec/index.ts';
import type { Operation } from './submission.ts';

export interface Problem {
  /** A value of `Status` or `SubmissionError`. */
  readonly error: number;
  /** -1 if it is of none. */
  readonly queue: number;
  readonly operation?: Operation;
  readonly fault?: Fault | null;
  readonly invalidFlags?: number;
  /** Words of the completion record that could not be written. */
  readonly record?: Uint32Array;
}

export class Errors {
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #registers: RegisterFile;
  readonly #memory: Memory;
  /** Entries of the log that are not written yet. */
  #due: { readonly problem: Problem; readonly bytes: Uint8Array }[] = [];
  #isWriting = false;
  #life = 0;

  constructor(engine: Engine, fn: PcieFunction, registers: RegisterFile, memory: Memory) {
    this.#engine = engine;
    this.#function = fn;
    this.#registers = registers;
    this.#memory = memory;
  }

  /** Records a problem: true when it goes to the log. */
  report(problem: Problem): boolean {
    if (!this.#hasRoom) {
      this.#hold(problem);
      return false;
    }
    this.#due.push({ problem, bytes: entryOf(problem) });
    if (!this.#isWriting) {
      this.#isWriting = true;
      this.#engine.spawn(this.#write(this.#life), `${this.#function.name}: event log`);
    }
    return true;
  }

  /** Notes a cause and tells it. */
  cause(cause: (typeof INTCAUSE)['SWERR']): void {
    cause.set(this.#registers.words, 1);
    this.#engine.spawn(this.#interrupt(), `${this.#function.name}: interrupt`);
  }

  reset(): void {
    this.#life++;
    this.#due = [];
    this.#isWriting = false;
  }

  *#interrupt(): Script {
    yield* this.#function.interrupt(0);
  }

  /** The log is in use and has an entry that nobody uses: one always stays free. */
  get #hasRoom(): boolean {
    const { words } = this.#registers;
    const size = EVLCFG.SIZE.get(words);
    if (!GENCFG.EVL_EN.isSet(words) || size < EVL_SIZE_MIN) return false;
    const head = EVLSTATUS.HEAD.get(words) % size;
    const used = ((EVLSTATUS.TAIL.get(words) % size) - head + size) % size;
    return used + this.#due.length < size - 1;
  }

  *#write(life: number): Script {
    const { words } = this.#registers;
    while (life === this.#life && this.#due.length > 0) {
      const { problem, bytes } = this.#due[0]!;
      // Who changes the size while entries are on their way gets them where the log was.
      const size = Math.max(EVLCFG.SIZE.get(words), EVL_SIZE_MIN);
      const tail = EVLSTATUS.TAIL.get(words) % size;
      const address = EVLCFG.BASE.big(words) * 0x1000n + BigInt(tail * EVL_ENTRY_BYTES);
      const fault = yield* this.#memory.write(this.#logger(), BigInt.asUintN(64, address), bytes);
      if (life !== this.#life) return;
      this.#due.shift();
      if (fault === null) this.#logged((tail + 1) % size);
      else this.#hold({ ...problem, fault });
    }
    if (life === this.#life) this.#isWriting = false;
  }

  #logged(tail: number): void {
    const { words } = this.#registers;
    EVLSTATUS.TAIL.set(words, tail);
    EVLSTATUS.INT_PENDING.set(words, 1);
    if (GENCTRL.EVL_INT_EN.isSet(words)) this.cause(INTCAUSE.EVL);
  }

  #logger(): Accessor {
    const { words } = this.#registers;
    const hasPasid = EVLCFG.PASID_EN.isSet(words);
    return {
      pasid: hasPasid ? EVLCFG.PASID.get(words) : undefined,
      privileged: hasPasid && EVLCFG.PRIV.isSet(words),
      translates: true,
      blocks: false,
      operation: null,
    };
  }

  /** Puts it into SWERR, if there is nothing. */
  #hold(problem: Problem): void {
    const { words } = this.#registers;
    if (SWERR.VALID.isSet(words)) {
      SWERR.OVERFLOW.set(words, 1);
      return;
    }
    words.set(
      encode(SWERR, { VALID: 1, ...factsOf(problem), INVALID_FLAGS: problem.invalidFlags ?? 0 }),
      SWERR.VALID.word,
    );
    if (GENCTRL.SOFTERR_INT_EN.isSet(words)) this.cause(INTCAUSE.SWERR);
  }
}

/** What SWERR and the entries of the log have in common. */
function factsOf({ error, queue, operation, fault }: Problem) {
  const descriptor =
    operation === undefined
      ? {}
      : {
          DESC_VALID: 1,
          BATCH: operation.isInBatch ? 1 : 0,
          BATCH_IDX: Math.max(operation.batchIndex, 0),
          OPERATION: operation.opcode,
          PASID: operation.submission.pasid ?? 0,
          PRIV: operation.submission.privileged ? 1 : 0,
        };
  return {
    WQ_IDX_VALID: queue < 0 ? 0 : 1,
    WQ_IDX: Math.max(queue, 0),
    ERROR: error,
    FAULT_RW: fault?.write ? 1 : 0,
    FAULT_ADDR: fault?.address ?? 0n,
    ...descriptor,
  } as const satisfies Values<typeof SWERR>;
}

function entryOf(problem: Problem): Uint8Array {
  const { operation, record } = problem;
  const asked =
    operation === undefined || record === undefined
      ? {}
      : {
          ERR_INFO_VALID: 1,
          INT_HANDLE: operation.interruptHandle,
          RCI: operation.has(Flag.RCI) ? 1 : 0,
          RCR: operation.has(Flag.RCR) ? 1 : 0,
          IMS: operation.submission.viaIms ? 1 : 0,
        };
  const words = new Uint32Array(EVL_ENTRY_BYTES / 4);
  words.set(encode(EVL_ENTRY, { ...factsOf(problem), ...asked }));
  if (record !== undefined) words.set(record, EVL_ENTRY.$.words);
  return bytesOf(words);
}
