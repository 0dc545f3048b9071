/** A descriptor that a work queue has accepted, and the operations that become of it. */
import { type Engine, Signal } from '../../sim/index.ts';
import { DESCRIPTOR, Opcode } from './spec/index.ts';
import type { WorkQueue } from './work-queue.ts';

export class Submission {
  readonly queue: WorkQueue;
  readonly words: Uint32Array;
  /** It came through a portal whose interrupts are in interrupt message storage. */
  readonly viaIms: boolean;
  /** As whom it is carried out: the queue says if it is dedicated, the descriptor if it is shared. */
  readonly pasid: number | undefined;
  readonly privileged: boolean;
  /** Order of coming. */
  readonly number: number;
  /** Nothing more is done for it: neither memory is accessed nor is its end told. */
  aborted = false;
  ended = false;
  /** Fires when it is aborted. */
  readonly #abort: Signal;

  constructor(engine: Engine, queue: WorkQueue, words: Uint32Array, viaIms: boolean, number: number) {
    this.queue = queue;
    this.words = words;
    this.viaIms = viaIms;
    this.number = number;
    const { pasidEnabled, isDedicated } = queue;
    const of = isDedicated ? queue : { pasid: DESCRIPTOR.PASID.get(words), privileged: DESCRIPTOR.PRIV.isSet(words) };
    this.pasid = pasidEnabled ? of.pasid : undefined;
    this.privileged = pasidEnabled && of.privileged;
    this.#abort = new Signal(engine, 'the end of a descriptor that is aborted');
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#abort.fire();
  }

  get onAbort(): Signal {
    return this.#abort;
  }
}

/** One descriptor: what was submitted, or one of a batch, which is carried out as whom the batch is. */
export class Operation {
  readonly submission: Submission;
  readonly words: Uint32Array;
  /** Its place in the batch; -1 outside of one. */
  readonly batchIndex: number;

  constructor(submission: Submission, words: Uint32Array, batchIndex = -1) {
    this.submission = submission;
    this.words = words;
    this.batchIndex = batchIndex;
  }

  get opcode(): number {
    return DESCRIPTOR.OPCODE.get(this.words);
  }

  get flags(): number {
    return DESCRIPTOR.FLAGS.get(this.words);
  }

  /** True when a flag of `Flag` is set. */
  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  get completionAddress(): bigint {
    return DESCRIPTOR.COMPLETION_ADDR.big(this.words);
  }

  /** With the flag RCI: the name of the interrupt that it asks for. */
  get interruptHandle(): number {
    return DESCRIPTOR.INT_HANDLE.get(this.words);
  }

  get isInBatch(): boolean {
    return this.batchIndex >= 0;
  }

  get isBatch(): boolean {
    return this.opcode === Opcode.BATCH;
  }
}
