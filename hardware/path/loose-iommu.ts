/**
 * An IOMMU, loosely timed: a unit of either vendor answers at once, and what that takes in time is worked out: the look-up, the wait
 * for a walker and for who walks in the same region, each read of the walk.
 *
 * Requests are asked in the order in which they arrive. A page that was filled by a walk that has not ended at that instant is there
 * when it has: misses are merged.
 */
import { highHalf, lowHalf, PAGE_SHIFT } from '../bits/index.ts';
import {
  Access,
  ENTRY_BYTES,
  type IommuUnit,
  NO_PASID,
  Status,
  Step,
  type TimedIommuSpec,
  Translation,
  type Walk,
} from '../iommu/index.ts';
import { type MemoryController, type MemoryOperation, OperationKind } from '../memory/index.ts';
import { type Instant, ns } from '../sim/index.ts';

/** Pages and regions of which it is known until when somebody walks: what hashes alike shares a place, and the later one counts. */
const PLACES = 4096;
const NO_PAGE = -1;

/** When the last look-up was over, and the next may be. */
const At = { LOOKED: 0, NEXT_LOOKUP: 1 } as const;

export class LooseIommu {
  readonly translation = new Translation();
  misses = 0;
  readonly #unit: IommuUnit;
  readonly #controller: MemoryController;
  readonly #lookup: number;
  readonly #interval: number;
  readonly #fetch: number;
  readonly #hold: number;
  readonly #requester: number;
  /** When the request that many before was answered. */
  readonly #answers: Float64Array;
  readonly #walkers: Float64Array;
  readonly #pages = new Until(PAGE_SHIFT);
  /** `null` where walks exclude no others. */
  readonly #regions: Until | null;
  #asked = 0;
  /** Instants, by `At`: in an array, where none of them becomes an object. */
  readonly #times = new Float64Array(2);

  constructor(unit: IommuUnit, controller: MemoryController, spec: TimedIommuSpec, requester: number) {
    this.#unit = unit;
    this.#controller = controller;
    this.#lookup = ns(spec.lookup);
    this.#interval = ns(spec.lookupInterval ?? 0);
    this.#fetch = ns(spec.fetch ?? 0);
    this.#hold = ns(spec.readHold ?? 0);
    this.#requester = requester;
    const { walkRegion = null } = spec;
    this.#regions = walkRegion === null ? null : new Until(walkRegion);
    this.#answers = new Float64Array(spec.requests);
    this.#walkers = new Float64Array(spec.walkers);
  }

  /** A request arrives at `at`: the instant of its answer, which is in `translation`. */
  answer(at: number, isWrite: boolean, hi: number, lo: number): number {
    const { translation: t } = this;
    const place = this.#asked % this.#answers.length;
    this.#asked++;
    const looked = Math.max(at, this.#answers[place]!, this.#times[At.NEXT_LOOKUP]! - this.#lookup) + this.#lookup;
    this.#times[At.NEXT_LOOKUP] = looked + this.#interval;
    t.ask(this.#requester, NO_PASID, isWrite ? Access.WRITE : Access.READ, hi, lo);
    const walked = this.#pages.of(hi, lo);
    let end = Math.max(looked, walked);
    if (!this.#unit.hit(t)) {
      // Somebody is still walking for this page, whose entry others have already driven out.
      if (walked > looked) this.#unit.translate(t);
      else end = this.#miss(looked, isWrite, hi, lo);
      this.#pages.set(hi, lo, end);
    }
    this.#times[At.LOOKED] = looked;
    this.#answers[place] = end;
    return end;
  }

  /** When the look-up of the last request was over. */
  get looked(): number {
    return this.#times[At.LOOKED]!;
  }

  get succeeded(): boolean {
    return this.translation.status === Status.SUCCESS;
  }

  reset(): void {
    for (const times of [this.#answers, this.#walkers]) times.fill(0);
    this.#pages.reset();
    this.#regions?.reset();
    this.misses = 0;
    this.#asked = 0;
    this.#times.fill(0);
    this.#unit.reset();
  }

  /** Walks, from `at` on at the earliest: when the walk has ended. */
  #miss(at: number, isWrite: boolean, hi: number, lo: number): number {
    this.misses++;
    const regions = this.#regions;
    const walker = this.#firstFree();
    let from = Math.max(at, this.#walkers[walker]!);
    if (regions !== null) from = Math.max(from, regions.of(hi, lo));
    const end = this.#walk(from);
    if (regions !== null) regions.set(hi, lo, end);
    this.#walkers[walker] = isWrite ? end : end + this.#hold;
    return end;
  }

  #firstFree(): number {
    const free = this.#walkers;
    let first = 0;
    for (let i = 1; i < free.length; i++) if (free[i]! < free[first]!) first = i;
    return first;
  }

  /** The walk of `translation`: its end. */
  #walk(from: number): number {
    const unit = this.#unit;
    const { translation: t } = this;
    if (!unit.begin(t)) return this.#whole(from, unit.walk(t), null);
    const { steps } = t;
    let now = from;
    let step: number = Step.MORE;
    while (step === Step.MORE) {
      now += this.#read(now, steps.tableHi, steps.entryLo, ENTRY_BYTES);
      step = unit.step(t);
    }
    if (step === Step.DONE) return now;
    const walk = unit.resume(t);
    return this.#whole(now, walk, steps.replay(walk, this.#controller.memory));
  }

  /** Goes on with the whole procedure, whose next access is `operation`; `null`: nothing of it has begun, or it has ended. */
  #whole(from: number, walk: Walk, operation: MemoryOperation | null): number {
    const { memory } = this.#controller;
    let now = from;
    let next = operation ?? walk.next().value;
    while (next !== undefined) {
      if (next.kind !== OperationKind.BARRIER) {
        now += this.#read(now, highHalf(next.address), lowHalf(next.address), next.count * 4);
        memory.perform(next);
      } else {
        // What was asked before has had its answer already.
        next.ok = true;
      }
      next = walk.next().value;
    }
    this.#unit.report(this.translation);
    return now;
  }

  #read(now: number, hi: number, lo: number, bytes: number): number {
    return this.#controller.readAt(now as Instant, hi, lo, bytes) + this.#fetch;
  }
}

/** Instants by page of 2^shift bytes. */
class Until {
  readonly #shift: number;
  readonly #pageHi = new Int32Array(PLACES).fill(NO_PAGE);
  readonly #pageLo = new Int32Array(PLACES);
  readonly #until = new Float64Array(PLACES);

  constructor(shift: number) {
    this.#shift = shift;
  }

  of(hi: number, lo: number): number {
    const pageLo = this.#lowOf(hi, lo);
    const place = pageLo & (PLACES - 1);
    return this.#pageLo[place] === pageLo && this.#pageHi[place] === hi >>> this.#shift ? this.#until[place]! : 0;
  }

  set(hi: number, lo: number, until: number): void {
    const pageLo = this.#lowOf(hi, lo);
    const place = pageLo & (PLACES - 1);
    this.#pageLo[place] = pageLo;
    this.#pageHi[place] = hi >>> this.#shift;
    this.#until[place] = until;
  }

  reset(): void {
    this.#pageHi.fill(NO_PAGE);
  }

  /** Low half of the number of the page. */
  #lowOf(hi: number, lo: number): number {
    return (lo >>> this.#shift) | (hi << (32 - this.#shift));
  }
}
