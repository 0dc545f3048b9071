/**
 * A controller from when it is enabled until it is reset: queues, which of them is next, commands on their way.
 *
 * Offers: `tail` and `head` for doorbells, `quiesce` and `stop`, `drain`; queues for those who execute admin commands.
 * Needs: a `Place`. A command that can no longer be completed ends at its next step.
 */
import { bytesOf, encode, PAGE_SIZE, wordsOf } from '../../bits/index.ts';
import { type Dma, DmaStatus } from '../../pcie/index.ts';
import { type Engine, Gate, type Script } from '../../sim/index.ts';
import { executeAdmin } from './admin.ts';
import type { Disk } from './disk.ts';
import { Events, isEventRequest } from './events.ts';
import { type Answer, Features } from './features.ts';
import type { Logs } from './logs.ts';
import { executeNvm } from './nvm.ts';
import { type Command, CompletionQueue, type QueueSpec, SubmissionQueue } from './queues.ts';
import { CQE, codesOf, ErrorEvent, SQE, SQE_BYTES, Status } from './spec/index.ts';
import type { Mover } from './transfer.ts';

export interface Limits {
  /** I/O queues of each kind. */
  readonly queues: number;
  /** Entries of a queue. */
  readonly entries: number;
  /** Commands that are worked on at a time. */
  readonly commands: number;
  /** Pages of 4 KiB that a command may move, as a power of two. */
  readonly mdts: number;
  /** Nanoseconds until the disk has found its blocks. */
  readonly access: number;
}

/** What a controller has of the device that it belongs to. */
export interface Place {
  readonly name: string;
  readonly engine: Engine;
  readonly dma: Dma;
  readonly disk: Disk;
  readonly logs: Logs;
  readonly limits: Limits;
  interrupt(vector: number): void;
  /** A queue cannot be reached. */
  fatal(): void;
  /** Software has said that I/O queues have entries of the sizes that they have. */
  hasEntrySizes(): boolean;
}

/** What its registers said when it was enabled. */
export interface Setup {
  /** Memory page size in bytes. */
  readonly page: number;
  readonly submissions: Omit<QueueSpec, 'id'>;
  readonly completions: Omit<QueueSpec, 'id'>;
}

/** Failures that may pass: the command may be tried again as it is. */
const PASSING: ReadonlySet<number> = new Set([
  Status.DATA_TRANSFER_ERROR,
  Status.INTERNAL_ERROR,
  Status.COMMAND_ABORT_REQUESTED,
]);

export class Controller implements Mover {
  readonly place: Place;
  readonly page: number;
  readonly features: Features;
  readonly events: Events;
  readonly submissions = new Map<number, SubmissionQueue>();
  readonly completions = new Map<number, CompletionQueue>();
  /** False once nothing that was begun goes on. */
  isAlive = true;
  #isFetching = true;
  /** In the order of their turns. */
  readonly #turns: SubmissionQueue[] = [];
  #underWay = 0;
  /** Of these: those that wait for room in their completion queue. */
  #waiting = 0;
  readonly #changed: Gate;

  constructor(place: Place, { page, submissions, completions }: Setup) {
    const { engine, limits, name } = place;
    this.place = place;
    this.page = page;
    this.features = new Features(limits.queues, limits.queues + 1);
    this.#changed = new Gate(engine, `the end of a command of ${name}`);
    this.events = new Events((command, status, result) => {
      this.#underWay++;
      engine.spawn(this.#finish(command, { status, result }), `an event of ${name}`);
    });
    const admin = this.addCompletions({ ...completions, id: 0 }, 0);
    this.addSubmissions({ ...submissions, id: 0 }, admin);
  }

  get engine(): Engine {
    return this.place.engine;
  }

  get dma(): Dma {
    return this.place.dma;
  }

  /** Commands that were begun and have not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Bytes that a command may move. */
  get mostBytes(): number {
    return PAGE_SIZE * 2 ** this.place.limits.mdts;
  }

  /** False after a reset, or when the queue is being deleted: nothing more is to happen for its commands, nobody learns the status. */
  wants(queue: SubmissionQueue): boolean {
    return this.isAlive && queue.isAlive;
  }

  addCompletions(spec: QueueSpec, vector: number | null): CompletionQueue {
    const queue = new CompletionQueue(this.engine, spec, vector);
    this.completions.set(spec.id, queue);
    return queue;
  }

  addSubmissions(spec: QueueSpec, completions: CompletionQueue): void {
    const queue = new SubmissionQueue(this.engine, spec, completions);
    this.submissions.set(spec.id, queue);
    this.#turns.push(queue);
  }

  /** Ends when no command of the queue touches memory any more. They are not completed. */
  *removeSubmissions(queue: SubmissionQueue): Script {
    queue.isAlive = false;
    queue.completions.room.notify();
    while (this.isAlive && (queue.isFetching || queue.running.size > 0)) yield queue.ended.wait();
    this.submissions.delete(queue.spec.id);
    this.#turns.splice(this.#turns.indexOf(queue), 1);
    queue.completions.users--;
  }

  /** A tail doorbell was written. */
  tail(id: number, value: number): void {
    if (!this.isAlive) return;
    const queue = this.submissions.get(id);
    if (queue === undefined || !queue.isAlive) this.events.error(ErrorEvent.INVALID_DOORBELL_REGISTER);
    else if (value >= queue.spec.size) this.events.error(ErrorEvent.INVALID_DOORBELL_VALUE);
    else {
      queue.tail = value;
      this.#fetch();
    }
  }

  /** A head doorbell was written. It cannot go further than what was completed. */
  head(id: number, value: number): void {
    if (!this.isAlive) return;
    const queue = this.completions.get(id);
    if (queue === undefined) {
      this.events.error(ErrorEvent.INVALID_DOORBELL_REGISTER);
      return;
    }
    const { size } = queue.spec;
    if (value >= size || (value - queue.head + size) % size > queue.used) {
      this.events.error(ErrorEvent.INVALID_DOORBELL_VALUE);
      return;
    }
    queue.head = value;
    queue.room.notify();
  }

  /** Fetches no more commands. */
  quiesce(): void {
    this.#isFetching = false;
  }

  /** Nothing that was begun goes on. */
  stop(): void {
    this.isAlive = false;
    for (const queue of this.submissions.values()) queue.ended.notify();
    for (const queue of this.completions.values()) queue.room.notify();
  }

  /** Ends when no command goes on, but for those that wait for software to make room. */
  *drain(): Script {
    while (this.#underWay > this.#waiting) yield this.#changed.wait();
  }

  /** Fetches what may be fetched: from one queue after the other, some commands at a time. */
  #fetch(): void {
    const { commands } = this.place.limits;
    while (this.isAlive && this.#isFetching && this.#underWay < commands) {
      const at = this.#turns.findIndex((queue) => queue.isAlive && !queue.isFetching && queue.pending > 0);
      if (at < 0) return;
      const [queue] = this.#turns.splice(at, 1);
      this.#turns.push(queue!);
      const count = Math.min(queue!.contiguous, this.features.burst, commands - this.#underWay);
      this.#underWay += count;
      queue!.isFetching = true;
      this.engine.spawn(this.#read(queue!, count), `a fetch of ${this.place.name}`);
    }
  }

  *#read(queue: SubmissionQueue, count: number): Script {
    const { status, data } = yield* this.dma.read(queue.next, count * SQE_BYTES);
    queue.isFetching = false;
    if (!this.wants(queue) || status !== DmaStatus.SUCCESS) {
      if (this.wants(queue)) this.place.fatal();
      this.#leave(queue, count);
      return;
    }
    queue.advance(count);
    for (let n = 0; n < count; n++) {
      const words = wordsOf(data.subarray(n * SQE_BYTES, (n + 1) * SQE_BYTES));
      const command: Command = { queue, words, isAborted: false };
      queue.running.add(command);
      this.engine.spawn(this.#run(command), `a command of ${this.place.name}`);
    }
    this.#fetch();
  }

  *#run(command: Command): Script {
    if (isEventRequest(command) && this.events.request(command)) {
      command.queue.running.delete(command);
      this.#leave(command.queue, 1);
      return;
    }
    const isAdmin = command.queue.spec.id === 0;
    const answer = yield* isAdmin ? executeAdmin(this, command) : executeNvm(this, command);
    yield* this.#finish(command, answer);
  }

  *#finish(command: Command, answer: Answer): Script {
    yield* this.#complete(command, answer);
    command.queue.running.delete(command);
    this.#leave(command.queue, 1);
  }

  *#complete(command: Command, { status, result = 0 }: Answer): Script {
    const { queue, words } = command;
    const { completions, spec } = queue;
    while (this.wants(queue) && completions.isFull) {
      this.#waiting++;
      this.#changed.notify();
      yield completions.room.wait();
      this.#waiting--;
    }
    if (!this.wants(queue)) return;
    const { at, phase } = completions.claim();
    if (status !== Status.SUCCESSFUL_COMPLETION) this.place.logs.failed(command, status, phase);
    const entry = encode(CQE, {
      DW0: result,
      SQHD: queue.head,
      SQID: spec.id,
      CID: SQE.CID.get(words),
      P: phase,
      ...codesOf(status),
      DNR: status === Status.SUCCESSFUL_COMPLETION || PASSING.has(status) ? 0 : 1,
    });
    const sent = yield* this.dma.write(at, bytesOf(entry));
    if (!this.isAlive) return;
    if (sent !== DmaStatus.SUCCESS) this.place.fatal();
    else if (completions.vector !== null) this.place.interrupt(completions.vector);
  }

  /** `count` commands of the queue have ended. */
  #leave(queue: SubmissionQueue, count: number): void {
    this.#underWay -= count;
    queue.ended.notify();
    this.#changed.notify();
    this.#fetch();
  }
}
