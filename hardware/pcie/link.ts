/**
 * A link: two directions, each with a rate, a latency and credits. TLPs arrive in the order in which they were sent.
 *
 * Surface: two ends, each a `LinkEnd`, by which it is used. A TLP holds its credits from `send` to `release` or `forward`,
 * so whoever is slow to deal with it stalls the sender. `goDown` and `goUp` are a bus reset, `disable` what software does,
 * `unplug` and `plug` a device that is pulled out of its slot and put back. `probe` sees what is sent; taps and fault injectors go around the `port` of a direction.
 *
 * Inaccuracies: those of `link-wire.ts` (replay) and `link-rate.ts` (DLLPs are a share of the rate); generations 6 and 7
 * have the rate of flits but no flits.
 */
import { type Component, type Engine, LinkClock, ns } from '../sim/index.ts';
import { type CreditLimits, Credits } from './credits.ts';
import { Damage, type LinkErrors } from './link-errors.ts';
import { countsBytes, type DllpModel, linkRate } from './link-rate.ts';
import { type LinkPort, Wire, type WireFaults, type WireSpec } from './link-wire.ts';
import { unpaddedBytes, wireBytes } from './sizes.ts';
import { DIGEST_BYTES, type Generation, type PayloadSize, type Width } from './spec/index.ts';
import type { Tlp } from './tlp.ts';
import { TlpPool } from './tlp-pool.ts';
import { tracedArrival, tracedDeparture, tracedEnd } from './tlp-tasks.ts';

export interface LinkSpec {
  readonly generation: Generation;
  /** Lanes. */
  readonly width: Width;
  /** Nanoseconds from the last byte leaving one end to the TLP being available at the other. */
  readonly latency: number;
  /** What each end can hold before it releases something. Less than the largest TLP of a class needs stalls that class. */
  readonly credits: CreditLimits;
  /** Nanoseconds from a release until the sender has the credits; 0 by default. */
  readonly updateFc?: number;
  /** What DLLPs take of the bandwidth; `none` by default. */
  readonly dllp?: DllpModel;
  /** Max_Payload_Size of both ends, by which the published model of DLLPs goes; 256 by default. */
  readonly maxPayload?: PayloadSize;
  /** Whether each TLP ends with a digest. */
  readonly ecrc?: boolean;
  /** Nothing is damaged by default. */
  readonly errors?: LinkErrors | null;
}

/** Generation 3, four lanes, credits of a small root port. Not architectural. */
export const LINK: LinkSpec = { generation: 3, width: 4, latency: 150, credits: { PH: 32, NPH: 32 } };

export type Direction = 'upstream' | 'downstream';

export interface LinkState {
  readonly isUp: boolean;
  readonly upstream: DirectionState;
  readonly downstream: DirectionState;
}

/** TLPs and bytes with all overhead that were sent for the first time, and what went wrong. */
export interface DirectionState extends WireFaults {
  tlps: number;
  bytes: number;
}

export class Link implements Component<LinkSpec, LinkState> {
  readonly name: string;
  readonly spec: LinkSpec;
  readonly engine: Engine;
  readonly upstream: LinkDirection;
  readonly downstream: LinkDirection;
  /** The end towards the root complex, and the end towards the device. */
  readonly top: LinkEnd;
  readonly bottom: LinkEnd;
  /** Called when it has gone down, after both ends: whoever waits for something that came this way may wait in vain. */
  onLost: () => void = nothing;
  /** Called when a device has been put in or pulled out. */
  onContents: () => void = nothing;
  #isUp = true;
  #isHeldDown = false;
  #isDisabled = false;
  #isOccupied = true;

  /** `pool` belongs to the fabric that the link is a part of. */
  constructor(engine: Engine, spec: LinkSpec, name: string, pool = new TlpPool()) {
    this.name = name;
    this.spec = spec;
    this.engine = engine;
    const { generation, width, dllp, maxPayload } = spec;
    const rate = linkRate(generation, width, dllp, maxPayload);
    const clocks = [new LinkClock(rate), new LinkClock(rate)] as const;
    const retrain = () => {
      for (const clock of clocks) clock.hold(engine.now, ns(spec.errors!.retrain));
    };
    const [up, down] = clocks;
    this.upstream = new LinkDirection(engine, this, 'upstream', { clock: up, retrain });
    this.downstream = new LinkDirection(engine, this, 'downstream', { clock: down, retrain });
    this.top = new LinkEnd(this, pool, this.downstream, this.upstream);
    this.bottom = new LinkEnd(this, pool, this.upstream, this.downstream);
  }

  get state(): LinkState {
    return { isUp: this.#isUp, upstream: this.upstream.state, downstream: this.downstream.state };
  }

  /** While it is false, whatever is sent is lost. Who has to answer requests for the other end looks here. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Sees each TLP when it is sent; it must not keep it. */
  set probe(see: ((tlp: Tlp, direction: Direction) => void) | null) {
    this.upstream.probe = see;
    this.downstream.probe = see;
  }

  /** A device is at the lower end. */
  get isOccupied(): boolean {
    return this.#isOccupied;
  }

  /** What is under way is lost, and both ends are told. What they hold they release as always. */
  goDown(): void {
    this.#isHeldDown = true;
    this.#train();
  }

  /** Trains the link again, with all credits, if somebody is at the lower end and it is not disabled. */
  goUp(): void {
    this.#isHeldDown = false;
    this.#train();
  }

  /** Software disables the link, which is then down until it enables it. */
  disable(isDisabled: boolean): void {
    this.#isDisabled = isDisabled;
    this.#train();
  }

  /** Somebody pulls the device out, whatever it does: as `goDown`, until it is plugged in again. */
  unplug(): void {
    this.#setOccupied(false);
  }

  /** The device is put back, as after power-on. */
  plug(): void {
    this.#setOccupied(true);
  }

  reset(): void {
    this.#isUp = true;
    this.#isHeldDown = false;
    this.#isDisabled = false;
    this.#isOccupied = true;
    this.upstream.reset();
    this.downstream.reset();
  }

  #setOccupied(isOccupied: boolean): void {
    if (isOccupied === this.#isOccupied) return;
    this.#isOccupied = isOccupied;
    this.#train();
    this.onContents();
  }

  /** Brings the link up or down, as it has to be now. */
  #train(): void {
    const isUp = this.#isOccupied && !this.#isHeldDown && !this.#isDisabled;
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    for (const { wire } of [this.upstream, this.downstream]) {
      if (isUp) wire.goUp();
      else wire.goDown();
    }
    this.#tell();
    if (isUp) return;
    // Nobody waits for credits any more: what could not be sent is lost now.
    for (const { wire } of [this.upstream, this.downstream]) wire.onFree();
    this.onLost();
  }

  #tell(): void {
    for (const end of [this.top, this.bottom]) end.onChange(this.#isUp);
  }
}

/** What whoever is connected to a link has of it. */
export class LinkEnd {
  readonly link: Link;
  readonly pool: TlpPool;
  /** What a traced task calls whoever is connected here. */
  owner = '';
  /** Whoever is connected here answers requests by itself, and sends its own: it is no root complex, switch or bridge. */
  isDevice = false;
  /** Called when the link has gone down, and when it is up again. Set by the owner of this end. */
  onChange: (isUp: boolean) => void = nothing;
  readonly #out: LinkDirection;
  readonly #in: LinkDirection;

  constructor(link: Link, pool: TlpPool, out: LinkDirection, into: LinkDirection) {
    this.link = link;
    this.pool = pool;
    this.#out = out;
    this.#in = into;
    out.wire.lose = (tlp) => {
      if (tlp.task !== 0) tracedEnd(this, tlp, 'lost');
      pool.give(tlp);
    };
    into.wire.arrived = (tlp, milestone) => tracedArrival(this, tlp, milestone);
  }

  /** A TLP to fill and send. */
  take(): Tlp {
    return this.pool.take();
  }

  /** Gives back a TLP that was taken and not sent. */
  give(tlp: Tlp): void {
    this.pool.give(tlp);
  }

  /** False for what has no credits; a link that is down takes everything. */
  canSend(tlp: Tlp): boolean {
    return this.#out.port.canSend(tlp);
  }

  /** Throws when there is no credit: ask `canSend` first. */
  send(tlp: Tlp): void {
    if (this.link.engine.tasks !== null) tracedDeparture(this, tlp);
    this.#out.send(tlp);
  }

  /** Called when something that could not be sent may go now. */
  set onFree(tell: () => void) {
    this.#out.wire.onFree = tell;
  }

  /** Called with each TLP that arrives, which is `release`d or `forward`ed once. */
  set receive(take: (tlp: Tlp) => void) {
    this.#in.wire.receive = take;
  }

  /** The TLP that arrived here is dealt with: its credits go back to the sender, and it to the pool. */
  release(tlp: Tlp): void {
    if (tlp.task !== 0) tracedEnd(this, tlp, this.isDevice ? 'device' : 'order');
    this.forward(tlp);
    this.pool.give(tlp);
  }

  /** The TLP that arrived here has left: its credits go back to the sender, and it goes on elsewhere. */
  forward(tlp: Tlp): void {
    this.#in.wire.release(tlp);
  }
}

/** One direction: what is counted and seen, then the port, then the wire. */
export class LinkDirection {
  probe: ((tlp: Tlp, direction: Direction) => void) | null = null;
  readonly wire: Wire;
  /** What TLPs are sent into: the wire, or a tap or a fault injector that was put around it when the machine was assembled. */
  port: LinkPort;
  readonly #direction: Direction;

  constructor(engine: Engine, { name: link, spec }: Link, direction: Direction, shared: SharedWire) {
    this.#direction = direction;
    const name = `${link} ${direction}`;
    this.wire = new Wire(engine, {
      name,
      ...shared,
      milestone: direction === 'upstream' ? 'link up' : 'link down',
      latency: ns(spec.latency),
      updateFc: ns(spec.updateFc ?? 0),
      credits: new Credits(name, spec.credits),
      bytes: bytesOnWire(spec),
      damage: spec.errors == null ? null : new Damage(spec.errors, name),
    });
    this.port = this.wire;
  }

  get state(): DirectionState {
    return { ...this.wire.sent, ...this.wire.faults };
  }

  /** Throws when there is no credit: ask `canSend` first. */
  send(tlp: Tlp): void {
    if (this.probe !== null) this.probe(tlp, this.#direction);
    this.port.send(tlp);
  }

  reset(): void {
    this.wire.reset();
  }
}

type SharedWire = Pick<WireSpec, 'clock' | 'retrain'>;

/** How many bytes a TLP counts on a link of this kind. */
function bytesOnWire({ dllp = 'none', ecrc = false }: LinkSpec): (tlp: Tlp) => number {
  const bytes = countsBytes(dllp) ? unpaddedBytes : wireBytes;
  return ecrc ? (tlp) => bytes(tlp) + DIGEST_BYTES : bytes;
}

function nothing(): void {}
