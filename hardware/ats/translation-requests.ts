/**
 * Translation requests under way (PCIe 10.2.2 to 10.2.4): one for all who miss the same page, and what invalidations that
 * come meanwhile leave of its answer.
 *
 * Needs: a requester. Offers: `ask`, `note` an invalidation, `discard` everything, `forget`. What is asked for is held in the
 * device-TLB when it comes, and `located` says what it said about the page of who asked.
 *
 * Choices: an answer that more than 32 invalidations have crossed is not used at all. Permissions of the other mode than
 * was asked for are none.
 */
import { highHalf, lowHalf, numberOf, pageLow } from '../bits/index.ts';
import { AddressType, type Dma, DmaStatus, NO_PASID } from '../pcie/index.ts';
import { type Engine, type Script, Signal } from '../sim/index.ts';
import { type DeviceTlb, Permission, type Place } from './device-tlb.ts';
import { concerns, type Invalidation } from './messages.ts';
import { belowHigh, belowLow, overlap } from './ranges.ts';
import { ITAGS, SMALLEST_SHIFT, TRANSLATION_BYTES } from './spec.ts';
import {
  decodeTranslation,
  halfAt,
  NO_ACCESS,
  type TranslationEntry,
  translationRequestAddress,
} from './translation-entry.ts';

/** What became of a question, beside the values of `DmaStatus`. */
export const Answer = {
  /** Nothing is known of the page: an invalidation crossed the answer, or that is about other pages. */
  AGAIN: -1,
  /** Translations may not be asked for. */
  REFUSED: -2,
} as const;

/** What is wanted beside the page. */
export interface Question {
  readonly place: Place;
  /** Bits of `Permission`. */
  readonly needed: number;
  /** Translations that follow each other, from that of the page on. */
  readonly translations: number;
  /** log2 of the bytes of the smallest translation. */
  readonly unit: number;
}

/** One entry of an answer, with the place that it translates. */
interface Told {
  readonly place: Place;
  readonly entry: TranslationEntry;
}

const { WRITE, EXECUTE } = Permission;
const PAGE_BYTES = 2 ** SMALLEST_SHIFT;
const SPACE_PAGES = 2 ** 52;

export class TranslationRequests {
  /** Number of translation requests sent. */
  sent = 0;
  /** What the last answer said about the page of who asked. */
  located: TranslationEntry = NO_ACCESS;
  readonly #engine: Engine;
  readonly #requester: Dma;
  readonly #tlb: DeviceTlb;
  readonly #underWay = new Set<UnderWay>();

  constructor(engine: Engine, requester: Dma, tlb: DeviceTlb) {
    this.#engine = engine;
    this.#requester = requester;
    this.#tlb = tlb;
  }

  /** Asks about a page, or waits with who has. With SUCCESS, `located` is valid until time passes. */
  *ask(question: Question): Script<number> {
    const { place } = question;
    for (const one of this.#underWay) {
      if (!one.isSupersetOf(question)) continue;
      one.waiting++;
      yield one.done;
      return this.#conclude(one, place);
    }
    const one = new UnderWay(this.#engine, question);
    this.#underWay.add(one);
    this.sent++;
    const { data, status } = yield* this.#requester.read(one.target, one.translations * TRANSLATION_BYTES);
    one.status = status;
    if (status === DmaStatus.SUCCESS) one.hear(data);
    for (const told of one.told) if (!one.isStale(told)) this.#tlb.insert(told.place, told.entry);
    one.done.fire();
    return this.#conclude(one, place);
  }

  /** An invalidation has come: what it names must not be used when it is answered. */
  note(invalidation: Invalidation): void {
    for (const one of this.#underWay) one.note(invalidation);
  }

  /** Nothing that is under way may be used. */
  discard(): void {
    for (const one of this.#underWay) one.isDiscarded = true;
  }

  /** With the machine: whoever asked does not go on. */
  forget(): void {
    this.#underWay.clear();
  }

  /** What an answer says to one of those who wait for it; the last of them forgets it. */
  #conclude(one: UnderWay, place: Place): number {
    if (one.waiting-- === 0) this.#underWay.delete(one);
    if (one.status === DmaStatus.UNSUPPORTED_REQUEST) return one.isDiscarded ? Answer.AGAIN : Answer.REFUSED;
    if (one.status !== DmaStatus.SUCCESS) return one.status;
    const told = one.told.find(({ place: first, entry }) =>
      overlap(first.hi, first.lo, entry.shift, place, SMALLEST_SHIFT),
    );
    if (told === undefined || one.isStale(told)) return Answer.AGAIN;
    this.located = at(told.entry, place);
    return DmaStatus.SUCCESS;
  }
}

class UnderWay {
  readonly translations: number;
  readonly done: Signal;
  status: number = DmaStatus.SUCCESS;
  told: Told[] = [];
  /** Who waits beside the one that asked. */
  waiting = 0;
  isDiscarded = false;
  readonly #question: Question;
  readonly #place: Place;
  /** Number of the first page, and of pages that it is about at least. */
  readonly #first: number;
  readonly #pages: number;
  readonly #invalidations: Invalidation[] = [];

  constructor(engine: Engine, question: Question) {
    const { place, unit, translations } = question;
    this.#question = question;
    this.#place = { ...place, hi: place.hi & ~belowHigh(unit), lo: place.lo & ~belowLow(unit) };
    this.#first = pageNumber(this.#place);
    this.#pages = translations * 2 ** (unit - SMALLEST_SHIFT);
    this.translations = translations;
    this.done = new Signal(engine, 'a translation');
  }

  /** Where the request goes. */
  get target() {
    const { pasid, privileged } = this.#place;
    const { needed } = this.#question;
    const { hi, lo } = translationRequestAddress(this.#place.hi, this.#place.lo, (needed & WRITE) === 0);
    const target = { hi, lo, addressType: AddressType.TRANSLATION };
    return pasid === NO_PASID ? target : { ...target, pasid, privileged, execute: (needed & EXECUTE) !== 0 };
  }

  /** True when its answer will also answer this, if it says anything about the page. */
  isSupersetOf({ place, needed }: Question): boolean {
    const own = this.#place;
    // Who has heard an answer that is of no use asks anew.
    if (this.done.fired || this.isDiscarded) return false;
    if (place.pasid !== own.pasid || place.privileged !== own.privileged) return false;
    const page = pageNumber(place);
    if (page < this.#first || page >= this.#first + this.#pages) return false;
    // What is not asked for is not granted.
    return (needed & ~this.#question.needed & (WRITE | EXECUTE)) === 0;
  }

  note(invalidation: Invalidation): void {
    if (this.#invalidations.length < ITAGS) this.#invalidations.push(invalidation);
    else this.isDiscarded = true;
  }

  isStale({ place, entry }: Told): boolean {
    return this.isDiscarded || this.#invalidations.some((one) => concerns(one, place.pasid, place, entry.shift));
  }

  /** Takes what the completions said. What follows the first entry counts as far as it goes on where that ends. */
  hear(data: Uint8Array): void {
    const { unit, needed } = this.#question;
    const { privileged } = this.#place;
    const count = Math.floor(data.length / TRANSLATION_BYTES);
    // An answer without an entry, or of less than the smallest unit, counts as UR.
    if (count === 0) this.status = DmaStatus.UNSUPPORTED_REQUEST;
    let shift = 0;
    for (let i = 0; i < count; i++) {
      const from = i * TRANSLATION_BYTES;
      const said = decodeTranslation(halfAt(data, from), halfAt(data, from + 4));
      if (i === 0) shift = said.shift;
      if (shift < unit) this.status = DmaStatus.UNSUPPORTED_REQUEST;
      const pages = 2 ** (shift - SMALLEST_SHIFT);
      const page = (Math.floor(this.#first / pages) + i) * pages;
      const isNext = said.shift === shift && page < Math.min(this.#first + this.#pages, SPACE_PAGES);
      if (!isNext || this.status !== DmaStatus.SUCCESS) return;
      const place = { ...this.#place, hi: highHalf(page * PAGE_BYTES), lo: lowHalf(page * PAGE_BYTES) };
      const execute = said.execute && (needed & EXECUTE) !== 0;
      const isOfMode = said.privileged === privileged;
      this.told.push({ place, entry: isOfMode ? { ...said, execute } : { ...NO_ACCESS, shift } });
    }
  }
}

function pageNumber({ hi, lo }: Place): number {
  return numberOf(hi >>> SMALLEST_SHIFT, pageLow(hi, lo));
}

/** The entry, with the place of this byte instead of that of the first. */
function at(entry: TranslationEntry, { hi, lo }: Place): TranslationEntry {
  const { shift } = entry;
  return { ...entry, hi: entry.hi | (hi & belowHigh(shift)), lo: entry.lo | (lo & belowLow(shift)) };
}
