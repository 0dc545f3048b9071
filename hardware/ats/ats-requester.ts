/**
 * DMA of a function with a device-TLB: what `Requester` does with plain requests, this does with translated ones where the
 * function may and a translation is known or told (PCIe 10.2 to 10.4).
 *
 * Offers: `read`, `write`, `atomic` as every `Dma`; `message` for what comes; `stopPasid`; `tlb`, `state`; `reset`.
 * Needs: the function's configuration space, a requester, to which its owner passes completions as before.
 *
 * Each access goes page by page, so none crosses a translation. A page that a translation does not allow is a failure, or
 * is asked for through the page request interface and then looked for again.
 *
 * Inaccuracies: look-ups and invalidations take no time. A transfer asks for its translations one after the other. Requests
 * that wait for a credit when ATS is switched off still go. Translated requests carry no PASID.
 */
import { type Dma, type DmaRead, DmaStatus, MessageCode, type PcieFunction, type Tlp } from '../pcie/index.ts';
import type { Engine, Script } from '../sim/index.ts';
import { type AtsTarget, type Piece, piecesOf, Whole } from './access.ts';
import { DEVICE_TLB, type DeviceTlb, Permission } from './device-tlb.ts';
import { Invalidations, type Use } from './invalidations.ts';
import { type AtsSpec, type Located, Locator } from './locator.ts';
import { type Invalidation, readInvalidateRequest } from './messages.ts';
import { PageRequests } from './page-requests.ts';
import { belowHigh, belowLow } from './ranges.ts';
import { SMALLEST_SHIFT, WHOLE_SHIFT } from './spec.ts';

/** Not architectural. */
export const ATS: AtsSpec = {
  tlb: DEVICE_TLB,
  translations: 1,
  onFault: 'fail',
  pagesPerGroup: 1,
  pageAttempts: 4,
  pagePatience: null,
};

export interface AtsState {
  hits: number;
  misses: number;
  /** Accesses to a page that no translation allows. */
  faults: number;
  readonly translationRequests: number;
  readonly invalidations: number;
  readonly pageRequestsOutstanding: number;
}

const { READ, WRITE, EXECUTE } = Permission;
const NOTHING = new Uint8Array(0);

export class AtsRequester implements Dma {
  readonly spec: AtsSpec;
  /** The function's page request interface, its physical function's, or null. */
  readonly pages: PageRequests | null;
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #plain: Dma;
  readonly #locator: Locator;
  readonly #invalidations: Invalidations;
  readonly #sharesPages: boolean;
  #life: number;

  /** `pages` is the page request interface of a virtual function's physical one. */
  constructor(engine: Engine, fn: PcieFunction, plain: Dma, spec = ATS, pages: PageRequests | null = null) {
    const { ats, pri } = fn.config;
    this.spec = spec;
    this.#engine = engine;
    this.#function = fn;
    this.#plain = plain;
    this.#life = engine.life;
    this.#sharesPages = pages !== null;
    this.pages = pages ?? (pri === null ? null : new PageRequests(engine, pri));
    this.#locator = new Locator(engine, fn, plain, spec, this.pages);
    this.#invalidations = new Invalidations(engine, fn);
    if (ats !== null) ats.onEnable = () => this.#locator.refresh();
  }

  get tlb(): DeviceTlb {
    return this.#locator.tlb;
  }

  get state(): AtsState {
    return {
      ...this.#locator.counts,
      translationRequests: this.#locator.requests.sent,
      invalidations: this.#invalidations.accepted,
      pageRequestsOutstanding: this.pages?.outstanding ?? 0,
    };
  }

  /** Translations are asked for and used. */
  get isActive(): boolean {
    return this.#locator.isActive;
  }

  *read(at: AtsTarget, length: number, into: Uint8Array = new Uint8Array(length)): Script<DmaRead> {
    if (!this.isActive) return yield* this.#plain.read(at, length, into);
    // Without a PASID there is nothing to execute.
    const mayExecute = at.execute === true && at.pasid !== undefined && this.#function.config.pasid?.execute === true;
    const pieces = piecesOf(at, length, length === 0 ? 0 : READ | (mayExecute ? EXECUTE : 0));
    if (pieces.length === 1) return yield* this.#readPage(yield* this.#locator.locate(pieces[0]!), into);
    // Answers come while the next page is looked for.
    const whole = new Whole(this.#engine, length);
    for (const piece of pieces) {
      const located = yield* this.#locator.locate(piece);
      if (located.status !== DmaStatus.SUCCESS) {
        whole.fail(located.status, piece.from);
        break;
      }
      whole.begin();
      const use = this.#begin(located);
      this.#engine.spawn(this.#readPart(located, use, piece, into, whole), `${this.#function.name}: a page of a read`);
    }
    return yield* whole.end(into);
  }

  *write(at: AtsTarget, bytes: Uint8Array): Script<number> {
    if (!this.isActive) return yield* this.#plain.write(at, bytes);
    for (const piece of piecesOf(at, bytes.length, WRITE)) {
      const located = yield* this.#locator.locate(piece);
      if (located.status !== DmaStatus.SUCCESS) return located.status;
      const use = this.#begin(located);
      const part = bytes.subarray(piece.from, piece.from + piece.length);
      const status = yield* this.#plain.write(located.target, part);
      this.#end(use);
      if (status !== DmaStatus.SUCCESS) return status;
    }
    return DmaStatus.SUCCESS;
  }

  *atomic(kind: number, at: AtsTarget, operands: Uint8Array): Script<DmaRead> {
    if (!this.isActive) return yield* this.#plain.atomic(kind, at, operands);
    const { length } = operands;
    const located = yield* this.#locator.locate({ at, from: 0, length, needed: READ | WRITE, left: length });
    if (located.status !== DmaStatus.SUCCESS) return { status: located.status, data: NOTHING };
    const use = this.#begin(located);
    const result = yield* this.#plain.atomic(kind, located.target, operands);
    this.#end(use);
    return result;
  }

  /** Takes a message for the function; false when it is none of ATS or the page request interface. */
  message(tlp: Tlp): boolean {
    if (tlp.messageCode === MessageCode.INVALIDATE_REQUEST) {
      const invalidation = readInvalidateRequest(tlp);
      // Also with ATS off: then nothing is held, and who asks wants to know that (10.3.4).
      if (invalidation !== null) this.#invalidate(invalidation);
      return invalidation !== null;
    }
    if (tlp.messageCode !== MessageCode.PAGE_REQUEST_GROUP_RESPONSE || this.pages === null) return false;
    this.pages.response(this.#function, tlp);
    return true;
  }

  /** The device has ended what it did under a PASID: nothing of it is kept, and no more pages are asked for. */
  *stopPasid(pasid: number, withMarker: boolean): Script {
    this.tlb.removePasid(pasid);
    this.#locator.requests.note({ agent: 0, tag: 0, pasid, global: false, hi: 0, lo: 0, shift: WHOLE_SHIFT });
    if (this.pages !== null) yield* this.pages.stop(this.#function, pasid, withMarker);
  }

  /** The function is reset: nothing is held, and no invalidation is owed an answer (10.3.2, 10.3.7). */
  reset(): void {
    const { counts, requests } = this.#locator;
    this.#locator.refresh();
    this.#invalidations.reset();
    Object.assign(counts, { hits: 0, misses: 0, faults: 0 });
    requests.sent = 0;
    if (this.#life === this.#engine.life) {
      this.pages?.reset(this.#sharesPages ? this.#function : null);
      return;
    }
    // With the whole machine: nobody who waits goes on.
    this.#life = this.#engine.life;
    requests.forget();
    this.pages?.forget();
  }

  #begin({ place, shift }: Located): Use | null {
    return place === null ? null : this.#invalidations.begin(place.pasid, place, shift);
  }

  #end(use: Use | null): void {
    if (use !== null) this.#invalidations.end(use);
  }

  /** All of a read. */
  *#readPage(located: Located, into: Uint8Array): Script<DmaRead> {
    if (located.status !== DmaStatus.SUCCESS) return { status: located.status, data: NOTHING };
    const use = this.#begin(located);
    const result = yield* this.#plain.read(located.target, into.length, into);
    this.#end(use);
    return result;
  }

  /** A page of a read of several, which has begun. */
  *#readPart({ target }: Located, use: Use | null, { from, length }: Piece, into: Uint8Array, whole: Whole): Script {
    const { status, data } = yield* this.#plain.read(target, length, into.subarray(from, from + length));
    this.#end(use);
    if (status !== DmaStatus.SUCCESS) whole.fail(status, from + data.length);
    whole.done();
  }

  #invalidate(said: Invalidation): void {
    const { ats } = this.#function.config;
    const shift = Math.max(said.shift, SMALLEST_SHIFT + (ats?.stu ?? 0));
    // Less than the smallest unit counts as all of it; Global Invalidate only where it is supported.
    const global = said.global && this.tlb.spec.global;
    const one = { ...said, shift, global, hi: said.hi & ~belowHigh(shift), lo: said.lo & ~belowLow(shift) };
    this.#locator.invalidate(one);
    this.#invalidations.accept(one);
  }
}
