/**
 * Who may walk when: a number of walkers, taken in the order of asking; misses of one page that become one walk; regions of
 * which each has one walk at a time.
 *
 * Surface: `ask` for a walk, `end` it when its request has been answered. Needs somebody who begins walks and looks requests up again.
 */
import { Access, AddressType, type TranslationRequest } from '../pcie/index.ts';
import { type Duration, type Engine, type Handler, ns, Ring } from '../sim/index.ts';

export interface WalkersSpec {
  /** Walks that may be under way. */
  readonly walkers: number;
  /** A request whose page somebody else is walking for waits for that walk; by default it begins one of its own. */
  readonly mergeMisses?: boolean;
  /** log2 of the bytes, 12 to 31, within which only one walk goes on at a time; the others wait with their walkers. */
  readonly walkRegion?: number | null;
  /** Nanoseconds for which the walk for a read keeps its walker beyond its end; 0 by default. */
  readonly readHold?: number;
}

/** Somebody whose request needs a walk. */
export class Walkable {
  request: TranslationRequest | null = null;
  /** Behind it in its bucket of pages that are being walked for. */
  next: Walkable | null = null;
  isLeader = false;
  /** Others who wait for its page, first and last of a list along `after`. */
  first: Walkable | null = null;
  last: Walkable | null = null;
  after: Walkable | null = null;
  /** Who holds a walker and waits for this walk to end, because it is in the same region. */
  follower: Walkable | null = null;
}

export interface WalkStarter<W extends Walkable> {
  /** Begins the walk. */
  walk(one: W): void;
  /** Looks the request up again, because time has passed; true when that has answered it. */
  retry(one: W): boolean;
}

const BUCKETS = 128;
const { WRITE } = Access;

export class Walkers<W extends Walkable> implements Handler {
  readonly name = 'the walkers of an IOMMU';
  readonly #engine: Engine;
  readonly #spec: WalkersSpec;
  readonly #starter: WalkStarter<W>;
  readonly #hold: Duration;
  readonly #region: number;
  readonly #buckets = new Array<Walkable | null>(BUCKETS).fill(null);
  readonly #waiting = new Ring<W>();
  /** Who holds a walker. */
  readonly #active: W[] = [];
  /** How many of these count: an array that is made shorter is a call into the runtime. */
  #busy = 0;
  #free: number;

  constructor(engine: Engine, spec: WalkersSpec, starter: WalkStarter<W>) {
    this.#engine = engine;
    this.#spec = spec;
    this.#starter = starter;
    this.#hold = ns(spec.readHold ?? 0);
    this.#region = spec.walkRegion ?? 0;
    this.#free = spec.walkers;
  }

  /** Its look-up has just found nothing. */
  ask(one: W): void {
    if (this.#spec.mergeMisses === true && this.#joins(one)) return;
    if (this.#free === 0) this.#waiting.push(one);
    else this.#take(one);
  }

  /** The walk of `one` for `request`, which has been answered, is over. */
  end(one: W, request: TranslationRequest): void {
    const { follower } = one;
    one.follower = null;
    this.#retire(one);
    this.#tellWaiters(one, request);
    if (follower !== null) this.#starter.walk(follower as W);
    if (this.#hold > 0 && (request.access & WRITE) === 0) this.#engine.schedule(this.#hold, this, 0);
    else this.handle();
  }

  /** A walker is free: who waits for one takes it. Called by the engine where the walker was held. */
  handle(): void {
    this.#free++;
    while (this.#free > 0 && this.#waiting.length > 0) {
      const one = this.#waiting.shift();
      const request = one.request!;
      // Another walk may have found the page meanwhile.
      if (this.#starter.retry(one)) this.#tellWaiters(one, request);
      else this.#take(one);
    }
  }

  reset(): void {
    this.#buckets.fill(null);
    this.#waiting.clear();
    this.#busy = 0;
    this.#free = this.#spec.walkers;
  }

  /** Others keep their order: the last of a region is behind those before it. */
  #retire(one: W): void {
    const active = this.#active;
    const last = --this.#busy;
    let at = 0;
    while (active[at] !== one) at++;
    for (; at < last; at++) active[at] = active[at + 1]!;
  }

  /** Waits for the walk of another, if there is one; else others wait for this one. */
  #joins(one: W): boolean {
    const request = one.request!;
    if (request.addressType !== AddressType.UNTRANSLATED) return false;
    const bucket = bucketOf(request);
    for (let leader = this.#buckets[bucket] ?? null; leader !== null; leader = leader.next) {
      if (!isSamePage(leader.request!, request)) continue;
      one.after = null;
      if (leader.last === null) leader.first = one;
      else leader.last.after = one;
      leader.last = one;
      return true;
    }
    one.next = this.#buckets[bucket]!;
    one.isLeader = true;
    this.#buckets[bucket] = one;
    return false;
  }

  #take(one: W): void {
    this.#free--;
    const before = this.#region === 0 ? null : this.#lastOfRegion(one);
    this.#active[this.#busy++] = one;
    if (before === null) this.#starter.walk(one);
    else before.follower = one;
  }

  #lastOfRegion(one: W): W | null {
    const active = this.#active;
    for (let i = 0; i < this.#busy; i++) if (this.#excludes(active[i]!, one)) return active[i]!;
    return null;
  }

  /** `other` is the last of its region, which is also that of `one`. */
  #excludes(other: W, one: W): boolean {
    if (other.follower !== null) return false;
    const a = other.request!;
    const b = one.request!;
    return a.addressHi === b.addressHi && a.addressLo >>> this.#region === b.addressLo >>> this.#region;
  }

  /** Whoever waited for the page of `one` finds it now, or asks for a walk. */
  #tellWaiters(one: W, request: TranslationRequest): void {
    if (!one.isLeader) return;
    one.isLeader = false;
    this.#unlink(one, bucketOf(request));
    let waiter = one.first as W | null;
    one.first = null;
    one.last = null;
    while (waiter !== null) {
      const after = waiter.after as W | null;
      if (!this.#starter.retry(waiter)) this.ask(waiter);
      waiter = after;
    }
  }

  #unlink(one: Walkable, bucket: number): void {
    let at = this.#buckets[bucket]!;
    if (at === one) {
      this.#buckets[bucket] = one.next;
      return;
    }
    while (at !== null && at.next !== one) at = at.next!;
    at.next = one.next;
  }
}

function bucketOf({ addressHi, addressLo, requester }: TranslationRequest): number {
  return (Math.imul((addressLo >>> 12) ^ (addressHi << 20) ^ requester, 0x9e3779b1) >>> 25) & (BUCKETS - 1);
}

function isSamePage(a: TranslationRequest, b: TranslationRequest): boolean {
  return (
    a.addressLo >>> 12 === b.addressLo >>> 12 &&
    a.addressHi === b.addressHi &&
    a.requester === b.requester &&
    a.pasid === b.pasid
  );
}
