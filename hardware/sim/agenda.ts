/**
 * Everything that is going to happen, in the order (time, scheduling): the engine's queue. It allocates only to grow.
 *
 * Surface: `put` an event, `take` the earliest one, read its `handlerOf` and `argumentOf`; `now`, `pending`; `jump`, `reset`.
 *
 * Pending events hang in a radix wheel. Read a time as a number in base 1024; its digits, from the picosecond upward, are
 * the levels. An event hangs at the level of the highest digit in which it differs from now, in the slot of its own digit
 * there. So a slot of level 0 is one instant, each slot is a list in scheduling order, and the order comes out right without
 * ever comparing two events. When level 0 is empty, the first slot of the next level that has one is dealt out downward.
 *
 * Times are kept as two integers, high · 2³⁰ + low (three digits each), because integers cost half of what doubles do here.
 */
import { type Duration, END, formatTime, type Instant, START } from './time.ts';

/** Something that can be woken. Its name, if it has one, appears in the error when it fails. */
export interface Handler {
  readonly name?: string;
  handle(argument: number): void;
}

/** What `take` answers when there is nothing to take. */
export const NONE = -1;

/** What dealing answers when it has brought events to lower levels. */
const DEALT = -2;

const DIGIT = 10;
const SLOTS = 1 << DIGIT;
const LEVELS = 6;
/** The level at which the high half of a time begins. */
const HIGH = 3;
const HALF = 2 ** 30;
/** One bit per slot, in words of 32: which words are not zero then fits one word again. */
const WORDS = SLOTS >> 5;
const INITIAL_CAPACITY = 1024;

/** Position of the lowest one in a word that is not zero. */
const lowest = (word: number): number => 31 - Math.clz32(word & -word);

const nobody: Handler = {
  handle() {
    throw new Error('a free event was fired');
  },
};

export class Agenda {
  /** The instant of the event taken last, or jumped to. Kept as a number, because it is asked for far more often than it changes. */
  now: Instant = START;
  // The same as two integers. While #deal works it may lag behind the events, never lead them.
  #high = 0;
  #low = 0;
  #pending = 0;

  // An event is an index into these. #next closes each slot's list into a ring, and chains the free events. #atHigh is
  // only written for events that hang at the high levels: the high half of all others is now's.
  #atHigh = new Int32Array(0);
  #atLow = new Int32Array(0);
  #next = new Int32Array(0);
  #argument = new Float64Array(0);
  readonly #handler: Handler[] = [];
  #free = NONE;

  /** The last event of each slot, whose #next is the first one. Slot s of level l is number l · SLOTS + s. */
  readonly #last = new Int32Array(LEVELS * SLOTS);
  readonly #slotBits = new Int32Array(LEVELS * WORDS);
  readonly #wordBits = new Int32Array(LEVELS);

  /** Number of events put and not taken. */
  get pending(): number {
    return this.#pending;
  }

  /** Adds an event `delay` picoseconds from now, behind all others of that instant. Throws if that is not an instant to come. */
  put(delay: Duration, handler: Handler, argument: number): void {
    const now = this.#low;
    if (delay >= 0 && delay < HALF - now && (delay | 0) === delay) {
      const low = now + delay;
      this.#hangBy(this.#create(low, handler, argument), 0, low, low ^ now);
    } else {
      this.#putFar(delay, handler, argument);
    }
  }

  /** Takes the earliest event off and makes its instant now, or answers NONE if there is none up to `limit`. Read it before the next `put`. */
  take(limit: number): number {
    while (this.#wordBits[0] === 0) {
      const event = this.#deal(limit);
      if (event !== DEALT) return event;
    }
    const word = lowest(this.#wordBits[0]!);
    const slot = (word << 5) | lowest(this.#slotBits[word]!);
    const low = (this.#low & -SLOTS) | slot;
    const at = (this.#high * HALF + low) as Instant;
    if (at > limit) return NONE;
    this.now = at;
    this.#low = low;
    const next = this.#next;
    const last = this.#last[slot]!;
    const event = next[last]!;
    if (event === last) this.#vacate(0, slot);
    else next[last] = next[event]!;
    this.#release(event);
    return event;
  }

  // A free event keeps its handler until it is used again: that is bounded, and cheaper than clearing it.
  handlerOf(event: number): Handler {
    return this.#handler[event]!;
  }

  argumentOf(event: number): number {
    return this.#argument[event]!;
  }

  /** Makes `t` now. Everything up to `t` must have been taken: no event then hangs in a slot that `t` belongs to. */
  jump(t: Instant): void {
    this.now = t;
    this.#high = Math.floor(t / HALF);
    this.#low = t - this.#high * HALF;
  }

  /** Back to instant zero, with nothing pending. */
  reset(): void {
    this.now = START;
    this.#high = 0;
    this.#low = 0;
    this.#pending = 0;
    this.#slotBits.fill(0);
    this.#wordBits.fill(0);
    this.#handler.fill(nobody);
    this.#free = NONE;
    this.#chain(0, this.#handler.length);
  }

  #putFar(delay: Duration, handler: Handler, argument: number): void {
    const at = this.now + delay;
    if (!(delay >= 0 && at <= END && Math.floor(delay) === delay)) throw badDelay(this.now, delay);
    const high = Math.floor(at / HALF);
    const low = at - high * HALF;
    const event = this.#create(low, handler, argument);
    this.#atHigh[event] = high;
    this.#hang(event, high, low);
  }

  #create(low: number, handler: Handler, argument: number): number {
    if (this.#free === NONE) this.#grow();
    const event = this.#free;
    this.#free = this.#next[event]!;
    this.#pending++;
    this.#atLow[event] = low;
    this.#argument[event] = argument;
    this.#handler[event] = handler;
    return event;
  }

  #hang(event: number, high: number, low: number): void {
    if (high === this.#high) this.#hangBy(event, 0, low, low ^ this.#low);
    else this.#hangBy(event, HIGH, high, high ^ this.#high);
  }

  #hangBy(event: number, lowestLevel: number, digits: number, difference: number): void {
    // Position of the highest one, divided by 10.
    const digit = ((31 - Math.clz32(difference | 1)) * 205) >> 11;
    this.#append(event, lowestLevel + digit, (digits >>> (digit * DIGIT)) & (SLOTS - 1));
  }

  #append(event: number, level: number, slot: number): void {
    const place = (level << DIGIT) | slot;
    const word = place >> 5;
    const bits = this.#slotBits[word]!;
    const bit = 1 << slot;
    const next = this.#next;
    const last = this.#last;
    if ((bits & bit) !== 0) {
      next[event] = next[last[place]!]!;
      next[last[place]!] = event;
    } else {
      next[event] = event;
      this.#slotBits[word] = bits | bit;
      this.#wordBits[level]! |= 1 << (slot >> 5);
    }
    last[place] = event;
  }

  #vacate(level: number, slot: number): void {
    const word = slot >> 5;
    const bits = this.#slotBits[level * WORDS + word]! & ~(1 << slot);
    this.#slotBits[level * WORDS + word] = bits;
    // 1 if no bit is left. Arithmetic, because a branch here would be a coin toss.
    const empty = ((bits | -bits) >>> 31) ^ 1;
    this.#wordBits[level]! &= ~(empty << word);
  }

  /**
   * Deals the earliest slot above level 0 out to lower levels; level 0 is empty. Answers DEALT, or the event if it was alone there and so
   * is the earliest of all, which is then taken; NONE if it comes after `limit` or there is none.
   */
  #deal(limit: number): number {
    let level = 1;
    while (this.#wordBits[level] === 0) if (++level === LEVELS) return NONE;
    const word = lowest(this.#wordBits[level]!);
    const slot = (word << 5) | lowest(this.#slotBits[level * WORDS + word]!);
    const last = this.#last[level * SLOTS + slot]!;
    let event = this.#next[last]!;
    if (event === last && this.#takesAlone(event, level, slot, limit)) return event;
    const high = level < HIGH ? this.#high : withDigit(this.#high, level - HIGH, slot);
    const low = level < HIGH ? withDigit(this.#low, level, slot) : 0;
    if (high * HALF + low > limit) return NONE;
    this.#high = high;
    this.#low = low;
    this.#vacate(level, slot);
    for (let more = true; more; ) {
      const next = this.#next[event]!;
      more = event !== last;
      if (level === 1) this.#append(event, 0, this.#atLow[event]! & (SLOTS - 1));
      else this.#hang(event, level < HIGH ? high : this.#atHigh[event]!, this.#atLow[event]!);
      event = next;
    }
    return DEALT;
  }

  /**
   * Takes the only event of the earliest slot, without dealing it out first. Not if it comes after `limit`: then it has to lie where
   * `jump` expects it.
   */
  #takesAlone(event: number, level: number, slot: number, limit: number): boolean {
    const high = level < HIGH ? this.#high : this.#atHigh[event]!;
    const low = this.#atLow[event]!;
    const at = (high * HALF + low) as Instant;
    if (at > limit) return false;
    this.now = at;
    this.#high = high;
    this.#low = low;
    this.#vacate(level, slot);
    this.#release(event);
    return true;
  }

  #release(event: number): void {
    this.#next[event] = this.#free;
    this.#free = event;
    this.#pending--;
  }

  #grow(): void {
    const used = this.#handler.length;
    const capacity = used === 0 ? INITIAL_CAPACITY : 2 * used;
    this.#atHigh = extended(new Int32Array(capacity), this.#atHigh);
    this.#atLow = extended(new Int32Array(capacity), this.#atLow);
    this.#next = extended(new Int32Array(capacity), this.#next);
    this.#argument = extended(new Float64Array(capacity), this.#argument);
    for (let event = used; event < capacity; event++) this.#handler.push(nobody);
    this.#chain(used, capacity);
  }

  /** Makes the events from `first` up to `end` free. */
  #chain(first: number, end: number): void {
    for (let event = end - 1; event >= first; event--) {
      this.#next[event] = this.#free;
      this.#free = event;
    }
  }
}

/** `half` with one digit replaced and the digits below it zero. */
function withDigit(half: number, digit: number, value: number): number {
  const shift = digit * DIGIT;
  return (((half >>> shift) & -SLOTS) | value) << shift;
}

function extended<T extends Int32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

function badDelay(now: Instant, delay: number): RangeError {
  return new RangeError(
    delay > 0 && Math.floor(delay) === delay
      ? `cannot schedule ${delay} ps after ${formatTime(now)}: simulated time ends at 2^53 ps (two and a half hours)`
      : `cannot schedule ${delay} ps ahead: a delay is a whole number of picoseconds, zero or more`,
  );
}
