/**
 * The path of a DMA, loosely timed: each command goes from its issue to its end at once, and the time of every part is worked out from
 * when that part is free. The same specification, unit and memory as the approximately timed path (`DmaPath`), a fraction of
 * its cost.
 *
 * Surface: `read` and `write` take commands in the order in which the device issues them; `shares` says where the time went.
 *
 * Inaccuracies: parts that serve out of order (completions on the link, memory) know how busy they are, not who comes first; a
 * read and a write that would leave at the same time leave in the order in which they are told; misses of one page are always merged.
 */
import { numberOf } from '../bits/index.ts';
import type { IommuUnit, TimedIommuSpec } from '../iommu/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { linkRate, pieceLength } from '../pcie/index.ts';
import { type Instant, LinkClock, ns, type Rate } from '../sim/index.ts';
import { Capacity } from './capacity.ts';
import {
  blocksIn,
  completionBytes,
  isSlowAfter,
  landingTime,
  linesOf,
  NOBODY,
  READS,
  readGap,
  requestBytes,
  writeTime,
} from './figures.ts';
import { LooseIommu } from './loose-iommu.ts';
import { Milestone, Shares } from './milestones.ts';
import type { PathSpec } from './parameters.ts';
import { WriteCache } from './write-cache.ts';

export interface LoosePathParts {
  readonly controller: MemoryController;
  /** Without one, addresses pass as they are. */
  readonly iommu: { readonly unit: IommuUnit; readonly spec: TimedIommuSpec } | null;
  /** Of the device. */
  readonly requester: number;
}

/** What is free, or was, when. */
const At = {
  /** The last read command was issued, and what came last was put away. */
  ISSUED: 0,
  LANDED: 1,
  /** The write engine can begin another command. */
  WRITE_FREE: 2,
  LINK_UP: 3,
  /** The root complex takes the next read. */
  NEXT_READ: 4,
  /** The last write had its turn, and everybody sees all that came before. */
  TURN: 5,
  VISIBLE: 6,
  /** The last completion of the command that is being read has left. */
  CAME: 7,
} as const;

export class LooselyTimedPath {
  readonly spec: PathSpec;
  readonly shares = new Shares();
  readonly iommu: LooseIommu | null;
  /** Requests whose translation failed. */
  faults = 0;
  readonly #controller: MemoryController;
  readonly #rate: Rate;
  readonly #up: LinkClock;
  readonly #down = new Capacity();
  readonly #written: WriteCache;
  readonly #latency: number;
  readonly #issue: number;
  readonly #turnaround: number;
  /** When the command that many before was put away; when the TLP that many before began to leave, and had left. */
  readonly #tags: Float64Array;
  readonly #began: Float64Array;
  readonly #left: Float64Array;
  /** When the posted credit of each line is back, in the order in which they are taken. */
  readonly #credits: Float64Array;
  #reads = 0;
  #writes = 0;
  #lines = 0;
  /** Instants, by `At`: in an array, where none of them becomes an object. */
  readonly #at = new Float64Array(Object.keys(At).length);
  /** Who sent last on the link up. */
  #last = NOBODY;

  constructor(spec: PathSpec, { controller, iommu, requester }: LoosePathParts) {
    const { device, link, root } = spec;
    this.spec = spec;
    this.iommu = iommu === null ? null : new LooseIommu(iommu.unit, controller, iommu.spec, requester);
    this.#controller = controller;
    this.#rate = linkRate(link.generation, link.width, link.dllp, device.maxPayload);
    this.#up = new LinkClock(this.#rate);
    this.#written = new WriteCache(root.writeCache);
    this.#latency = ns(link.latency);
    this.#issue = ns(device.readIssue);
    this.#turnaround = ns(device.turnaround);
    this.#tags = new Float64Array(device.tags);
    this.#began = new Float64Array(device.writeFifo);
    this.#left = new Float64Array(device.writeFifo);
    this.#credits = new Float64Array(root.postedLines);
  }

  /** When the last read command was issued. */
  get issued(): number {
    return this.#at[At.ISSUED]!;
  }

  /** When the write engine can begin another command. */
  get writeFree(): number {
    return this.#at[At.WRITE_FREE]!;
  }

  /** A read command that may begin at `ready`: when it is put away. */
  read(ready: number, hi: number, lo: number, length: number): number {
    const { device } = this.spec;
    const tag = this.#reads % this.#tags.length;
    this.#reads++;
    const issued = Math.max(ready, this.#tags[tag]!, this.#at[At.ISSUED]!) + this.#issue;
    this.#at[At.ISSUED] = issued;
    this.#at[At.CAME] = 0;
    let came = 0;
    let sum = 0;
    let parts = 0;
    for (let place = 0; place < length; parts++) {
      const bytes = pieceLength(lo + place, length - place, device.maxReadRequest);
      const at = this.#request(issued, hi, (lo + place) | 0, bytes);
      came = Math.max(came, at);
      sum += at;
      place += bytes;
    }
    const landed = Math.max(came, this.#at[At.LANDED]!) + landingTime(device, length);
    this.#at[At.LANDED] = landed;
    this.#tags[tag] = landed;
    this.shares.sums[Milestone.LANDING]! += landed * parts - sum;
    this.shares.requests += parts;
    return landed;
  }

  /** A write command that may begin at `ready`: when everybody sees it. */
  write(ready: number, hi: number, lo: number, length: number): number {
    const { device } = this.spec;
    let built = Math.max(ready, this.#at[At.WRITE_FREE]!) + ns(device.write.command);
    let slot = 0;
    for (let place = 0; place < length; slot ^= 1) {
      const bytes = pieceLength(lo + place, length - place, device.maxPayload);
      const fifo = this.#writes % this.#began.length;
      if (this.#began[fifo]! > built) built = this.#left[fifo]!;
      const begun = built;
      built += blocksIn(place, bytes) * ns(device.write.block);
      this.#post(begun, built, slot, hi, (lo + place) | 0, bytes);
      place += bytes;
    }
    this.#at[At.WRITE_FREE] = built;
    return this.#at[At.VISIBLE]!;
  }

  /** The CPU has touched these bytes last, as far as the part holds them into which devices write. */
  warm(start: number, length: number): void {
    this.#written.warm(start, length);
  }

  /** One request of a read, from its issue until its data have come. */
  #request(issued: number, hi: number, lo: number, length: number): number {
    const arrived = this.#send(issued, READS, requestBytes(0));
    const turn = Math.max(arrived, this.#at[At.NEXT_READ]!);
    this.#at[At.NEXT_READ] = turn + readGap(this.spec.root, length);
    this.#share(Milestone.ORDER, turn - arrived);
    const translated = this.#translate(turn, false, hi, lo);
    const fetched = Math.max(translated, this.#at[At.VISIBLE]!);
    this.#share(Milestone.ORDER, fetched - translated);
    return this.#fetch(fetched, hi, lo, length);
  }

  /** Reads memory in parts as large as completions: when the last of these is down. */
  #fetch(from: number, hi: number, lo: number, length: number): number {
    let fetched = from;
    let came = 0;
    const t = this.iommu?.translation;
    if (this.#failed()) {
      came = this.#comeDown(from, 0);
    } else {
      const hpaHi = t?.hpaHi ?? hi;
      const hpaLo = t?.hpaLo ?? lo;
      for (let place = 0; place < length; ) {
        const at = (hpaLo + place) | 0;
        const bytes = pieceLength(at, length - place, this.spec.root.maxPayload);
        const isWritten = this.#written.holds(hpaHi, at);
        const has = from + this.#controller.readAt(from as Instant, hpaHi, at, bytes, isWritten);
        fetched = Math.max(fetched, has);
        came = Math.max(came, this.#comeDown(has, bytes));
        place += bytes;
      }
    }
    this.#share(Milestone.MEMORY, fetched - from);
    this.#share(Milestone.LINK_DOWN, came - fetched);
    return came;
  }

  #comeDown(from: number, data: number): number {
    const begins = Math.max(from, this.#at[At.CAME]!);
    const left = this.#down.take(begins, this.#rate.time(completionBytes(data)));
    this.#at[At.CAME] = left;
    return left + this.#latency;
  }

  /** A TLP of a write, put together between `begun` and `built`: it is sent, translated, and seen by everybody. */
  #post(begun: number, built: number, slot: number, hi: number, lo: number, length: number): void {
    const lines = linesOf(lo, length);
    const credits = this.#credits;
    const last = this.#lines + lines - 1;
    const arrived = this.#send(Math.max(built, credits[last % credits.length]!), slot, requestBytes(length));
    this.#share(Milestone.CREDIT, Math.max(credits[last % credits.length]! - built, 0) + built - begun);
    const translated = this.#translate(arrived, true, hi, lo);
    const turn = Math.max(translated, this.#at[At.TURN]!);
    this.#at[At.TURN] = turn;
    this.#share(Milestone.ORDER, turn - translated);
    const visible = turn + this.#writeTime(hi, lo, lines);
    this.#share(Milestone.MEMORY, visible - turn);
    this.#at[At.VISIBLE] = Math.max(visible, this.#at[At.VISIBLE]!);
    for (let line = this.#lines; line <= last; line++) credits[line % credits.length] = visible;
    this.#lines = last + 1;
    this.shares.requests++;
  }

  #writeTime(hi: number, lo: number, lines: number): number {
    if (this.#failed()) return 0;
    const t = this.iommu?.translation;
    return writeTime(this.spec.root, this.#written.write(numberOf(t?.hpaHi ?? hi, t?.hpaLo ?? lo), lines));
  }

  /** Puts a TLP that is ready at `from` onto the link: when it reaches the root complex. */
  #send(from: number, source: number, bytes: number): number {
    const isWrite = source !== READS;
    const isSlow = isSlowAfter(this.#last, source);
    this.#last = source;
    const begins = Math.max(from, this.#at[At.LINK_UP]!);
    const left = this.#up.reserve((begins + (isSlow ? this.#turnaround : 0)) as Instant, bytes);
    this.#at[At.LINK_UP] = left;
    if (isWrite) {
      const fifo = this.#writes % this.#began.length;
      this.#writes++;
      this.#began[fifo] = begins;
      this.#left[fifo] = left;
    }
    this.#share(Milestone.CREDIT, begins - from);
    this.#share(Milestone.LINK_UP, left + this.#latency - begins);
    return left + this.#latency;
  }

  #translate(at: number, isWrite: boolean, hi: number, lo: number): number {
    const { iommu } = this;
    if (iommu === null) return at;
    const end = iommu.answer(at, isWrite, hi, lo);
    const { looked } = iommu;
    this.#share(Milestone.LOOKUP, looked - at);
    this.#share(Milestone.WALK, end - looked);
    return end;
  }

  /** Whether the request that was translated last has no place to go. */
  #failed(): boolean {
    if (this.iommu === null || this.iommu.succeeded) return false;
    this.faults++;
    return true;
  }

  #share(milestone: number, duration: number): void {
    this.shares.sums[milestone]! += duration;
  }
}
