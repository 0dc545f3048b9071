/**
 * Translation requests of devices (PCIe ATS, 10.2): what they ask of a unit, and the entries of their completion. The first
 * entry is about the page that was asked about; those behind it are about the ranges that follow, as far as they have the
 * same size, allow something, and overlap the range that the request implies.
 *
 * The range that a request implies counts in the device's smallest translation unit, which no agent knows: here it counts
 * in pages of 4 KiB, the smallest there is, so that no entry is ever one too many.
 */
import {
  belowHigh,
  belowLow,
  encodeTranslation,
  SMALLEST_SHIFT,
  type TranslationEntry,
  WHOLE_SHIFT,
} from '../ats/index.ts';
import { highHalf, lowHalf, numberOf } from '../bits/index.ts';
import { MOST_TRANSLATIONS, type TranslationRequest } from '../pcie/index.ts';
import { Access, AddressType, NO_PASID, Status } from './access.ts';
import { type FaultReason, isExecute, type Translation } from './translation.ts';
import type { IommuUnit } from './unit.ts';
import type { Walk } from './walk.ts';

/** Who asks for a translation, and what the request says of itself. */
export interface TranslationQuestion {
  readonly requester: number;
  readonly pasid: number;
  /** Of these bits of `Access` only EXECUTE and PRIVILEGED count. */
  readonly access: number;
  /** NW: the device will not write. */
  readonly noWrite: boolean;
}

/** Makes `t` a translation request: the device may read, and write unless it says NW and the unit heeds that. */
export function askForTranslation(
  t: Translation,
  { requester, pasid, access, noWrite }: TranslationQuestion,
  { hi, lo }: { readonly hi: number; readonly lo: number },
  { ignoresNoWrite }: Pick<IommuUnit, 'ignoresNoWrite'>,
): void {
  const rights = Access.READ | (noWrite && !ignoresNoWrite ? 0 : Access.WRITE);
  t.ask(requester, pasid, (access & (Access.EXECUTE | Access.PRIVILEGED)) | rights, hi, lo);
  t.addressType = AddressType.TRANSLATION;
}

/** What a unit knows of a page that a translation request has found. */
export interface FoundPage {
  readonly read: boolean;
  readonly write: boolean;
  /** What may be read may be executed. */
  readonly executable: boolean;
  readonly untranslatedOnly: boolean;
}

/** What a translation request that succeeded tells the device. */
export function translationEntry(
  { access, fault, hpaHi, hpaLo, leaf, pasid, snoop }: Translation,
  { read, write, executable, untranslatedOnly }: FoundPage,
): TranslationEntry {
  // Of a fault nothing is told but that there are no rights.
  const isFound = fault === null;
  const shift = isFound ? leaf.shift : SMALLEST_SHIFT;
  return {
    hi: isFound ? hpaHi & ~belowHigh(shift) : 0,
    lo: isFound ? hpaLo & ~belowLow(shift) : 0,
    shift,
    read,
    write,
    execute: read && executable && isExecute({ pasid, access }),
    privileged: pasid !== NO_PASID && (access & Access.PRIVILEGED) !== 0,
    global: false,
    untranslatedOnly,
    snooped: isFound && snoop,
  };
}

/** The steps of a translation request; its status and entries are in `request` when they end. */
export function* serveTranslationRequest<Fault extends FaultReason>(
  unit: IommuUnit<Fault>,
  request: TranslationRequest,
  t: Translation<Fault>,
): Walk {
  const { addressHi } = request;
  // Bits 11:0 are no part of the address.
  const addressLo = request.addressLo & -PAGE;
  request.translated = 0;
  askForTranslation(t, request, { hi: addressHi, lo: addressLo }, unit);
  yield* unit.walk(t);
  unit.report(t);
  request.status = t.status;
  if (t.status !== Status.SUCCESS) return;
  const first = unit.completion(t);
  add(request, first);
  if (!allowsAnything(first)) return;
  const pages = 2 ** (first.shift - SMALLEST_SHIFT);
  const asked = numberOf(addressHi, addressLo) / PAGE;
  const end = Math.min(asked + Math.min(request.wanted, MOST_TRANSLATIONS), PAGES);
  for (let page = asked - (asked % pages) + pages; page < end; page += pages) {
    const at = { hi: highHalf(page * PAGE), lo: lowHalf(page * PAGE) };
    askForTranslation(t, request, at, unit);
    yield* unit.walk(t);
    // What stands in the way of a range that nobody has asked about yet is not reported.
    if (t.status !== Status.SUCCESS || t.fault !== null) return;
    const entry = unit.completion(t);
    if (entry.shift !== first.shift || !allowsAnything(entry)) return;
    add(request, entry);
  }
}

function add(request: TranslationRequest, entry: TranslationEntry): void {
  const { hi, lo } = encodeTranslation(entry);
  const at = request.translated++ * 2;
  request.translations[at] = hi;
  request.translations[at + 1] = lo;
}

/** An entry that allows nothing says that there is no translation. */
function allowsAnything({ read, write }: TranslationEntry): boolean {
  return read || write;
}

const PAGE = 2 ** SMALLEST_SHIFT;
/** Of the whole space. */
const PAGES = 2 ** (WHOLE_SHIFT - SMALLEST_SHIFT);
