/**
 * A page of memory-mapped registers compiled from their layouts. Each 32-bit word keeps one mask per access class, so
 * a write is three bit operations; what hardware does about it is attached as a hook.
 *
 * Offers: reads and writes of words and of their bytes, 8-byte writes, accesses as a device gets them, hooks, locks, reset.
 * Accesses that are not aligned to 4 bytes or lie outside the page read 0 and change nothing: no specification gives them a
 * meaning, and a guest can issue them.
 */
import type { Access, AnyLayout, Words } from './layout.ts';
import { encode, maskOf, type Values } from './layout.ts';
import { wordAt } from './words.ts';

/** A register at a place that is not fixed in its layout, or one instance of an array. */
export interface Placement {
  readonly layout: AnyLayout;
  /** Byte offset in the page. */
  readonly offset: number;
}

/** Receives the raw value that software wrote to one word, so write-only bits act here. */
export type WriteHook = (written: number) => void;

const WRITABLE: ReadonlySet<Access> = new Set(['RW', 'RWS', 'RWL']);
const CLEARABLE: ReadonlySet<Access> = new Set(['RW1C', 'RW1CS']);
const SETTABLE: ReadonlySet<Access> = new Set(['RW1S']);
const ALL_LANES = -1;

export class RegisterFile {
  /** Current values; models read and set fields here through the layouts. */
  readonly words: Uint32Array;
  readonly #initial: Uint32Array;
  readonly #writable: Uint32Array;
  readonly #clearable: Uint32Array;
  readonly #settable: Uint32Array;
  /** What software last wrote to each word, write-only fields included. */
  readonly #written: Uint32Array;
  /** 1 for a word that takes no write for the time being. */
  readonly #locked: Uint8Array;
  readonly #hooks: (WriteHook | null)[];

  constructor(bytes: number, registers: readonly (AnyLayout | Placement)[]) {
    const count = bytes / 4;
    this.words = new Uint32Array(count);
    this.#initial = new Uint32Array(count);
    this.#writable = new Uint32Array(count);
    this.#clearable = new Uint32Array(count);
    this.#settable = new Uint32Array(count);
    this.#written = new Uint32Array(count);
    this.#locked = new Uint8Array(count);
    this.#hooks = new Array<WriteHook | null>(count).fill(null);
    const taken = new Uint8Array(count);
    for (const item of registers) {
      const { layout, offset } = 'layout' in item ? item : { layout: item, offset: item.$.offset! };
      const base = offset / 4;
      for (let i = 0; i < layout.$.words; i++) {
        if (taken[base + i] !== 0) throw new RangeError(`${layout.$.name} at ${offset} overlaps another register`);
        taken[base + i] = 1;
      }
      or(
        this.#writable,
        base,
        maskOf(layout, (field) => WRITABLE.has(field.spec.access)),
      );
      or(
        this.#clearable,
        base,
        maskOf(layout, (field) => CLEARABLE.has(field.spec.access)),
      );
      or(
        this.#settable,
        base,
        maskOf(layout, (field) => SETTABLE.has(field.spec.access)),
      );
    }
  }

  /** Sets the power-on value of a register at a fixed place. */
  initial<L extends AnyLayout>(of: L, values: Values<L>): void {
    const at = of.$.offset! / 4;
    const words = encode(of, values);
    this.#initial.set(words, at);
    this.words.set(words, at);
  }

  /** Takes write access from fields of a register at a fixed place: they are reserved in this implementation. */
  withhold(of: AnyLayout, fields: readonly string[]): void {
    const at = of.$.offset! / 4;
    maskOf(of, (field) => fields.includes(field.name)).forEach((mask, i) => {
      this.#take(at + i, mask);
    });
  }

  /** Takes write access from bits of the word at `offset`. */
  withholdBits(offset: number, mask: number): void {
    this.#take(offset / 4, mask);
  }

  /** Drops what software writes to the `words` words from `offset` on, hooks included, until they are unlocked. */
  lock(offset: number, words: number, locked: boolean): void {
    this.#locked.fill(locked ? 1 : 0, offset / 4, offset / 4 + words);
  }

  /** What software last wrote to the word at `offset`. Both halves of an 8-byte write stand here before either acts. */
  written(offset: number): number {
    return this.#written[offset / 4]!;
  }

  /** Sets power-on values that are known as whole words. */
  initialWords(offset: number, words: readonly number[]): void {
    this.#initial.set(words, offset / 4);
    this.words.set(words, offset / 4);
  }

  /** Hardware acts when software writes the word at `offset`; several hooks act in the order of their coming. */
  onWrite(offset: number, act: WriteHook): void {
    const before = this.#hooks[offset / 4];
    this.#hooks[offset / 4] =
      before == null
        ? act
        : (written) => {
            before(written);
            act(written);
          };
  }

  /** The word at `offset` as an unsigned number. */
  read32(offset: number): number {
    return (offset & 3) === 0 && offset >= 0 ? (this.words[offset / 4] ?? 0) : 0;
  }

  /** The `size` bytes at `offset`: 1, 2 or 4, which do not cross a word. */
  readBytes(offset: number, size: number): number {
    const word = this.read32(offset - (offset & 3));
    return size === 4 ? word : (word >>> ((offset & 3) * 8)) & (2 ** (size * 8) - 1);
  }

  writeBytes(offset: number, size: number, value: number): void {
    const shift = (offset & 3) * 8;
    const lanes = size === 4 ? ALL_LANES : (2 ** (size * 8) - 1) << shift;
    this.write32(offset - (offset & 3), value << shift, lanes);
  }

  /** Writes the bits of `lanes`; the others keep their value, and hooks see 0 in them. */
  write32(offset: number, value: number, lanes = ALL_LANES): void {
    if (!this.#store(offset, value & lanes, lanes)) return;
    this.#act(offset, value & lanes);
  }

  /** One 8-byte write: both halves are stored, then the lower half acts, then the upper half. */
  write64(offset: number, lo: number, hi: number): void {
    const low = this.#store(offset, lo, ALL_LANES);
    const high = this.#store(offset + 4, hi, ALL_LANES);
    if (low) this.#act(offset, lo);
    if (high) this.#act(offset + 4, hi);
  }

  /** What a read of `length` bytes gets from a device that takes aligned accesses of 4 and 8 bytes: zeros from any other. */
  readAligned(offset: number, into: Uint8Array, length: number): void {
    const isTaken = isAligned(offset, length);
    for (let i = 0; i < length; i++) into[i] = isTaken ? this.read32(offset + (i & ~3)) >>> ((i & 3) * 8) : 0;
  }

  /** What a write does to such a device: nothing, unless it is one of these. */
  writeAligned(offset: number, from: Uint8Array, length: number): void {
    if (!isAligned(offset, length)) return;
    if (length === 4) this.write32(offset, wordAt(from, 0));
    else this.write64(offset, wordAt(from, 0), wordAt(from, 4));
  }

  /** Fields of registers at fixed places, as `REGISTER.FIELD`. */
  fieldValues(registers: readonly AnyLayout[]): Record<string, number> {
    const values = registers.flatMap(({ $ }) =>
      $.fields.map((field) => [`${$.name}.${field.name}`, field.get(this.words)] as const),
    );
    return Object.fromEntries(values);
  }

  /** Words of registers at fixed places, as `REGISTER`, or `REGISTER low` and `REGISTER high`. */
  wordValues(registers: readonly AnyLayout[]): Record<string, number> {
    const values = registers.flatMap(({ $ }) => {
      const names = $.words === 1 ? [$.name] : [`${$.name} low`, `${$.name} high`];
      return names.map((name, i) => [name, this.read32($.offset! + i * 4)] as const);
    });
    return Object.fromEntries(values);
  }

  /** Back to power-on values. Hooks stay. */
  reset(): void {
    this.words.set(this.#initial);
    this.#written.fill(0);
    this.#locked.fill(0);
  }

  #take(word: number, mask: number): void {
    this.#writable[word]! &= ~mask;
    this.#clearable[word]! &= ~mask;
    this.#settable[word]! &= ~mask;
  }

  #store(offset: number, value: number, lanes: number): boolean {
    const i = offset / 4;
    if ((offset & 3) !== 0 || i < 0 || i >= this.words.length || this.#locked[i] !== 0) return false;
    this.#written[i] = value;
    const writable = this.#writable[i]! & lanes;
    const cleared = value & this.#clearable[i]!;
    const set = value & this.#settable[i]!;
    this.words[i] = (this.words[i]! & ~writable & ~cleared) | (value & writable) | set;
    return true;
  }

  #act(offset: number, value: number): void {
    const act = this.#hooks[offset / 4];
    if (act != null) act(value >>> 0);
  }
}

function isAligned(offset: number, length: number): boolean {
  return (length === 4 || length === 8) && offset % length === 0;
}

function or(into: Words, at: number, mask: Uint32Array): void {
  for (let i = 0; i < mask.length; i++) into[at + i]! |= mask[i]!;
}
