/** When a read of a line ends: in the last-level cache or in DRAM, near or far, while it is free or refreshed or busy. */
import { numberOf } from '../bits/index.ts';
import { type Duration, type Instant, ns } from '../sim/index.ts';

export interface LineSpec {
  /** Nanoseconds of a read from DRAM in the nearest slice. */
  readonly latency: number;
  readonly cache: { readonly bytes: number; readonly latency: number } | null;
  readonly slices: number;
  readonly refresh: { readonly interval: number; readonly duration: number } | null;
  readonly lineBusy: number;
}

const LINE_SHIFT = 6;
/** Distances from which a slice answers. */
const DISTANCES = 9;
/** Lines of which it is known until when they are busy: what hashes alike shares a place, and the later one counts. */
const BUSY_LINES = 4096;

export class LineTimes {
  readonly #dram: Duration;
  readonly #cache: Duration;
  readonly #cacheBytes: number;
  /** Added by distance. */
  readonly #distances: readonly Duration[];
  readonly #interval: Duration;
  readonly #refresh: Duration;
  readonly #lineBusy: number;
  /** What the CPU has touched last, as far as the cache holds it: [start, end). */
  #warmStart = 0;
  #warmEnd = 0;
  readonly #busyLo = new Int32Array(BUSY_LINES);
  readonly #busyHi = new Int32Array(BUSY_LINES).fill(-1);
  readonly #busyUntil = new Float64Array(BUSY_LINES);

  constructor({ latency, cache, slices, refresh, lineBusy }: LineSpec) {
    this.#dram = ns(latency);
    this.#cache = ns(cache?.latency ?? 0);
    this.#cacheBytes = cache?.bytes ?? 0;
    this.#distances = Array.from({ length: DISTANCES }, (_, i) => ns((slices * i) / (DISTANCES - 1)));
    this.#interval = ns(refresh?.interval ?? 1);
    this.#refresh = ns(refresh?.duration ?? 0);
    this.#lineBusy = lineBusy;
  }

  warm(start: number, length: number): void {
    this.#warmEnd = start + length;
    this.#warmStart = this.#warmEnd - Math.min(length, this.#cacheBytes);
  }

  /** The line of the address with these halves, that a device may have written into the cache, if there is one. */
  isCached(hi: number, lo: number, isWritten: boolean): boolean {
    if (isWritten && this.#cacheBytes > 0) return true;
    const address = numberOf(hi, lo);
    return address >= this.#warmStart && address < this.#warmEnd;
  }

  /** How long from `now` a read of that line takes that may begin in `queued`. `isCached` is what was said of it. */
  read(hi: number, lo: number, now: Instant, queued: number, isCached: boolean): Duration {
    const lineHi = hi >>> LINE_SHIFT;
    const lineLo = (lo >>> LINE_SHIFT) | (hi << (32 - LINE_SHIFT));
    const hash = hashed(lineHi, lineLo);
    let takes = this.#distances[(hash >>> 12) % DISTANCES]! + (isCached ? this.#cache : this.#dram);
    let wait = queued;
    const place = hash & (BUSY_LINES - 1);
    if (this.#busyLo[place] === lineLo && this.#busyHi[place] === lineHi) {
      wait = Math.max(wait, this.#busyUntil[place]! - now);
    }
    if (!isCached) takes += this.#refreshWait(now + wait + takes);
    if (this.#lineBusy > 0) {
      this.#busyLo[place] = lineLo;
      this.#busyHi[place] = lineHi;
      this.#busyUntil[place] = now + wait + Math.floor(takes * this.#lineBusy);
    }
    return ((wait + takes) | 0) as Duration;
  }

  reset(): void {
    this.#warmStart = 0;
    this.#warmEnd = 0;
    this.#busyHi.fill(-1);
    this.#busyUntil.fill(0);
  }

  /** How long DRAM keeps an answer back that would come at `at`. */
  #refreshWait(at: number): number {
    // A remainder of numbers beyond 32 bits is a call of fmod. The quotient may be rounded up to the next whole one, never down.
    let phase = at - Math.floor(at / this.#interval) * this.#interval;
    if (phase < 0) phase += this.#interval;
    return phase < this.#refresh ? this.#refresh - phase : 0;
  }
}

/** Spreads lines evenly, also those that lie a power of two apart. */
function hashed(lineHi: number, lineLo: number): number {
  let x = Math.imul(lineLo ^ Math.imul(lineHi, 0x85ebca6b), 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return (x ^ (x >>> 12)) >>> 0;
}
