/**
 * Requests of the root complex on behalf of the CPU: each gets a tag, goes down a port, and waits for its completion.
 *
 * Inaccuracies: the completion time-out begins when a link below goes down, and so with what can be lost; a request that a
 * function never answers waits for ever.
 */
import { Alarm, after, type Engine, Gate, ms, type Script, Signal, waitFor } from '../sim/index.ts';
import type { RootPort } from './root-port.ts';
import { CompletionStatus } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** How a request ended. */
export interface Answer {
  readonly status: number;
  /** The data as a little-endian number, 0 when there is none; `null` for any status but success. */
  readonly value: bigint | null;
}

/** Tags of a requester that does not use extended ones. */
const TAGS = 32;
/** The upper limit of the default range. */
const PATIENCE = ms(50);
/** What a request ends with whose completion does not come. */
const NO_ANSWER: Answer = { status: CompletionStatus.UNSUPPORTED_REQUEST, value: null };

export class Outbound {
  readonly #engine: Engine;
  readonly #answers: (Signal<Answer> | null)[] = new Array<null>(TAGS).fill(null);
  /** Requests that may have been lost. */
  readonly #doubtful = new Set<Signal<Answer>>();
  readonly #patience: Alarm;
  /** By tag: where its request went. */
  readonly #ports: (RootPort | null)[] = new Array<null>(TAGS).fill(null);
  #free: Gate;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#patience = new Alarm(engine, 'completion time-out of the root complex', () => this.#giveUp());
    this.#free = new Gate(engine, 'a tag of the root complex');
  }

  /** Sends the non-posted request that `fill` makes and waits for its completion. */
  *request(port: RootPort, fill: (tlp: Tlp, tag: number) => Tlp): Script<Answer> {
    let tag = this.#answers.indexOf(null);
    while (tag < 0) {
      yield this.#free.wait();
      tag = this.#answers.indexOf(null);
    }
    const answer = new Signal<Answer>(this.#engine, `the completion of tag ${tag}`);
    this.#answers[tag] = answer;
    this.#ports[tag] = port;
    const tlp = fill(port.end.take(), tag);
    // The script that runs is the task, which waits for the answer.
    if (this.#engine.tasks !== null) tlp.task = this.#engine.running?.cause ?? 0;
    yield* port.transmit(tlp);
    return yield* waitFor(answer);
  }

  /** A completion has come through a port; false when nobody waits for it, and not from there. */
  complete(tlp: Tlp, port: RootPort): boolean {
    const answer = this.#answers[tlp.tag];
    if (answer == null || this.#ports[tlp.tag] !== port) return false;
    this.#answers[tlp.tag] = null;
    if (this.#doubtful.delete(answer) && this.#doubtful.size === 0) this.#patience.off();
    const { status } = tlp;
    answer.fire({ status, value: status === CompletionStatus.SUCCESSFUL ? dataOf(tlp) : null });
    this.#free.notify();
    return true;
  }

  /** A link has gone down: what waits now may wait in vain. */
  doubt(): void {
    for (const answer of this.#answers) if (answer !== null) this.#doubtful.add(answer);
    if (this.#doubtful.size > 0) this.#patience.set(after(this.#engine.now, PATIENCE));
  }

  reset(): void {
    this.#doubtful.clear();
    this.#patience.off();
    this.#answers.fill(null);
    this.#free = new Gate(this.#engine, 'a tag of the root complex');
  }

  #giveUp(): void {
    for (const answer of this.#doubtful) {
      this.#answers[this.#answers.indexOf(answer)] = null;
      answer.fire(NO_ANSWER);
    }
    this.#doubtful.clear();
    this.#free.notify();
  }
}

function dataOf(tlp: Tlp): bigint {
  let value = 0n;
  for (let i = (tlp.data === null ? 0 : tlp.length) - 1; i >= 0; i--) value = (value << 8n) | BigInt(tlp.data![i]!);
  return value;
}
