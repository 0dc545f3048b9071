/**
 * A walk on its way through simulated time: each of its memory accesses takes the time that memory takes.
 *
 * Needs the engine, a memory controller, and somebody who knows when a barrier is over. It drives the walk by itself, with
 * no script between: a walk is a generator of generators, and each further one would cost as much again at every access.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import { type MemoryController, type MemoryOperation, OperationKind, type PhysicalMemory } from '../memory/index.ts';
import { type Duration, type Engine, type Handler, ns } from '../sim/index.ts';
import type { Walk } from './walk.ts';

const NOW = ns(0);

/** Memory as a walk sees it: what an access does there, and how long it is on its way. */
export class WalkMemory {
  readonly #controller: MemoryController;
  readonly #fetch: Duration;
  readonly #snoops: boolean;

  /** `fetch` is what each access takes beside memory's own time; a walk that does not snoop looks into no cache of cores. */
  constructor(controller: MemoryController, fetch: Duration, snoops: boolean) {
    this.#controller = controller;
    this.#fetch = fetch;
    this.#snoops = snoops;
  }

  get memory(): PhysicalMemory {
    return this.#controller.memory;
  }

  /** How long from now the effect of a read at the address with these halves takes place. */
  read(hi: number, lo: number, bytes: number): Duration {
    const controller = this.#controller;
    return ((this.#snoops ? controller.read(hi, lo, bytes) : controller.readPast(hi, lo, bytes)) +
      this.#fetch) as Duration;
  }

  /** The same for a write. */
  write(hi: number, lo: number, bytes: number): Duration {
    return (this.#controller.write(hi, lo, bytes) + this.#fetch) as Duration;
  }
}

/** What an event of a run says. */
const BARRIER_OVER = 1;

export class WalkRun implements Handler {
  readonly name: string;
  readonly #engine: Engine;
  readonly #memory: WalkMemory;
  readonly #wait: (run: WalkRun) => void;
  readonly #ended: () => void;
  #walk: Walk | null = null;
  #operation: MemoryOperation | null = null;

  /** `wait` is asked to resume the run when its barrier is over; `ended` hears of each walk's end. */
  constructor(engine: Engine, memory: WalkMemory, name: string, wait: (run: WalkRun) => void, ended: () => void) {
    this.name = name;
    this.#engine = engine;
    this.#memory = memory;
    this.#wait = wait;
    this.#ended = ended;
  }

  /** Begins now. */
  start(walk: Walk): void {
    this.#walk = walk;
    this.#advance();
  }

  /** Begins at this instant, but not before the caller has come to an end. */
  spawn(walk: Walk): void {
    this.#walk = walk;
    this.#engine.schedule(NOW, this, 0);
  }

  /** Goes on with a walk whose next access, `operation`, waits for its time; `null` when it has ended. */
  continue(walk: Walk, operation: MemoryOperation | null): void {
    this.#walk = walk;
    if (operation === null) this.#end();
    else this.#await(operation);
  }

  /** The barrier is over, as of this instant. */
  resume(): void {
    this.#engine.schedule(NOW, this, BARRIER_OVER);
  }

  /** The wait of an access is over. Called by the engine. */
  handle(what: number): void {
    const operation = this.#operation;
    if (what === BARRIER_OVER) operation!.ok = true;
    else if (operation !== null) this.#memory.memory.perform(operation);
    this.#advance();
  }

  #advance(): void {
    const step = this.#walk!.next();
    if (step.done === true) this.#end();
    else this.#await(step.value);
  }

  #await(operation: MemoryOperation): void {
    this.#operation = operation;
    const { kind, address, count } = operation;
    if (kind === OperationKind.BARRIER) {
      this.#wait(this);
      return;
    }
    const [hi, lo, bytes] = [highHalf(address), lowHalf(address), count * 4];
    const isWrite = kind === OperationKind.WRITE;
    this.#engine.schedule(isWrite ? this.#memory.write(hi, lo, bytes) : this.#memory.read(hi, lo, bytes), this, 0);
  }

  #end(): void {
    this.#walk = null;
    this.#operation = null;
    this.#ended();
  }
}
