/**
 * A log: a ring, or two of them in turn, that the unit fills and software empties. Event log, PPR log and GA log follow
 * one rule and differ only in their registers.
 *
 * Offers: `append`, one entry as a walk; `isRunning`; `length`, `overflow`.
 *
 * How the unit changes from log A to log B, and that it stops when an entry cannot be written, rests on the names of the
 * registers: no source says it.
 */
import type { Field, RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { OwnInterrupts } from './own-interrupts.ts';
import { Ring, type RingRegisters } from './rings.ts';
import { RunSwitch } from './run-switch.ts';
import { DualLog } from './spec/index.ts';

/** One of a log's rings, and the bit of Status that says that it was full. */
export interface LogHalf {
  readonly registers: RingRegisters;
  readonly overflow: Field;
}

export interface LogSpec {
  readonly enable: Field;
  readonly run: Field;
  /** The bit of Status that every entry sets. */
  readonly written: Field;
  readonly a: LogHalf;
  /** The second ring of a unit that has two: which one is used (Control), and which one is in use (Status). */
  readonly b?: LogHalf & { readonly choice: Field; readonly active: Field };
}

/** A ring as the unit fills it. */
class Half {
  readonly ring: Ring;
  readonly overflow: Field;
  /** Where the next entry goes: at the tail, or behind entries that are still being written. */
  next = 0;
  /** Changes when the ring is another one, so that late writes do not move its tail. */
  era = 0;

  constructor(file: RegisterFile, { registers, overflow }: LogHalf) {
    this.ring = new Ring(file, registers);
    this.overflow = overflow;
    const rewind = (): void => this.rewind();
    for (const register of [registers.base, registers.tailRegister]) {
      file.onWrite(register.$.offset!, rewind);
      file.onWrite(register.$.offset! + 4, rewind);
    }
  }

  rewind(): void {
    this.next = this.ring.tail;
    this.era++;
  }

  get isFull(): boolean {
    return this.ring.after(this.next) === this.ring.head;
  }

  /** Entries that software has not taken yet. */
  get entries(): number {
    const { bytes, head, registers } = this.ring;
    return ((this.next + bytes - head) % bytes) / registers.entryBytes;
  }
}

export class LogRing {
  readonly #file: RegisterFile;
  readonly #spec: LogSpec;
  readonly #interrupts: OwnInterrupts;
  readonly #halves: readonly Half[];
  readonly #switch: RunSwitch;

  constructor(file: RegisterFile, spec: LogSpec, interrupts: OwnInterrupts) {
    const halves = spec.b === undefined ? [spec.a] : [spec.a, spec.b];
    this.#file = file;
    this.#spec = spec;
    this.#interrupts = interrupts;
    this.#halves = halves.map((half) => new Half(file, half));
    this.#switch = new RunSwitch(file, {
      enable: spec.enable,
      run: spec.run,
      bases: halves.map(({ registers }) => registers.base),
      locked: halves.map(({ registers }) => registers.tailRegister),
      isPossible: () => this.#active.ring.isValid,
      started: () => this.#start(),
    });
  }

  get isRunning(): boolean {
    return this.#switch.isRunning;
  }

  /** The next entry will find a place. */
  get hasRoom(): boolean {
    return this.isRunning && (!this.#active.isFull || this.#maySwap());
  }

  /** Entries that software has not taken yet, in the ring that is in use. */
  get entries(): number {
    return this.#active.entries;
  }

  /** Entries of the ring in use, taken or not. */
  get length(): number {
    const { bytes, registers } = this.#active.ring;
    return bytes / registers.entryBytes;
  }

  /** Index of the ring in use: 0 log A, 1 log B. */
  get active(): number {
    return this.#spec.b?.active.get(this.#file.words) ?? 0;
  }

  /** Writes an entry. False when it is lost: the log does not run, is full, or could not be written. */
  *append(entry: Uint32Array): Walk<boolean> {
    // 1. Room, in this ring or in the other.
    if (!this.isRunning || !this.#makeRoom()) return false;
    const half = this.#active;
    const { era, ring, next } = half;
    half.next = ring.after(next);
    // 2. The entry, visible before the tail moves.
    const memory = new MemoryOperation();
    memory.words.set(entry);
    yield memory.write(ring.start + next, entry.length);
    if (half.era !== era) return memory.ok;
    if (!memory.ok) {
      this.#switch.stop();
      return false;
    }
    // 3. The tail, and who waits for it.
    ring.tail = ring.after(next);
    this.#interrupts.signal(this.#spec.written);
    return true;
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#switch.reset();
    for (const half of this.#halves) half.rewind();
  }

  get #active(): Half {
    return this.#halves[this.active]!;
  }

  #start(): void {
    const { words } = this.#file;
    const { b } = this.#spec;
    for (const half of this.#halves) {
      half.overflow.set(words, 0);
      half.rewind();
    }
    if (b !== undefined) b.active.set(words, b.choice.get(words) === DualLog.B ? 1 : 0);
  }

  /** Makes sure that the active ring has room: changes rings if it may, or reports the overflow and stops. */
  #makeRoom(): boolean {
    const full = this.#active;
    if (!full.isFull) return true;
    if (this.#maySwap()) {
      this.#spec.b!.active.set(this.#file.words, 1 - this.active);
      this.#interrupts.signal(full.overflow);
      return true;
    }
    this.overflow();
    return false;
  }

  /** Rings change by themselves, and the other one has room. */
  #maySwap(): boolean {
    const { words } = this.#file;
    if (this.#spec.b?.choice.get(words) !== DualLog.AUTO_SWAP) return false;
    const other = this.#halves[1 - this.active]!;
    return other.ring.isValid && !other.overflow.isSet(words) && !other.isFull;
  }

  /** The log stops: an entry is lost, because there is no room for it. */
  overflow(): void {
    if (!this.isRunning) return;
    this.#switch.stop();
    this.#interrupts.signal(this.#active.overflow);
  }
}
