/**
 * Sparse physical memory of 52-bit addresses. Ranges that exist but were never written read 0 and cost nothing; ranges
 * outside RAM and outside every window result in an error.
 *
 * One pool of int32 words holds the 4 KiB frames that were written, found through a hash of frame numbers behind a small
 * direct-mapped memo; `frame`, `locate` and `pool` are the hot path's way in, everything else is for the cold rooms. A frame is
 * what a page table is: whoever writes one word at a random place costs 4 KiB, not more.
 */
import { hex, highHalf, joinHalves, lowHalf, PHYSICAL_BITS } from '../bits/index.ts';
import { type MemoryOperation, OperationKind, type Window } from './port.ts';

/** A sized range: start and length in bytes. */
export type Range = readonly [start: number, length: number];

const FRAME_SHIFT = 12;
const FRAME_BYTES = 1 << FRAME_SHIFT;
const FRAME_WORDS = FRAME_BYTES / 4;
const OFFSET_MASK = FRAME_BYTES - 1;
/** Frame numbers have 40 bits and are kept as two integers: the low 32 bits, and the rest. */
const LOW_BITS = 20;
const FIRST_FRAMES = 64;
/** The memo is indexed by the low bits of a frame number. The others are the tag: with 10, one word holds all 30. */
const MEMO_BITS = 10;
const MEMO_WORDS = 2 << MEMO_BITS;
const TAG_SHIFT = FRAME_SHIFT + MEMO_BITS;
/** A multiplier with well-spread bits, for the hash of frame numbers (2^32 divided by the golden ratio). */
const SPREAD = 0x9e37_79b1;
const FREE = -1;

const END = 2 ** PHYSICAL_BITS;

interface MappedWindow {
  readonly start: number;
  readonly end: number;
  readonly window: Window;
}

export class PhysicalMemory {
  /** Words of all written frames. Replaced when memory grows: read it again after anything that may write. */
  pool = new Int32Array(FRAME_WORDS * FIRST_FRAMES);
  readonly #ram: readonly { readonly start: number; readonly end: number }[];
  readonly #windows: MappedWindow[] = [];
  #frames = 0;
  /** Open-addressed hash: for each slot the low and high part of a frame number (FREE: none) and its index in the pool. */
  #keysLo = new Int32Array(FIRST_FRAMES * 2);
  #keysHi = new Int32Array(FIRST_FRAMES * 2).fill(FREE);
  #bases = new Int32Array(FIRST_FRAMES * 2);
  /** 1 where a whole frame is RAM under no window, so that a word of it may be reached through `pool`. */
  #direct = new Uint8Array(FIRST_FRAMES * 2);
  /** The direct frames that were asked for last, two words each: tag, base. */
  readonly #memo = new Int32Array(MEMO_WORDS).fill(FREE);

  constructor(ram: readonly Range[] = [[0, END]]) {
    this.#ram = ram.map(([start, length]) => ({ start, end: start + length })).sort((a, b) => a.start - b.start);
    for (const { start, end } of this.#ram) {
      if (!(start >= 0 && end <= END && end > start && Number.isSafeInteger(start))) {
        throw new RangeError(`RAM ${hex(start)}-${hex(end)} is not within ${PHYSICAL_BITS} address bits`);
      }
    }
  }

  /** Puts `window` over [start, start + length): accesses go there instead of to RAM. The newest window wins. */
  map(start: number, length: number, window: Window): void {
    this.#windows.unshift({ start, end: start + length, window });
    this.#memo.fill(FREE);
    this.#keysHi.forEach((high, i) => {
      if (high !== FREE) this.#direct[i] = this.#isDirect(high * 2 ** 32 + (this.#keysLo[i]! >>> 0));
    });
  }

  /** True when all of [address, address + length) is RAM. */
  isRam(address: number, length: number): boolean {
    // Above 53 bits a sum is not exact.
    if (address + length > END) return length === 0;
    let at = address;
    for (const { start, end } of this.#ram) {
      if (at >= start && at < end) at = end;
      if (at >= address + length) return true;
    }
    return length === 0;
  }

  /**
   * Index in `pool` of the first word of the frame that holds the address of 52 bits with these halves, or -1 when the slow
   * way must be taken: a frame that was never written, or one that is not all RAM or lies under a window.
   */
  frame(hi: number, lo: number): number {
    const memo = this.#memo;
    const m = (lo >>> (FRAME_SHIFT - 1)) & (MEMO_WORDS - 2);
    if (memo[m] === ((hi << (32 - TAG_SHIFT)) | (lo >>> TAG_SHIFT))) return memo[m + 1]!;
    return this.#locateFrame(hi, lo);
  }

  /** Index in `pool` of the word that holds the address with these halves, or -1 as for `frame` and beyond 52 bits. */
  locate(hi: number, lo: number): number {
    if (hi >>> LOW_BITS !== 0) return -1;
    const frame = this.frame(hi, lo);
    return frame < 0 ? frame : frame + ((lo & OFFSET_MASK) >>> 2);
  }

  /** Runs one operation now. */
  perform(operation: MemoryOperation): void {
    const { kind, address, count, words } = operation;
    if (kind === OperationKind.READ) {
      const at = this.locate(highHalf(address), lowHalf(address));
      // An entry never crosses a frame: the specifications align each to its own size.
      if (at >= 0 && (address & OFFSET_MASK) + count * 4 <= FRAME_BYTES) {
        for (let i = 0; i < count; i++) words[i] = this.pool[at + i]!;
        operation.ok = true;
      } else {
        operation.ok = this.#readBytes(address, new Uint8Array(words.buffer, words.byteOffset, count * 4));
      }
    } else if (kind === OperationKind.WRITE) {
      operation.ok = this.#writeBytes(address, new Uint8Array(words.buffer, words.byteOffset, count * 4));
    } else if (kind === OperationKind.COMPARE_EXCHANGE) {
      operation.ok = this.#exchange(address, words);
    } else {
      operation.ok = true;
    }
  }

  /** The bytes at `address`, or `undefined` when any of them does not exist. */
  read(address: number, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    return this.#readBytes(address, bytes) ? bytes : undefined;
  }

  /** False, and nothing changed, when any of the bytes does not exist. */
  write(address: number, bytes: Uint8Array): boolean {
    return this.#writeBytes(address, bytes);
  }

  /** A 64-bit word; 0 where nothing exists. For tests, drivers' tables and inspection. */
  read64(address: number): bigint {
    const bytes = this.read(address, 8);
    return bytes === undefined ? 0n : new DataView(bytes.buffer).getBigUint64(0, true);
  }

  write64(address: number, value: bigint): boolean {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    return this.write(address, bytes);
  }

  /** Bytes of host memory that hold written frames. */
  get touchedBytes(): number {
    return this.#frames * FRAME_BYTES;
  }

  /** Every word 0 again; windows and ranges stay. */
  reset(): void {
    this.pool.fill(0);
    this.#frames = 0;
    this.#keysHi.fill(FREE);
    this.#memo.fill(FREE);
  }

  #windowAt(address: number, length: number): MappedWindow | undefined {
    return this.#windows.find(({ start, end }) => address < end && address + length > start);
  }

  #readBytes(address: number, bytes: Uint8Array): boolean {
    const mapped = this.#windowAt(address, bytes.length);
    if (mapped !== undefined) {
      const inside = address >= mapped.start && address + bytes.length <= mapped.end;
      return inside && mapped.window.read(address - mapped.start, bytes);
    }
    if (!this.isRam(address, bytes.length)) return false;
    this.#eachPart(address, bytes.length, (frame, offset, from, length) => {
      const base = this.#find(frame);
      if (base < 0) bytes.fill(0, from, from + length);
      else bytes.set(new Uint8Array(this.pool.buffer, base * 4 + offset, length), from);
    });
    return true;
  }

  #writeBytes(address: number, bytes: Uint8Array): boolean {
    const mapped = this.#windowAt(address, bytes.length);
    if (mapped !== undefined) {
      const inside = address >= mapped.start && address + bytes.length <= mapped.end;
      return inside && mapped.window.write(address - mapped.start, bytes);
    }
    if (!this.isRam(address, bytes.length)) return false;
    this.#eachPart(address, bytes.length, (frame, offset, from, length) => {
      const base = this.#touch(frame);
      new Uint8Array(this.pool.buffer, base * 4 + offset, length).set(bytes.subarray(from, from + length));
    });
    return true;
  }

  #exchange(address: number, words: Uint32Array): boolean {
    const expected = joinHalves(words[1]!, words[0]!);
    const next = joinHalves(words[3]!, words[2]!);
    const mapped = this.#windowAt(address, 8);
    let found: bigint | undefined;
    if (mapped?.window.compareExchange64 !== undefined) {
      if (address < mapped.start || address + 8 > mapped.end) return false;
      found = mapped.window.compareExchange64(address - mapped.start, expected, next);
    } else {
      const bytes = this.read(address, 8);
      found = bytes === undefined ? undefined : new DataView(bytes.buffer).getBigUint64(0, true);
      if (found === expected && !this.write64(address, next)) return false;
    }
    if (found === undefined) return false;
    words[0] = Number(found & 0xffff_ffffn);
    words[1] = Number(found >> 32n);
    return true;
  }

  /** Splits a range at frame boundaries. */
  #eachPart(
    address: number,
    length: number,
    visit: (frame: number, offset: number, from: number, length: number) => void,
  ): void {
    for (let from = 0; from < length; ) {
      const frame = Math.floor((address + from) / FRAME_BYTES);
      const offset = (address + from) % FRAME_BYTES;
      const part = Math.min(length - from, FRAME_BYTES - offset);
      visit(frame, offset, from, part);
      from += part;
    }
  }

  /** What `frame` does when the memo does not know the frame. */
  #locateFrame(hi: number, lo: number): number {
    const low = (hi << LOW_BITS) | (lo >>> FRAME_SHIFT);
    const high = hi >>> (32 - LOW_BITS);
    const slot = this.#slotOf(high, low);
    if (this.#keysHi[slot] === FREE || this.#direct[slot] === 0) return -1;
    const base = this.#bases[slot]!;
    const m = (lo >>> (FRAME_SHIFT - 1)) & (MEMO_WORDS - 2);
    this.#memo[m] = (hi << (32 - TAG_SHIFT)) | (lo >>> TAG_SHIFT);
    this.#memo[m + 1] = base;
    return base;
  }

  /** Pool index of a written frame, or -1. */
  #find(frame: number): number {
    const slot = this.#slotOf(highHalf(frame), lowHalf(frame));
    return this.#keysHi[slot] === FREE ? -1 : this.#bases[slot]!;
  }

  /** Where the hash holds a frame, or the free slot where it would. */
  #slotOf(high: number, low: number): number {
    const mask = this.#keysHi.length - 1;
    for (let i = Math.imul(low ^ (high << 24), SPREAD) >>> 8; ; i++) {
      const at = i & mask;
      if (this.#keysHi[at] === FREE || (this.#keysLo[at] === low && this.#keysHi[at] === high)) return at;
    }
  }

  #touch(frame: number): number {
    const found = this.#find(frame);
    if (found >= 0) return found;
    const base = this.#frames * FRAME_WORDS;
    if (base === this.pool.length) {
      const grown = new Int32Array(this.pool.length * 2);
      grown.set(this.pool);
      this.pool = grown;
    }
    this.#frames++;
    if (this.#frames * 2 > this.#keysHi.length) this.#rehash();
    this.#insert(highHalf(frame), lowHalf(frame), base, this.#isDirect(frame));
    return base;
  }

  #insert(high: number, low: number, base: number, direct: number): void {
    const slot = this.#slotOf(high, low);
    this.#keysHi[slot] = high;
    this.#keysLo[slot] = low;
    this.#bases[slot] = base;
    this.#direct[slot] = direct;
  }

  #isDirect(frame: number): number {
    const start = frame * FRAME_BYTES;
    return this.#windowAt(start, FRAME_BYTES) === undefined && this.isRam(start, FRAME_BYTES) ? 1 : 0;
  }

  #rehash(): void {
    const [lows, highs, bases, direct] = [this.#keysLo, this.#keysHi, this.#bases, this.#direct];
    this.#keysLo = new Int32Array(lows.length * 2);
    this.#keysHi = new Int32Array(lows.length * 2).fill(FREE);
    this.#bases = new Int32Array(lows.length * 2);
    this.#direct = new Uint8Array(lows.length * 2);
    highs.forEach((high, i) => {
      if (high !== FREE) this.#insert(high, lows[i]!, bases[i]!, direct[i]!);
    });
  }
}
