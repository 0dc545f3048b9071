/**
 * A link: two directions, each with a rate, a latency and credits. TLPs arrive in the order in which they were sent.
 *
 * Surface: two ends, each a `LinkEnd`, by which it is used. A posted or non-posted TLP holds a credit from `send` to
 * `release` or `forward`, so whoever is slow to deal with it stalls the sender. Completions need no credit: who asks has room for the answer. `probe` sees what is sent.
 *
 * Inaccuracies: header credits only, and they come back without delay; Ack, UpdateFC and SKIP take no time on the wire;
 * nothing is lost or replayed; generation 6 has the rate of flits but no flits.
 */
import { Channel, type Component, type Engine, LinkClock, ns, type Port, ps, Rate } from '../sim/index.ts';
import { wireBytes } from './sizes.ts';
import { type Generation, LINK_RATES, type Width } from './spec/index.ts';
import type { Tlp } from './tlp.ts';
import { TlpPool } from './tlp-pool.ts';

export interface LinkSpec {
  readonly generation: Generation;
  /** Lanes. */
  readonly width: Width;
  /** Nanoseconds from the last byte leaving one end to the TLP being available at the other. */
  readonly latency: number;
  /** Requests that each end can take before it releases one. */
  readonly credits: { readonly posted: number; readonly nonPosted: number };
}

/** Generation 3, four lanes, credits of a small root port. Not architectural. */
export const LINK: LinkSpec = { generation: 3, width: 4, latency: 150, credits: { posted: 32, nonPosted: 32 } };

export type Direction = 'upstream' | 'downstream';

export interface LinkState {
  /** TLPs and bytes with all overhead that were sent. */
  readonly upstream: DirectionState;
  readonly downstream: DirectionState;
}

export interface DirectionState {
  tlps: number;
  bytes: number;
}

/** The rate of a link for everything that `wireBytes` counts, as an exact fraction. */
export function linkRate(generation: Generation, width: Width): Rate {
  const { decitransfers, payload, encoded } = LINK_RATES[generation];
  // One lane moves a bit in 10 000 / decitransfers ps, and of `encoded` bits `payload` count.
  return new Rate(decitransfers * width * payload, ps(encoded * 8 * 10_000));
}

export class Link implements Component<LinkSpec, LinkState> {
  readonly name: string;
  readonly spec: LinkSpec;
  readonly upstream: LinkDirection;
  readonly downstream: LinkDirection;
  /** The end towards the root complex, and the end towards the device. */
  readonly top: LinkEnd;
  readonly bottom: LinkEnd;

  /** `pool` belongs to the fabric that the link is a part of. */
  constructor(engine: Engine, spec: LinkSpec, name: string, pool = new TlpPool()) {
    this.name = name;
    this.spec = spec;
    this.upstream = new LinkDirection(engine, name, spec, 'upstream');
    this.downstream = new LinkDirection(engine, name, spec, 'downstream');
    this.top = new LinkEnd(this, pool, this.downstream, this.upstream);
    this.bottom = new LinkEnd(this, pool, this.upstream, this.downstream);
  }

  get state(): LinkState {
    return { upstream: { ...this.upstream.counts }, downstream: { ...this.downstream.counts } };
  }

  /** Sees each TLP when it is sent; it must not keep it. */
  set probe(see: ((tlp: Tlp, direction: Direction) => void) | null) {
    this.upstream.probe = see;
    this.downstream.probe = see;
  }

  reset(): void {
    this.upstream.reset();
    this.downstream.reset();
  }
}

/** What whoever is connected to a link has of it. */
export class LinkEnd {
  readonly link: Link;
  readonly pool: TlpPool;
  readonly #out: LinkDirection;
  readonly #in: LinkDirection;

  constructor(link: Link, pool: TlpPool, out: LinkDirection, into: LinkDirection) {
    this.link = link;
    this.pool = pool;
    this.#out = out;
    this.#in = into;
    out.lose = (tlp) => pool.give(tlp);
  }

  /** A TLP to fill and send. */
  take(): Tlp {
    return this.pool.take();
  }

  /** Gives back a TLP that was taken and not sent. */
  give(tlp: Tlp): void {
    this.pool.give(tlp);
  }

  /** True when there are credits for this TLP. */
  canSend(tlp: Tlp): boolean {
    return this.#out.canSend(tlp);
  }

  /** Throws when there is no credit: ask `canSend` first. */
  send(tlp: Tlp): void {
    this.#out.send(tlp);
  }

  /** Called when something that could not be sent may go now. */
  set onFree(tell: () => void) {
    this.#out.onFree = tell;
  }

  /** Called with each TLP that arrives, which is `release`d or `forward`ed once. */
  set receive(take: (tlp: Tlp) => void) {
    this.#in.receive = take;
  }

  /** The TLP that arrived here is dealt with: its credit goes back to the sender, and it to the pool. */
  release(tlp: Tlp): void {
    this.forward(tlp);
    this.pool.give(tlp);
  }

  /** The TLP that arrived here has left: its credit goes back to the sender, and it goes on elsewhere. */
  forward(tlp: Tlp): void {
    this.#in.free(tlp);
  }
}

/**
 * One direction: a channel per flow-control class on one wire, so that a class without credits holds up no other and
 * what was sent first still arrives first.
 */
export class LinkDirection {
  readonly counts: DirectionState = { tlps: 0, bytes: 0 };
  probe: ((tlp: Tlp, direction: Direction) => void) | null = null;
  /** Set by the sending end: a class that had no credit has one again. */
  onFree: () => void = nothing;
  /** Takes each TLP that is lost when the link goes down. */
  lose: (tlp: Tlp) => void = nothing;
  /** Set by the receiving end. */
  receive: (tlp: Tlp) => void = unconnected;
  /** The sending ends by class. When a machine is assembled, a tap or a fault injector may be put around one. */
  readonly ports: [posted: Port<Tlp>, nonPosted: Port<Tlp>, completions: Port<Tlp>];
  readonly #direction: Direction;
  readonly #clock: LinkClock;
  readonly #channels: readonly Channel<Tlp>[];
  readonly #releases: (() => void)[] = [nothing, nothing, nothing];

  constructor(engine: Engine, link: string, spec: LinkSpec, direction: Direction) {
    this.#direction = direction;
    this.#clock = new LinkClock(linkRate(spec.generation, spec.width));
    const wire = { clock: this.#clock, bytes: wireBytes };
    const channel = (what: string, credits: number): Channel<Tlp> =>
      new Channel(engine, `${link} ${direction} ${what}`, credits, ns(spec.latency), wire);
    const posted = channel('posted', spec.credits.posted);
    const nonPosted = channel('non-posted', spec.credits.nonPosted);
    const completions = channel('completions', Infinity);
    this.#channels = [posted, nonPosted, completions];
    this.ports = [posted, nonPosted, completions];
    this.#channels.forEach((each, creditClass) => {
      each.onFree = () => this.onFree();
      each.receive = (tlp, release) => {
        this.#releases[creditClass] = release;
        this.receive(tlp);
      };
    });
  }

  canSend({ creditClass }: Tlp): boolean {
    return this.ports[creditClass]!.canSend;
  }

  /** Throws when there is no credit: ask `canSend` first. */
  send(tlp: Tlp): void {
    this.counts.tlps++;
    this.counts.bytes += wireBytes(tlp);
    if (this.probe !== null) this.probe(tlp, this.#direction);
    this.ports[tlp.creditClass]!.send(tlp);
  }

  /** The credit of a TLP that has arrived goes back to the sender. */
  free({ creditClass }: Tlp): void {
    this.#releases[creditClass]!();
  }

  reset(): void {
    this.counts.tlps = 0;
    this.counts.bytes = 0;
    this.#clock.reset();
    for (const channel of this.#channels) channel.reset(this.lose);
  }
}

function nothing(): void {}

function unconnected(): void {
  throw new Error('a TLP arrived at an end of a link that nothing is connected to');
}
