/**
 * One direction of a link: a wire on which TLPs of all classes follow each other, with the credits of its receiver.
 *
 * Surface: `LinkPort`, the sending end, around which taps and fault injectors are put when a machine is assembled; `Wire`.
 * Each TLP holds its credits from `send` to `release`. A class without credits holds up no other, and what was sent first
 * arrives first, however often it has to be sent: with errors, a TLP that arrives damaged is answered with a Nak and
 * discarded with all that follows it, and the Nak lets the sender send everything from it on again. The fourth time
 * without progress the link retrains first. What is under way is therefore also what a replay buffer holds.
 *
 * Inaccuracies: Ack, Nak and UpdateFC arrive undamaged and take no room beside what the link's rate deducts for them; the
 * replay buffer has no bound but the credits, and its timer never has to expire; a replay cuts short the TLP that is
 * leaving; what is on the wire of the other direction when the link retrains still arrives.
 */
import {
  between,
  type Duration,
  type Engine,
  type Handler,
  type LinkClock,
  type Milestone,
  Ring,
} from '../sim/index.ts';
import type { Credits } from './credits.ts';
import type { Damage } from './link-errors.ts';
import { DLLP_BYTES, REPLAY_NUM_ROLLOVER } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** The sending end of a wire, or of something put around one. */
export interface LinkPort {
  /** True when there are credits for this TLP. */
  canSend(tlp: Tlp): boolean;
  /** Throws when there is no credit: ask `canSend` first. */
  send(tlp: Tlp): void;
}

/** How one direction is built. */
export interface WireSpec {
  readonly name: string;
  readonly clock: LinkClock;
  readonly latency: Duration;
  /** From release until the sender has the credits. */
  readonly updateFc: Duration;
  readonly credits: Credits;
  /** Bytes of a TLP on the wire. */
  readonly bytes: (tlp: Tlp) => number;
  /** Null on a wire without errors. */
  readonly damage: Damage | null;
  /** REPLAY_NUM rolled over: stops both wires of the link while it retrains. */
  readonly retrain: () => void;
  /** What the time on it is called. */
  readonly milestone: Milestone;
}

/** What went wrong on a wire. */
export interface WireFaults {
  /** TLPs that arrived damaged and were answered with a Nak. */
  naks: number;
  /** TLPs that were sent again. */
  replayed: number;
  retrains: number;
  /** TLPs that were lost because the link was down, or went down while they were under way. */
  lost: number;
}

/** An UpdateFC under way is a class and a number of data units, which is below this. */
const CREDIT_CODES = 2 ** 16;

export class Wire implements LinkPort, Handler {
  readonly name: string;
  /** TLPs and bytes with all overhead that were sent for the first time. */
  readonly sent = { tlps: 0, bytes: 0 };
  readonly faults: WireFaults = { naks: 0, replayed: 0, retrains: 0, lost: 0 };
  /** Somebody who was refused may ask again. */
  onFree: () => void = nothing;
  /** Takes each TLP that is lost. */
  lose: (tlp: Tlp) => void = nothing;
  receive: (tlp: Tlp) => void = unconnected;
  /** Told of each traced TLP before it is received. */
  arrived: (tlp: Tlp, milestone: Milestone) => void = nothing;
  readonly #engine: Engine;
  readonly #spec: WireSpec;
  readonly #credits: Credits;
  readonly #clock: LinkClock;
  readonly #latency: Duration;
  readonly #bytes: (tlp: Tlp) => number;
  readonly #damage: Damage | null;
  readonly #nak: Handler;
  readonly #updateFc: Handler;
  #isUp = true;
  /** Counts resets: an UpdateFC from before one means nothing. */
  #life = 0;
  /** Counts transmissions that are void: what arrives for an earlier epoch is lost or sent again. */
  #epoch = 0;
  /** TLPs that have not been received. */
  readonly #underWay = new Ring<Tlp>();
  /** A Nak is under way: what arrives until the replay is out of sequence. */
  #isDiscarding = false;
  #replayNum = 0;

  constructor(engine: Engine, spec: WireSpec) {
    this.name = spec.name;
    this.#engine = engine;
    this.#spec = spec;
    this.#credits = spec.credits;
    this.#clock = spec.clock;
    this.#latency = spec.latency;
    this.#bytes = spec.bytes;
    this.#damage = spec.damage;
    this.#nak = { name: `${spec.name} Nak`, handle: (epoch) => this.#replay(epoch) };
    this.#updateFc = {
      name: `${spec.name} UpdateFC`,
      handle: (argument) => {
        const credit = argument % CREDIT_CODES;
        if (argument - credit === this.#life * CREDIT_CODES) this.#giveBack(credit & 3, credit >>> 2);
      },
    };
  }

  /** True while the link is down as well: what is sent then is lost. */
  canSend(tlp: Tlp): boolean {
    return !this.#isUp || this.#credits.canTake(tlp);
  }

  send(tlp: Tlp): void {
    const bytes = this.#bytes(tlp);
    this.sent.tlps++;
    this.sent.bytes += bytes;
    if (!this.#isUp) {
      this.#drop(tlp);
      return;
    }
    this.#credits.take(tlp);
    this.#underWay.push(tlp);
    this.#transmit(bytes);
  }

  /** The credits of a TLP that was received go back to the sender. */
  release(tlp: Tlp): void {
    const { updateFc } = this.#spec;
    const { creditClass } = tlp;
    const units = this.#credits.unitsOf(tlp);
    if (updateFc === 0) this.#giveBack(creditClass, units);
    else this.#engine.schedule(updateFc, this.#updateFc, this.#life * CREDIT_CODES + units * 4 + creditClass);
  }

  /** The last byte of a TLP has arrived. Called by the engine. */
  handle(epoch: number): void {
    if (epoch !== this.#epoch) return;
    const tlp = this.#underWay.first!;
    if (this.#damage !== null && this.#discards(this.#damage, tlp)) return;
    this.#underWay.shift();
    if (tlp.task !== 0) this.#deliverTraced(tlp);
    else this.receive(tlp);
  }

  /** What is under way is lost, and so is what is sent from now on. */
  goDown(): void {
    this.#isUp = false;
    while (this.#underWay.length > 0) {
      const tlp = this.#underWay.shift();
      this.#credits.cancel(tlp);
      this.#drop(tlp);
    }
    this.#restart();
    this.#credits.renew();
  }

  goUp(): void {
    this.#isUp = true;
  }

  /** Back to the built state; what is under way is lost. */
  reset(): void {
    this.goDown();
    this.goUp();
    this.#life++;
    this.#credits.reset();
    this.#damage?.reset();
    Object.assign(this.sent, { tlps: 0, bytes: 0 });
    Object.assign(this.faults, { naks: 0, replayed: 0, retrains: 0, lost: 0 });
  }

  /** Whoever begins something because of what has arrived does it on its behalf. */
  #deliverTraced(tlp: Tlp): void {
    this.arrived(tlp, this.#spec.milestone);
    this.#engine.cause = tlp.task;
    this.receive(tlp);
    this.#engine.cause = 0;
  }

  #transmit(bytes: number): void {
    const { now } = this.#engine;
    const occupied = between(now, this.#clock.reserve(now, bytes));
    this.#engine.schedule((this.#latency + occupied) as Duration, this, this.#epoch);
  }

  #discards(damage: Damage, tlp: Tlp): boolean {
    if (this.#isDiscarding) return true;
    if (!damage.strikes(this.#bytes(tlp))) {
      this.#replayNum = 0;
      return false;
    }
    this.#isDiscarding = true;
    this.faults.naks++;
    this.#engine.schedule((this.#clock.rate.time(DLLP_BYTES) + this.#latency) as Duration, this.#nak, this.#epoch);
    return true;
  }

  /** The Nak has arrived at the sender: everything from the TLP that it names on goes out again, in order. */
  #replay(epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.#epoch++;
    this.#isDiscarding = false;
    this.#clock.abandon(this.#engine.now);
    if (++this.#replayNum === REPLAY_NUM_ROLLOVER) {
      this.#replayNum = 0;
      this.faults.retrains++;
      this.#spec.retrain();
    }
    const { length } = this.#underWay;
    this.faults.replayed += length;
    for (let i = 0; i < length; i++) this.#transmit(this.#bytes(this.#underWay.at(i)));
  }

  #restart(): void {
    this.#epoch++;
    this.#isDiscarding = false;
    this.#replayNum = 0;
    this.#clock.reset();
  }

  #drop(tlp: Tlp): void {
    this.faults.lost++;
    this.lose(tlp);
  }

  #giveBack(creditClass: number, units: number): void {
    if (this.#credits.giveBack(creditClass, units)) this.onFree();
  }
}

function nothing(): void {}

function unconnected(): void {
  throw new Error('a TLP arrived at an end of a link that nothing is connected to');
}
