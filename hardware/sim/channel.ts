/**
 * How components talk: one direction of a link, bounded by credits, in order, after a fixed latency.
 *
 * The sender looks at `canSend`, calls `send`, and is told by `onFree` when a channel that was full has room again.
 * The receiver assigns `receive` and calls `release` once for each message, when it has room for another: that is the credit.
 * Surface: `Port` (the sender's end), `Channel`, and what can be put around a port when a machine is assembled: `tap`, `faulty`.
 */
import type { Engine, Handler } from './engine.ts';
import { Ring } from './ring.ts';
import { between, type Duration, type Instant, type LinkClock } from './time.ts';

/** The sender's end of a channel, or of something put around one. */
export interface Port<M> {
  readonly canSend: boolean;
  /** Throws when there is no credit: look at `canSend` first. */
  send(message: M): void;
  /** Called when a port that could not send can. Assigned by the sender. */
  onFree: () => void;
}

/** Who pays for the wire: messages occupy `clock` for their bytes. Several channels may share one clock. */
export interface Serialization<M> {
  readonly clock: LinkClock;
  bytes(message: M): number;
}

/** One direction of a link. Sending allocates nothing once as many messages have been under way as ever will be. */
export class Channel<M> implements Port<M>, Handler {
  readonly engine: Engine;
  readonly name: string;
  readonly latency: Duration;
  readonly #serialization: Serialization<M> | null;
  readonly #limit: number;

  /** Sees each message when it is sent; null costs one comparison. */
  probe: ((now: Instant, message: M) => void) | null = null;
  onFree: () => void = nothing;
  /** Called with each message that arrives. `release` gives its credit back and is always the same function. */
  receive: (message: M, release: () => void) => void = () => {
    throw new Error(`${this.name}: a message arrived and nothing is connected`);
  };

  #credits: number;
  #epoch = 0;
  #release: () => void;
  readonly #underWay = new Ring<M>();

  /** `credits` is the number of messages that may be sent and not released; Infinity for a channel without a bound. */
  constructor(engine: Engine, name: string, credits: number, latency: Duration, serialization?: Serialization<M>) {
    if (!(credits >= 1 && Math.floor(credits) === credits)) {
      throw new RangeError(`${name} cannot have ${credits} credits: a whole number, one or more, is accepted`);
    }
    this.engine = engine;
    this.name = name;
    this.latency = latency;
    this.#serialization = serialization ?? null;
    this.#limit = credits;
    this.#credits = credits;
    this.#release = this.#releaser();
  }

  get canSend(): boolean {
    return this.#credits > 0;
  }

  /** Messages that may be sent now. */
  get credits(): number {
    return this.#credits;
  }

  /** Messages sent and not yet received. */
  get underWay(): number {
    return this.#underWay.length;
  }

  send(message: M): void {
    if (this.#credits === 0) throw new Error(`${this.name}: send() without a credit; look at canSend first`);
    this.#credits--;
    const { now } = this.engine;
    if (this.probe !== null) this.probe(now, message);
    this.#underWay.push(message);
    const wire = this.#serialization;
    const occupied = wire === null ? 0 : between(now, wire.clock.reserve(now, wire.bytes(message)));
    this.engine.schedule((this.latency + occupied) as Duration, this, this.#epoch);
  }

  /** Delivers the message that was sent first. Called by the engine. */
  handle(epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.receive(this.#underWay.shift(), this.#release);
  }

  /**
   * All credits are back, and what was under way is lost, each message to `lose`: a link that went down. Who was waiting
   * for a credit is not told.
   */
  reset(lose: (message: M) => void = nothing): void {
    for (let i = 0; i < this.#underWay.length; i++) lose(this.#underWay.at(i));
    this.#epoch++;
    this.#release = this.#releaser();
    this.#credits = this.#limit;
    this.#underWay.clear();
  }

  /** A credit taken before a reset must not come back after it, so each epoch has its own function. */
  #releaser(): () => void {
    const epoch = this.#epoch;
    return () => {
      if (epoch !== this.#epoch) return;
      if (this.#credits + this.#underWay.length >= this.#limit && this.#limit !== Infinity) {
        throw new Error(`${this.name}: a credit was released that nobody held`);
      }
      if (this.#credits++ === 0) this.onFree();
    };
  }
}

/** A port that shows each message to `seen`, then passes it on. */
export function tap<M>(port: Port<M>, seen: (message: M) => void): Port<M> {
  return {
    get canSend() {
      return port.canSend;
    },
    get onFree() {
      return port.onFree;
    },
    set onFree(onFree) {
      port.onFree = onFree;
    },
    send(message) {
      seen(message);
      port.send(message);
    },
  };
}

/** What becomes of a message: it passes, is lost, or is held back for a time while later ones overtake it. */
export type Fate = 'pass' | 'drop' | Duration;

/** A port that does to each message what `decide` says. The sender cannot tell; only delays need the engine. */
export function faulty<M>(port: Port<M>, decide: (message: M) => Fate, engine?: Engine): Port<M> {
  return new FaultyPort(port, decide, engine ?? null);
}

class FaultyPort<M> implements Port<M> {
  readonly #port: Port<M>;
  readonly #decide: (message: M) => Fate;
  readonly #engine: Engine | null;
  /** Messages whose delay is over, but for which there was no credit. */
  readonly #late: M[] = [];
  onFree: () => void = nothing;

  constructor(port: Port<M>, decide: (message: M) => Fate, engine: Engine | null) {
    this.#port = port;
    this.#decide = decide;
    this.#engine = engine;
    port.onFree = () => {
      this.#flush();
      if (this.canSend) this.onFree();
    };
  }

  get canSend(): boolean {
    return this.#port.canSend;
  }

  send(message: M): void {
    const fate = this.#decide(message);
    if (fate === 'pass') this.#port.send(message);
    else if (fate !== 'drop') this.#delay(message, fate);
  }

  #delay(message: M, delay: Duration): void {
    if (this.#engine === null)
      throw new Error('faulty() needs the engine to delay a message: pass it as third argument');
    const arrive = (): void => {
      this.#late.push(message);
      this.#flush();
    };
    this.#engine.schedule(delay, { name: 'a faulty port', handle: arrive }, 0);
  }

  #flush(): void {
    while (this.#late.length > 0 && this.#port.canSend) this.#port.send(this.#late.shift() as M);
  }
}

function nothing(): void {}
