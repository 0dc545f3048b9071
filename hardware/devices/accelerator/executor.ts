/**
 * Carries descriptors out: checks them, does what they ask for, and tells how it ended.
 *
 * A completion record is one write of 32 bytes behind all writes of the operation; the interrupt comes behind it.
 *
 * Choices: descriptors of a batch are begun in their order, several at a time. A record that cannot be written because of a
 * page fault has no interrupt: who serves the event log has to tell. The interrupt of a descriptor with a flaw is not sent if
 * it is the handle that is wrong.
 */
import { bytesOf, encode, wordsOf } from '../../bits/index.ts';
import type { PcieFunction } from '../../pcie/index.ts';
import { type Engine, type Script, Semaphore } from '../../sim/index.ts';
import type { Errors } from './errors.ts';
import type { Interrupts } from './interrupts.ts';
import { type Accessor, type Fault, type Memory, plus, withinPages } from './memory.ts';
import type { AcceleratorSpec } from './model.ts';
import { DONE, type Outcome, operate } from './operations.ts';
import { BATCH, COMPLETION, CRC_COMPLETION, DESCRIPTOR_BYTES, Flag, Opcode, Status } from './spec/index.ts';
import { Operation, type Submission } from './submission.ts';
import { flawOf } from './validation.ts';

export interface ExecutorParts {
  readonly engine: Engine;
  readonly function: PcieFunction;
  readonly memory: Memory;
  readonly errors: Errors;
  readonly interrupts: Interrupts;
  /** Waits until everything that came to the same queue under the same PASID before it has ended. */
  readonly drain: (submission: Submission) => Script;
}

/** How a descriptor ended for its batch. */
const Ending = { SUCCESS: 0, FAILED: 1, LOGGED: 2 } as const;

export class Executor {
  /** Descriptors carried out, those of batches included. */
  operations = 0;
  readonly #spec: AcceleratorSpec;
  readonly #parts: ExecutorParts;

  constructor(spec: AcceleratorSpec, parts: ExecutorParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  *carryOut(submission: Submission): Script {
    yield* this.#perform(new Operation(submission, submission.words));
  }

  /** All of one descriptor: a value of `Ending`. */
  *#perform(operation: Operation): Script<number> {
    const { submission } = operation;
    const { interrupts } = this.#parts;
    const flaw = flawOf(operation, this.#spec, this.#parts.function.config.pasid?.privileged === true);
    const wantsInterrupt = operation.has(Flag.RCI);
    const vector = wantsInterrupt ? interrupts.vectorFor(submission, operation.interruptHandle) : -1;
    let outcome: Outcome;
    if (flaw !== null) outcome = flaw;
    else if (wantsInterrupt && vector < 0) outcome = { status: Status.INT_HANDLE_INVAL };
    else outcome = yield* this.#execute(operation);
    if (outcome.status === Status.NONE || submission.aborted) return Ending.FAILED;
    this.operations++;
    const ending = yield* this.#complete(operation, outcome);
    if (vector >= 0 && ending.isTold && !submission.aborted) yield* this.#parts.function.interrupt(vector);
    if (ending.isLogged) return Ending.LOGGED;
    return outcome.status === Status.SUCCESS && ending.isTold ? Ending.SUCCESS : Ending.FAILED;
  }

  *#execute(operation: Operation): Script<Outcome> {
    switch (operation.opcode) {
      case Opcode.NOOP:
        return DONE;
      case Opcode.DRAIN:
        yield* this.#parts.drain(operation.submission);
        return DONE;
      case Opcode.BATCH:
        return yield* this.#batch(operation);
      default:
        return yield* operate(operation, this.#parts.memory);
    }
  }

  *#batch(operation: Operation): Script<Outcome> {
    const { engine, memory } = this.#parts;
    const { submission, words } = operation;
    const list = BATCH.DESC_LIST_ADDR.big(words);
    const count = BATCH.DESC_COUNT.get(words);
    const who = memory.accessorOf(operation);
    const most = this.#spec.descriptorsInProgress;
    const slots = new Semaphore(engine, most, 'a descriptor of the batch');
    const seen = new Set<number>();
    let completed = 0;
    let fault: Fault | null = null;
    const executor = this;
    const one = function* (descriptor: Operation): Script {
      seen.add(yield* executor.#perform(descriptor));
      completed++;
      slots.release();
    };
    const all = function* (): Script {
      for (let i = 0; i < most; i++) yield slots.acquire();
    };
    fetching: for (let at = 0; at < count; ) {
      const page = new Uint8Array(withinPages([plus(list, at * DESCRIPTOR_BYTES)], (count - at) * DESCRIPTOR_BYTES));
      fault = yield* memory.read(who, plus(list, at * DESCRIPTOR_BYTES), page);
      if (fault !== null) break;
      for (let from = 0; from < page.length; from += DESCRIPTOR_BYTES, at++) {
        const descriptor = new Operation(submission, wordsOf(page.subarray(from, from + DESCRIPTOR_BYTES)), at);
        if (descriptor.has(Flag.FENCE)) {
          yield* all();
          for (let i = 0; i < most; i++) slots.release();
          // What is behind a fence relies on all that was before it.
          if (seen.has(Ending.FAILED) || seen.has(Ending.LOGGED)) break fetching;
        }
        yield slots.acquire();
        if (submission.aborted) break fetching;
        engine.spawn(one(descriptor), `${executor.#parts.function.name}: descriptor ${at} of a batch`);
      }
    }
    yield* all();
    if (submission.aborted) return { status: Status.NONE };
    const result = seen.has(Ending.FAILED) || seen.has(Ending.LOGGED) ? 1 : 0;
    return { status: batchStatus(seen, fault), result, completed, fault };
  }

  #complete(operation: Operation, outcome: Outcome): Script<Told> {
    return operation.has(Flag.CRAV) && outcome.status !== Status.CRA_ALIGN
      ? this.#record(operation, outcome)
      : this.#withoutRecord(operation, outcome);
  }

  *#record(operation: Operation, outcome: Outcome): Script<Told> {
    const { memory, errors } = this.#parts;
    if (outcome.status === Status.SUCCESS && !operation.has(Flag.RCR)) return TOLD;
    const record = recordOf(outcome);
    const who: Accessor = memory.accessorOf(operation);
    const fault = yield* memory.write(who, operation.completionAddress, bytesOf(record));
    if (fault === null || fault.status === Status.NONE) return TOLD;
    const queue = operation.submission.queue.index;
    const isLogged = errors.report({ error: Status.CRA_XLAT, queue, operation, fault, record });
    return { isTold: false, isLogged };
  }

  // biome-ignore lint/correctness/useYield: a script like the other, that has nothing to wait for
  *#withoutRecord(operation: Operation, { status, fault, invalidFlags }: Outcome): Script<Told> {
    if (status === Status.SUCCESS) return TOLD;
    const queue = operation.submission.queue.index;
    this.#parts.errors.report({
      error: status,
      queue,
      operation,
      fault: fault ?? null,
      invalidFlags: invalidFlags ?? 0,
    });
    return TOLD;
  }
}

/** What became of the end of an operation. */
interface Told {
  readonly isTold: boolean;
  /** The event log has the record that could not be written. */
  readonly isLogged: boolean;
}

const TOLD: Told = { isTold: true, isLogged: false };

function batchStatus(seen: ReadonlySet<number>, fault: Fault | null): number {
  const isPageFault = fault?.status === Status.PAGE_FAULT_NOBOF || fault?.status === Status.PAGE_FAULT_IR;
  if (fault !== null) return isPageFault ? Status.BATCH_PAGE_FAULT : fault.status;
  if (seen.has(Ending.LOGGED)) return Status.BATCH_EVL_ERR;
  return seen.has(Ending.FAILED) ? Status.BATCH_FAIL : Status.SUCCESS;
}

function recordOf({ status, result = 0, completed = 0, fault, invalidFlags = 0, crc }: Outcome): Uint32Array {
  const record = encode(COMPLETION, {
    STATUS: status,
    FAULT_WRITE: fault?.write ? 1 : 0,
    RESULT: result,
    BYTES_COMPLETED: completed,
    FAULT_ADDR: fault?.address ?? 0n,
    INVALID_FLAGS: invalidFlags,
  });
  if (crc !== undefined) CRC_COMPLETION.CRC.set(record, crc);
  return record;
}
