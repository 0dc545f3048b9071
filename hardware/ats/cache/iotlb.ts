/**
 * A set-associative cache of translations: the IOTLB, and with the address of a table for that of a page the
 * paging-structure caches. An entry is found through a hash of its tags, so that a look-up costs the same for any number
 * of ways. Ranges of several sizes live side by side: a look-up probes each size that is present, the smallest first.
 *
 * Tags: whose translations these are (`space`, with up to 6 further bits above bit 25 of `pageHi`) and the page. Beside
 * the tags each entry keeps a `domain` and a `pasid`, by which the vendors' commands invalidate.
 *
 * Page numbers come as two halves: 20 upper bits, with 6 bits of 0 above them, and 32 lower bits. An entry is named by the
 * index of its first word in `words`; look-ups allocate nothing, and neither do fills but for the first of a set after an
 * invalidation.
 */
import { numberOf } from '../../bits/index.ts';
import { IotlbArrays, type IotlbSpec } from './iotlb-arrays.ts';
import type { IotlbEntry } from './iotlb-words.ts';
import * as entryWords from './iotlb-words.ts';
import type { ReplacementSets } from './replacement.ts';

// Constants of this file are folded into the machine code; imported ones would be loaded each time they are used.
const {
  BUCKET,
  DOMAIN,
  ENTRY_WORDS,
  FLAGS,
  FRAME_HI,
  FRAME_LO,
  NEVER,
  NEXT,
  PAGE_HI,
  PAGE_LO,
  PASID,
  SHIFT,
  SPACE,
  USED,
} = entryWords;

const { imul } = Math;
const NONE = -1;
const NO_PASID = -1;
const SPREAD_PAGE = 0x9e37_79b1;
const SPREAD_SPACE = 0x85eb_ca6b;
const SHIFT_POSITION = 20;
const PAGE_MASK = (1 << SHIFT_POSITION) - 1;
/** 4 KiB pages are looked up first, and without counting them. */
const SMALL_SHIFT = 12;
const SMALL = SMALL_SHIFT << SHIFT_POSITION;
const MANY_USES = 0x4000_0000;

// Constants, because what a function's name stands for is asked at each call.

const lowTag = (pageLo: number, shift: number): number => (shift >= 44 ? 0 : pageLo & (-1 << (shift - 12)));

const highTag = (pageHi: number, shift: number): number =>
  (shift > 44 ? pageHi & (-1 << (shift - 44)) : pageHi) | (shift << SHIFT_POSITION);

/** Neighbouring pages go to neighbouring sets, as in hardware that is indexed by address bits; the sets count the low bits. */
const setIndex = (space: number, lo: number, shift: number): number =>
  (shift >= 44 ? 0 : lo >>> (shift - 12)) ^ imul(space | 0, SPREAD_SPACE);

/** The upper bits of the product are the ones that neighbouring pages are spread over. */
const hashOf = (space: number, hi: number, lo: number): number =>
  imul(lo ^ imul(hi ^ space, SPREAD_SPACE), SPREAD_PAGE);

export class Iotlb {
  readonly arrays: IotlbArrays;
  readonly words: Int32Array;
  readonly #firstBucket: number;
  /** Leaves of a hash as many bits as there are buckets for. */
  readonly #bucketShift: number;
  /** By log2 of a page's bytes: the sets that hold it. */
  readonly #setsFor: readonly ReplacementSets[];
  /** Entries per larger page size, and the larger sizes in use. */
  readonly #population = new Int32Array(64);
  readonly #shifts = new Int32Array(64);
  #shiftCount = 0;
  #uses = NEVER;

  constructor(spec: IotlbSpec) {
    const arrays = new IotlbArrays(spec);
    const { words, firstBucket } = arrays;
    this.arrays = arrays;
    this.words = words;
    this.#setsFor = arrays.byShift.map(({ sets }) => sets);
    this.#firstBucket = firstBucket;
    this.#bucketShift = 1 + Math.clz32(words.length - firstBucket);
    words.fill(NONE, firstBucket);
  }

  /** Entry that translates the page, or -1. A hit becomes the most recently used. */
  find(space: number, pageHi: number, pageLo: number): number {
    const { words } = this;
    const hi = pageHi | SMALL;
    // Nearly every hit is a small page at the head of its bucket; the rest is elsewhere, so that this stays inlined.
    const i = words[this.#firstBucket + (hashOf(space, hi, pageLo) >>> this.#bucketShift)]!;
    if (i >= 0 && words[i + PAGE_LO] === pageLo && words[i + PAGE_HI] === hi && words[i + SPACE] === space) {
      const stamp = (this.#uses + 1) | 0;
      this.#uses = stamp;
      words[i + USED] = stamp;
      return i;
    }
    return this.#findFurther(i, space, pageHi, pageLo);
  }

  /** As `find`, and nothing becomes more recent by it. */
  peek(space: number, pageHi: number, pageLo: number): number {
    const small = this.#match(space, pageHi | SMALL, pageLo);
    return small === NONE ? this.#matchLarge(space, pageHi, pageLo) : small;
  }

  /** Enters a translation in place of an older one of the same page, or of the least recently used one of its set. */
  insert(space: number, pageHi: number, pageLo: number, shift: number): number {
    const present = this.#match(space, highTag(pageHi, shift), lowTag(pageLo, shift));
    if (present === NONE) return this.add(space, pageHi, pageLo, shift);
    this.words[present + USED] = this.#use();
    return present;
  }

  /** As `insert`, for a page of which nothing is here: a look-up has just missed it. */
  add(space: number, pageHi: number, pageLo: number, shift: number): number {
    const { words } = this;
    const lo = lowTag(pageLo, shift);
    const hi = highTag(pageHi, shift);
    if (this.#uses >>> 0 > MANY_USES) this.#renumber();
    const stamp = this.#use();
    const i = this.#setsFor[shift]!.victim(setIndex(space, lo, shift), stamp);
    if (words[i + SHIFT] !== 0) this.#unlink(i);
    const bucket = this.#firstBucket + (hashOf(space, hi, lo) >>> this.#bucketShift);
    words[i + PAGE_LO] = lo;
    words[i + PAGE_HI] = hi;
    words[i + SPACE] = space;
    words[i + SHIFT] = shift;
    words[i + USED] = stamp;
    words[i + BUCKET] = bucket;
    words[i + NEXT] = words[bucket]!;
    words[bucket] = i;
    if (shift !== SMALL_SHIFT && this.#population[shift]!++ === 0) this.#addSize(shift);
    return i;
  }

  /** Says what the entry translates to, and by which PASID it is invalidated if by any. */
  fill(entry: number, frameHi: number, frameLo: number, flags: number, domain: number, pasid = NO_PASID): void {
    const { words } = this;
    words[entry + FRAME_HI] = frameHi;
    words[entry + FRAME_LO] = frameLo;
    words[entry + FLAGS] = flags;
    words[entry + DOMAIN] = domain;
    words[entry + PASID] = pasid;
  }

  clear(): void {
    this.words.fill(0, 0, this.arrays.entryWords);
    this.words.fill(NONE, this.#firstBucket);
    this.#population.fill(0);
    this.#shiftCount = 0;
    this.#uses = NEVER;
    for (const { sets } of this.arrays.list) sets.clear();
  }

  /** Removes every entry of a domain; gives the number of entries removed. */
  removeDomain(domain: number): number {
    return this.#removeWhere((i) => this.words[i + DOMAIN] === domain);
  }

  /** Removes the entries of a domain that overlap the `2^order` pages around the given page. */
  removePages(domain: number, pageHi: number, pageLo: number, order: number): number {
    return this.#removeWhere((i) => this.words[i + DOMAIN] === domain && this.#overlaps(i, pageHi, pageLo, order));
  }

  /** Removes entries that `select` accepts, of those that overlap the `2^order` pages around the given page. */
  removeOverlapping(pageHi: number, pageLo: number, order: number, select: (entry: IotlbEntry) => boolean): number {
    return this.#removeWhere((i) => this.#overlaps(i, pageHi, pageLo, order) && select(this.entry(i)));
  }

  /** Removes what `select` accepts. */
  removeWhere(select: (entry: IotlbEntry) => boolean): number {
    return this.#removeWhere((i) => select(this.entry(i)));
  }

  entry(i: number): IotlbEntry {
    const { words } = this;
    const pageHi = words[i + PAGE_HI]! & PAGE_MASK;
    return {
      space: words[i + SPACE]!,
      page: numberOf(pageHi, words[i + PAGE_LO]!),
      shift: words[i + SHIFT]!,
      frame: numberOf(words[i + FRAME_HI]!, words[i + FRAME_LO]!),
      flags: words[i + FLAGS]!,
      domain: words[i + DOMAIN]!,
      pasid: words[i + PASID]!,
    };
  }

  /** All valid entries, for inspection. */
  entries(): IotlbEntry[] {
    const found: IotlbEntry[] = [];
    for (let i = 0; i < this.arrays.entryWords; i += ENTRY_WORDS) {
      if (this.words[i + SHIFT] !== 0) found.push(this.entry(i));
    }
    return found;
  }

  #removeWhere(select: (i: number) => boolean): number {
    let removed = 0;
    for (let i = 0; i < this.arrays.entryWords; i += ENTRY_WORDS) {
      if (this.words[i + SHIFT] === 0 || !select(i)) continue;
      this.#unlink(i);
      this.#setsFor[this.words[i + SHIFT]!]!.freed(i);
      this.words[i + SHIFT] = 0;
      this.words[i + USED] = NEVER;
      removed++;
    }
    return removed;
  }

  /** Two aligned ranges overlap exactly when they agree above the larger one's size. */
  #overlaps(i: number, pageHi: number, pageLo: number, order: number): boolean {
    const { words } = this;
    const shift = Math.max(words[i + SHIFT]!, order + 12);
    if (lowTag(words[i + PAGE_LO]!, shift) !== lowTag(pageLo, shift)) return false;
    const mask = shift > 44 ? PAGE_MASK & (-1 << (shift - 44)) : PAGE_MASK;
    return ((words[i + PAGE_HI]! ^ pageHi) & mask) === 0;
  }

  /** `find` behind the head of the bucket of small pages, which is no match. */
  #findFurther(head: number, space: number, pageHi: number, pageLo: number): number {
    // A miss, mostly: the bucket is empty, and so are those of other sizes.
    if (head === NONE && this.#shiftCount === 0) return NONE;
    const i = this.peek(space, pageHi, pageLo);
    if (i !== NONE) this.words[i + USED] = this.#use();
    return i;
  }

  #matchLarge(space: number, pageHi: number, pageLo: number): number {
    for (let k = 0; k < this.#shiftCount; k++) {
      const shift = this.#shifts[k]!;
      const i = this.#match(space, highTag(pageHi, shift), lowTag(pageLo, shift));
      if (i !== NONE) return i;
    }
    return NONE;
  }

  /** The entry with exactly these tags. */
  #match(space: number, hi: number, lo: number): number {
    const { words } = this;
    const bucket = this.#firstBucket + (hashOf(space, hi, lo) >>> this.#bucketShift);
    for (let i = words[bucket]!; i !== NONE; i = words[i + NEXT]!) {
      if (words[i + PAGE_LO] === lo && words[i + PAGE_HI] === hi && words[i + SPACE] === space) return i;
    }
    return NONE;
  }

  /** Stamp of this use. Whoever compares stamps renews them first when they have become large, in their order. */
  #use(): number {
    this.#uses = (this.#uses + 1) | 0;
    return this.#uses;
  }

  #renumber(): void {
    const { words } = this;
    const order: number[] = [];
    for (let i = 0; i < this.arrays.entryWords; i += ENTRY_WORDS) if (words[i + SHIFT] !== 0) order.push(i);
    order.sort((a, b) => (words[a + USED]! >>> 0) - (words[b + USED]! >>> 0));
    order.forEach((i, rank) => {
      words[i + USED] = NEVER + 1 + rank;
    });
    this.#uses = NEVER + order.length;
    for (const { sets } of this.arrays.list) sets.renumbered();
  }

  /** Sizes are kept in ascending order. */
  #addSize(shift: number): void {
    let k = this.#shiftCount++;
    for (; k > 0 && this.#shifts[k - 1]! > shift; k--) this.#shifts[k] = this.#shifts[k - 1]!;
    this.#shifts[k] = shift;
  }

  /** Takes an entry out of its bucket and its size out of the count. */
  #unlink(i: number): void {
    const { words } = this;
    const bucket = words[i + BUCKET]!;
    const head = words[bucket]!;
    if (head === i) {
      words[bucket] = words[i + NEXT]!;
    } else {
      let before = head;
      while (words[before + NEXT] !== i) before = words[before + NEXT]!;
      words[before + NEXT] = words[i + NEXT]!;
    }
    const shift = words[i + SHIFT]!;
    if (shift !== SMALL_SHIFT && --this.#population[shift]! === 0) this.#removeSize(shift);
  }

  #removeSize(shift: number): void {
    const k = this.#shifts.indexOf(shift);
    this.#shifts.copyWithin(k, k + 1, this.#shiftCount--);
  }
}
