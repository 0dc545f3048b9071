/**
 * Simulated time: integer picoseconds, a type for instants and a type for durations, and clocks that never drift.
 *
 * Surface: `Instant`, `Duration`, `START`, `END`; `ps`, `ns`, `us`, `ms`; `after`, `between`, `formatTime`; `Clock` (edges);
 * `Rate` (bytes in a duration) and `LinkClock` (when a link is free again). Events are rounded, accumulators never.
 */

/** A point of simulated time: picoseconds since the start, a whole number up to 2^53 − 1 (two and a half hours). */
export type Instant = number & { readonly __instant: true };
/** A length of simulated time: a whole number of picoseconds. */
export type Duration = number & { readonly __duration: true };

/** The first instant. */
export const START = 0 as Instant;
/** The last instant: beyond it, picoseconds would no longer be exact. */
export const END = Number.MAX_SAFE_INTEGER as Instant;

const PS_PER_SECOND = 1e12;

/** A duration of `n` picoseconds, rounded to a whole one. Throws if `n` is negative, not a number or too long. */
export const ps = (n: number): Duration => whole(n, 'ps', 1);
/** A duration of `n` nanoseconds, rounded to a picosecond. */
export const ns = (n: number): Duration => whole(n, 'ns', 1e3);
/** A duration of `n` microseconds, rounded to a picosecond. */
export const us = (n: number): Duration => whole(n, 'us', 1e6);
/** A duration of `n` milliseconds, rounded to a picosecond. */
export const ms = (n: number): Duration => whole(n, 'ms', 1e9);

function whole(n: number, unit: string, scale: number): Duration {
  const duration = Math.floor(n * scale + 0.5);
  if (!(n >= 0 && duration <= END)) throw new RangeError(`${n} ${unit} is not a duration: 0 up to 2^53 ps is accepted`);
  return duration as Duration;
}

/** The instant `d` after `t`. */
export const after = (t: Instant, d: Duration): Instant => (t + d) as Instant;

/** The time from `a` to `b`. Negative if `b` is earlier, which no engine will wait for. */
export const between = (a: Instant, b: Instant): Duration => (b - a) as Duration;

/** Exact text of an instant or a duration in microseconds with six decimals: `1.234567 us`. */
export function formatTime(t: Instant | Duration): string {
  const magnitude = t < 0 ? -t : t;
  const micros = Math.floor(magnitude / 1e6);
  const rest = magnitude - micros * 1e6;
  return `${t < 0 ? '-' : ''}${micros}.${String(rest).padStart(6, '0')} us`;
}

/** A clock whose edge `n` is at round(n · 10¹² / hertz) ps: computed from `n`, so that rounding never adds up. */
export class Clock {
  readonly hertz: number;
  // The period is #period / #edges picoseconds, in lowest terms.
  readonly #period: number;
  readonly #edges: number;
  /** Whether 2 · rest · period stays an exact number, which it does for every frequency in whole kilohertz. */
  readonly #small: boolean;

  /** `hertz` is a whole number of edges per second, up to 10¹² (one per picosecond). */
  constructor(hertz: number) {
    if (!(hertz >= 1 && hertz <= PS_PER_SECOND && Math.floor(hertz) === hertz)) {
      throw new RangeError(`a clock of ${hertz} Hz: a whole number of hertz from 1 to 10^12 is accepted`);
    }
    this.hertz = hertz;
    const common = greatestCommonDivisor(PS_PER_SECOND, hertz);
    this.#period = PS_PER_SECOND / common;
    this.#edges = hertz / common;
    this.#small = 2 * this.#edges * this.#period + this.#edges <= END;
  }

  /** Instant of edge `n`; edge 0 is the start. `n` is a whole number, zero or more. */
  edge(n: number): Instant {
    // Every #edges edges the clock is back on a whole picosecond: only the rest needs rounding.
    const turns = Math.floor(n / this.#edges);
    const rest = n - turns * this.#edges;
    const at = turns * this.#period + this.#round(rest);
    if (!(n >= 0 && at <= END && Math.floor(n) === n)) {
      throw new RangeError(`edge ${n} of a ${this.hertz} Hz clock is not an instant of simulated time`);
    }
    return at as Instant;
  }

  /** Number of the first edge at or after `at`. */
  edgeNumber(at: Instant): number {
    // The quotient may be off by one in either direction; the edges themselves decide.
    let n = Math.floor((at / this.#period) * this.#edges);
    while (this.edge(n) < at) n++;
    while (n > 0 && this.edge(n - 1) >= at) n--;
    return n;
  }

  /** Instant of the first edge at or after `at`. */
  nextEdge(at: Instant): Instant {
    return this.edge(this.edgeNumber(at));
  }

  /** Length of `n` cycles, rounded once. To stay on the edges over many waits, go from `edge` to `edge` instead. */
  cycles(n: number): Duration {
    return between(START, this.edge(n));
  }

  #round(rest: number): number {
    if (this.#small) return Math.floor((2 * rest * this.#period + this.#edges) / (2 * this.#edges));
    const edges = BigInt(this.#edges);
    return Number((2n * BigInt(rest) * BigInt(this.#period) + edges) / (2n * edges));
  }
}

/** A bandwidth as an exact fraction: one byte takes `numerator / denominator` picoseconds, in lowest terms. */
export class Rate {
  readonly numerator: number;
  readonly denominator: number;

  /** `bytes` bytes take `duration`. Both are whole numbers; `bytes` is positive. */
  constructor(bytes: number, duration: Duration) {
    if (!(bytes >= 1 && bytes <= END && Math.floor(bytes) === bytes)) {
      throw new RangeError(`a rate of ${bytes} bytes: a whole number of bytes, one or more, is accepted`);
    }
    if (!(duration >= 0 && duration <= END && Math.floor(duration) === duration)) {
      throw new RangeError(`a rate over ${duration} ps: a whole number of picoseconds, zero or more, is accepted`);
    }
    const common = greatestCommonDivisor(bytes, duration);
    this.numerator = duration / common;
    this.denominator = bytes / common;
  }

  /** The rate of a whole number of bytes per second. */
  static perSecond(bytes: number): Rate {
    return new Rate(bytes, 1e12 as Duration);
  }

  /** The rate of `part` in `whole` of this bandwidth. Both are whole numbers, one or more. */
  share(part: number, whole: number): Rate {
    return new Rate(this.denominator * part, (this.numerator * whole) as Duration);
  }

  /** Time that `bytes` bytes take, rounded up to a picosecond. */
  time(bytes: number): Duration {
    return Math.floor((this.units(bytes) + this.denominator - 1) / this.denominator) as Duration;
  }

  /** Time that `bytes` bytes take, in units of 1/denominator picosecond. Throws if that would not be exact. */
  units(bytes: number): number {
    const exact = bytes * this.numerator;
    if (!(bytes >= 0 && Math.floor(bytes) === bytes && exact + 2 * this.denominator <= END)) {
      throw new RangeError(
        `${bytes} bytes cannot be timed exactly at ${this.denominator} bytes per ${this.numerator} ps`,
      );
    }
    return exact;
  }
}

/** The occupancy of one link: each reservation starts when the one before it has ended. */
export class LinkClock {
  readonly rate: Rate;
  // The link is free from #whole + #part / denominator picoseconds on.
  #whole: number = START;
  #part = 0;

  constructor(rate: Rate) {
    this.rate = rate;
  }

  /** The first whole instant at which nothing occupies the link. */
  get free(): Instant {
    return (this.#part === 0 ? this.#whole : this.#whole + 1) as Instant;
  }

  /** Occupies the link with `bytes` bytes from `at`, or from when it is free; returns the instant when the last byte has left. */
  reserve(at: Instant, bytes: number): Instant {
    this.#carry(at, bytes);
    return this.free;
  }

  /** As `reserve`: how long from `at` until the last byte has left. A short time crosses a call as it is, an instant becomes an object. */
  occupy(at: Instant, bytes: number): Duration {
    this.#carry(at, bytes);
    return ((this.#part === 0 ? this.#whole : this.#whole + 1) - at) as Duration;
  }

  #carry(at: Instant, bytes: number): void {
    if (this.#whole < at) {
      this.#whole = at;
      this.#part = 0;
    }
    const { denominator } = this.rate;
    const units = this.#part + this.rate.units(bytes);
    const passed = Math.floor(units / denominator);
    this.#whole += passed;
    this.#part = units - passed * denominator;
  }

  /** Occupies the link for `duration` beyond what does so at `at`. */
  hold(at: Instant, duration: Duration): void {
    if (this.#whole < at) {
      this.#whole = at;
      this.#part = 0;
    }
    this.#whole += duration;
  }

  /** From `at` on nothing occupies the link: what has not left by then never will. */
  abandon(at: Instant): void {
    if (this.#whole < at) return;
    this.#whole = at;
    this.#part = 0;
  }

  /** Back to a link that was never used. */
  reset(): void {
    this.#whole = START;
    this.#part = 0;
  }
}

/** The largest whole number that divides both `a` and `b`, which are whole and not both zero. */
function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
