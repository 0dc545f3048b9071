/**
 * Finds out how a page of an access is reached: in the device-TLB, by a translation request, by a page request and then
 * again, or untranslated (PCIe 10.2, 10.4).
 *
 * Needs: the function's configuration space, a requester, the page request interface if there is one. Offers: `locate`;
 * `refresh` when what is known is of before.
 */
import {
  AddressType,
  Attribute,
  beyond,
  type Dma,
  DmaStatus,
  type DmaTarget,
  NO_PASID,
  type PcieFunction,
} from '../pcie/index.ts';
import { type Duration, type Engine, ns, type Script } from '../sim/index.ts';
import { type AtsTarget, nextPage, type OnFault, type Piece } from './access.ts';
import { DeviceTlb, type DeviceTlbSpec, Permission, type Place, permissionsOf } from './device-tlb.ts';
import type { Invalidation } from './messages.ts';
import { PageOutcome, type PageRequests, type WantedPage } from './page-requests.ts';
import { SMALLEST_SHIFT, TRANSLATION_BYTES } from './spec.ts';
import { Answer, TranslationRequests } from './translation-requests.ts';

export interface AtsSpec {
  readonly tlb: Omit<DeviceTlbSpec, 'global'>;
  /** Translations that one request asks for at most: as many as the transfer needs, and as fit a read completion boundary. */
  readonly translations: number;
  readonly onFault: OnFault;
  /** Pages of a transfer that one page request group asks for at most. */
  readonly pagesPerGroup: number;
  /** How often an access asks for a page that still has no translation after a successful response. */
  readonly pageAttempts: number;
  /** Nanoseconds that the device waits for a page response; `null` for ever. */
  readonly pagePatience: number | null;
}

/** How a page is reached. */
export interface Located {
  /** A value of `DmaStatus`: with any but SUCCESS it is not. */
  readonly status: number;
  readonly target: DmaTarget;
  /** What is translated, for those who keep track; null for an untranslated access. */
  readonly place: Place | null;
  /** The translation is about the 2^shift bytes around `place`; 0 without one. */
  readonly shift: number;
}

const { READ, WRITE, EXECUTE } = Permission;

export class Locator {
  readonly spec: AtsSpec;
  readonly tlb: DeviceTlb;
  readonly counts = { hits: 0, misses: 0, faults: 0 };
  readonly requests: TranslationRequests;
  readonly #function: PcieFunction;
  readonly #pages: PageRequests | null;
  readonly #patience: Duration | null;
  /** A translation request was refused: ATS is not used until it is enabled again. */
  #isRefused = false;

  constructor(engine: Engine, fn: PcieFunction, plain: Dma, spec: AtsSpec, pages: PageRequests | null) {
    this.spec = spec;
    this.#function = fn;
    this.#pages = pages;
    this.#patience = spec.pagePatience === null ? null : ns(spec.pagePatience);
    this.tlb = new DeviceTlb({ ...spec.tlb, global: fn.config.ats?.globalInvalidate === true });
    this.requests = new TranslationRequests(engine, plain, this.tlb);
  }

  /** Translations are asked for and used. */
  get isActive(): boolean {
    return this.#function.config.ats?.enabled === true && !this.#isRefused;
  }

  /** Looks for the translation of a page until there is one, or there is to be none. */
  *locate(piece: Piece): Script<Located> {
    const { at, from, needed } = piece;
    const byte = from === 0 ? at : beyond(at, from);
    const place = this.#placeOf(byte);
    if (!this.#mayUse(place.pasid)) return failed(DmaStatus.UNSUPPORTED_REQUEST, byte);
    for (let asked = 0; this.isActive; ) {
      const { tlb } = this;
      if (tlb.find(place, needed)) {
        this.counts.hits++;
        return way(byte, place, tlb);
      }
      this.counts.misses++;
      const answer = yield* this.requests.ask({ place, needed, ...this.#wanted(piece) });
      if (answer === Answer.AGAIN) continue;
      if (answer === Answer.REFUSED) {
        this.#isRefused = true;
        this.#forget();
        continue;
      }
      if (answer !== DmaStatus.SUCCESS) return failed(answer, byte);
      const { located } = this.requests;
      if ((located.read || located.write) && (permissionsOf(located) & needed) === needed) {
        return way(byte, place, located);
      }
      this.counts.faults++;
      const wantsPage = (at.onFault ?? this.spec.onFault) === 'request page' && asked++ < this.spec.pageAttempts;
      if (!wantsPage) return failed(DmaStatus.NO_TRANSLATION, byte);
      const status = yield* this.#requestPages(piece, place);
      if (status !== DmaStatus.SUCCESS) return failed(status, byte);
    }
    return untranslated(byte);
  }

  /** Asks for the page and, as far as a group goes, for those behind it that the access has no translation for. */
  *#requestPages({ left, needed }: Piece, place: Place): Script<number> {
    const { spec } = this;
    const pages = this.#pages;
    if (pages === null || !pages.isEnabled) return DmaStatus.NO_TRANSLATION;
    const most = Math.min(spec.pagesPerGroup, pages.mostPages);
    const wanted: WantedPage[] = [];
    const access = { read: needed === 0 || (needed & READ) !== 0, write: (needed & WRITE) !== 0 };
    for (let from = 0; from < Math.max(left, 1) && wanted.length < most; from = nextPage(place, from)) {
      const { hi, lo } = beyond(place, from);
      if (from > 0 && this.tlb.find({ ...place, hi, lo }, needed)) break;
      wanted.push({ hi, lo, ...access });
    }
    if (wanted.length === 0) return DmaStatus.NO_TRANSLATION;
    const { pasid, privileged } = place;
    const asker = { fn: this.#function, pasid, privileged, execute: (needed & EXECUTE) !== 0 };
    const outcome = yield* pages.request(wanted, asker, this.#patience);
    if (outcome === PageOutcome.SUCCESS) return DmaStatus.SUCCESS;
    if (outcome === PageOutcome.RESET) return DmaStatus.RESET;
    return outcome === PageOutcome.TIMED_OUT ? DmaStatus.TIMED_OUT : DmaStatus.NO_TRANSLATION;
  }

  /** An invalidation has come: what it names is neither held nor taken from answers under way. */
  invalidate(invalidation: Invalidation): void {
    this.tlb.invalidate(invalidation);
    this.requests.note(invalidation);
  }

  /** ATS was switched on or off, or the function was reset: whatever is known is of before. */
  refresh(): void {
    this.#isRefused = false;
    this.#forget();
  }

  #forget(): void {
    this.tlb.clear();
    this.requests.discard();
  }

  /** How many translations from here on, in which unit. */
  #wanted({ at, from, left }: Piece): { readonly unit: number; readonly translations: number } {
    const { ats, pciExpress } = this.#function.config;
    const unit = SMALLEST_SHIFT + (ats?.stu ?? 0);
    const most = Math.min(this.spec.translations, (pciExpress?.readCompletionBoundary ?? 64) / TRANSLATION_BYTES);
    const bytes = 2 ** unit;
    const offset = (((at.lo >>> 0) % bytes) + from) % bytes;
    return { unit, translations: Math.max(Math.min(most, Math.ceil((offset + left) / bytes)), 1) };
  }

  #placeOf({ hi, lo, pasid, privileged }: DmaTarget): Place {
    const isPrivileged = pasid !== undefined && privileged === true && this.#function.config.pasid?.privileged === true;
    return { pasid: pasid ?? NO_PASID, privileged: isPrivileged, hi, lo };
  }

  #mayUse(pasid: number): boolean {
    const { pasid: capability } = this.#function.config;
    if (pasid === NO_PASID) return true;
    return capability?.enabled === true && pasid < 2 ** capability.width;
  }
}

/** What the device-TLB and an entry of an answer both say. */
interface Way {
  readonly hi: number;
  readonly lo: number;
  readonly shift: number;
  readonly untranslatedOnly: boolean;
  readonly snooped: boolean;
}

/** The access may go this way. */
function way(byte: AtsTarget, place: Place, { hi, lo, shift, untranslatedOnly, snooped }: Way): Located {
  if (untranslatedOnly) return untranslated(byte);
  const attributes = (byte.attributes ?? 0) & ~(snooped ? Attribute.NO_SNOOP : 0);
  const target = { hi, lo, addressType: AddressType.TRANSLATED, attributes };
  return { status: DmaStatus.SUCCESS, target, place, shift };
}

function untranslated(target: DmaTarget): Located {
  return { status: DmaStatus.SUCCESS, target, place: null, shift: 0 };
}

function failed(status: number, target: DmaTarget): Located {
  return { status, target, place: null, shift: 0 };
}
