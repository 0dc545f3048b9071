/**
 * Work queues, groups and engines: what is accepted waits in its queue until an engine of its group has room for it.
 *
 * Offers: `submit`, `settle` and `abort` what is under way, `start` with a configuration, `abandon` everything.
 * Needs: `carryOut`, which does a descriptor.
 *
 * An engine works on several descriptors at a time. The queues of a group take turns; of what they have, each gets a share
 * by its priority. A descriptor leaves its queue when an engine begins with it.
 */
import type { RegisterFile } from '../../bits/index.ts';
import { type Engine, Gate, type Script } from '../../sim/index.ts';
import type { AcceleratorSpec } from './model.ts';
import { GRPCFG, GRPCFG_BYTES, Table, WQCFG } from './spec/index.ts';
import { Submission } from './submission.ts';
import { WorkQueue } from './work-queue.ts';

/** What works on the queues of one group. */
interface Group {
  readonly queues: readonly WorkQueue[];
  /** Descriptors that each of its engines works on. */
  readonly engines: number[];
  /** The queue that is looked at first. */
  turn: number;
}

type Choice = (submission: Submission) => boolean;

const WAITED_FOR = 'the end of a descriptor';

export class Scheduler {
  readonly queues: readonly WorkQueue[];
  submissions = 0;
  readonly #engine: Engine;
  readonly #registers: RegisterFile;
  readonly #spec: AcceleratorSpec;
  readonly #carryOut: (submission: Submission) => Script;
  readonly #active = new Set<Submission>();
  #groups: Group[] = [];
  #ends: Gate;

  constructor(
    engine: Engine,
    registers: RegisterFile,
    spec: AcceleratorSpec,
    carryOut: (submission: Submission) => Script,
  ) {
    this.#engine = engine;
    this.#registers = registers;
    this.#spec = spec;
    this.#carryOut = carryOut;
    this.queues = Array.from({ length: spec.workQueues }, (_, i) => new WorkQueue(i, registers));
    this.#ends = new Gate(engine, WAITED_FOR);
  }

  /** Descriptors that engines work on. */
  get active(): number {
    return this.#active.size;
  }

  /** Puts a descriptor into a queue that has room. */
  submit(queue: WorkQueue, words: Uint32Array, viaIms: boolean): void {
    queue.put(new Submission(this.#engine, queue, words, viaIms, this.submissions++));
    this.#dispatch();
  }

  /** Work queues and engines of each group, by the tables. */
  start(): void {
    this.#groups = Array.from({ length: this.#spec.groups }, (_, i) => ({
      queues: this.queues.filter(({ index }) => this.#has(i, GRPCFG.WQS_0.word, index)),
      engines: Array.from({ length: this.#spec.engines }, (_, e) => e)
        .filter((e) => this.#has(i, GRPCFG.ENGINES.word, e))
        .map(() => 0),
      turn: 0,
    }));
  }

  /** The groups of a work queue or, with the other field, of an engine. */
  groupsWith(field: 'WQS_0' | 'ENGINES', index: number): number {
    const { word } = GRPCFG[field];
    return Array.from({ length: this.#spec.groups }, (_, i) => i).filter((i) => this.#has(i, word, index)).length;
  }

  /** Waits for the end of everything under way that `isMeant` accepts now. */
  *settle(isMeant: Choice): Script {
    const meant = this.#underWay().filter(isMeant);
    for (const submission of meant) while (!submission.ended) yield this.#ends.wait();
  }

  /** Ends everything under way that `isMeant` accepts, without telling anybody: what nobody has begun, at once. */
  *abort(isMeant: Choice): Script {
    for (const queue of this.queues) for (const one of queue.remove(isMeant)) this.#end(one);
    for (const one of this.#active) if (isMeant(one)) one.abort();
    yield* this.settle(isMeant);
  }

  /** Everything is forgotten: nobody is told, and who waits for an end does not go on. */
  abandon(): void {
    for (const submission of this.#underWay()) {
      submission.ended = true;
      submission.aborted = true;
    }
    this.#active.clear();
    this.#groups = [];
    this.submissions = 0;
    for (const { entries } of this.queues) entries.length = 0;
    this.#ends = new Gate(this.#engine, WAITED_FOR);
  }

  /** What engines work on and what is queued, oldest first. */
  #underWay(): Submission[] {
    return [...this.#active, ...this.queues.flatMap(({ entries }) => entries)].sort((a, b) => a.number - b.number);
  }

  #has(group: number, word: number, index: number): boolean {
    const at = (Table.GRPCFG + group * GRPCFG_BYTES) / 4 + word + (index >>> 5);
    return (this.#registers.words[at]! & (1 << (index & 31))) !== 0;
  }

  /** Gives engines what they have room for. */
  #dispatch(): void {
    for (const group of this.#groups) {
      for (let e = idlest(group.engines); this.#hasRoom(group, e); e = idlest(group.engines)) {
        const queue = pick(group);
        if (queue === null) break;
        const submission = queue.take();
        this.#active.add(submission);
        group.engines[e]!++;
        const name = `descriptor ${submission.number} of work queue ${queue.index}`;
        this.#engine.spawn(this.#run(submission, group, e), name);
      }
    }
  }

  #hasRoom(group: Group, engine: number): boolean {
    return engine >= 0 && group.engines[engine]! < this.#spec.descriptorsInProgress;
  }

  *#run(submission: Submission, group: Group, engine: number): Script {
    yield* this.#carryOut(submission);
    group.engines[engine]!--;
    // After a reset it has ended before.
    if (submission.ended) return;
    this.#active.delete(submission);
    this.#end(submission);
    this.#dispatch();
  }

  #end(submission: Submission): void {
    submission.ended = true;
    this.#ends.notify();
  }
}

/** The engine with the fewest descriptors, -1 if there is none. */
function idlest(engines: readonly number[]): number {
  return engines.indexOf(Math.min(...engines));
}

/** The queue of a group that is next, `null` if none has anything. */
function pick(group: Group): WorkQueue | null {
  const { queues } = group;
  const waiting = queues.filter(({ entries }) => entries.length > 0);
  if (waiting.length === 0) return null;
  if (waiting.every(({ share }) => share === 0)) for (const queue of queues) queue.share = queue.get(WQCFG.PRIORITY);
  for (let i = 0; i < queues.length; i++) {
    const place = (group.turn + i) % queues.length;
    const queue = queues[place]!;
    if (queue.entries.length === 0 || queue.share === 0) continue;
    queue.share--;
    group.turn = (place + 1) % queues.length;
    return queue;
  }
  return null;
}
