/** Submission and completion queues in memory, from the controller's side. */
import { beyond, type DmaTarget } from '../../pcie/index.ts';
import { type Engine, Gate } from '../../sim/index.ts';
import { CQE_BYTES, SQE, SQE_BYTES } from './spec/index.ts';

export interface QueueSpec {
  readonly id: number;
  readonly base: DmaTarget;
  /** Entries. */
  readonly size: number;
}

/** A command that was fetched and is not completed. */
export interface Command {
  readonly queue: SubmissionQueue;
  /** Its submission queue entry. */
  readonly words: Uint32Array;
  /** An Abort command has named it. */
  isAborted: boolean;
}

export class SubmissionQueue {
  readonly spec: QueueSpec;
  readonly completions: CompletionQueue;
  /** Next entry to fetch. */
  head = 0;
  tail = 0;
  /** Entries are on their way. */
  isFetching = false;
  /** False from when it is being deleted: its commands end without completion. */
  isAlive = true;
  readonly running = new Set<Command>();
  /** Happens when a command ends that is no longer wanted, or a fetch. */
  readonly ended: Gate;

  constructor(engine: Engine, spec: QueueSpec, completions: CompletionQueue) {
    this.spec = spec;
    this.completions = completions;
    this.ended = new Gate(engine, `the end of a command of submission queue ${spec.id}`);
    completions.users++;
  }

  /** Entries that software has submitted and nobody has fetched. */
  get pending(): number {
    const { size } = this.spec;
    return (this.tail - this.head + size) % size;
  }

  /** Entries that can be fetched with one read: they do not go around the end. */
  get contiguous(): number {
    return Math.min(this.pending, this.spec.size - this.head);
  }

  /** Where the entry at the head is. */
  get next(): DmaTarget {
    return beyond(this.spec.base, this.head * SQE_BYTES);
  }

  /** `count` entries have been fetched. */
  advance(count: number): void {
    this.head = (this.head + count) % this.spec.size;
  }

  find(cid: number): Command | undefined {
    for (const command of this.running) if (SQE.CID.get(command.words) === cid) return command;
    return undefined;
  }
}

export class CompletionQueue {
  readonly spec: QueueSpec;
  /** `null` where it does not interrupt. */
  readonly vector: number | null;
  /** Next entry that software has not seen. */
  head = 0;
  /** Next entry to write, and with which phase tag. */
  tail = 0;
  phase = 1;
  /** Submission queues whose commands complete here. */
  users = 0;
  /** Happens when there may be room. */
  readonly room: Gate;

  constructor(engine: Engine, spec: QueueSpec, vector: number | null) {
    this.spec = spec;
    this.vector = vector;
    this.room = new Gate(engine, `room in completion queue ${spec.id}`);
  }

  get isFull(): boolean {
    return (this.tail + 1) % this.spec.size === this.head;
  }

  /** Entries that software has not taken. */
  get used(): number {
    const { size } = this.spec;
    return (this.tail - this.head + size) % size;
  }

  /** Takes the next entry: where it is, and its phase tag. */
  claim(): { readonly at: DmaTarget; readonly phase: number } {
    const claimed = { at: beyond(this.spec.base, this.tail * CQE_BYTES), phase: this.phase };
    this.tail = (this.tail + 1) % this.spec.size;
    if (this.tail === 0) this.phase ^= 1;
    return claimed;
  }
}
