/** One entry of a translation completion as plain values: what the agent says and what the device hears. */
import { belowHigh, belowLow, type Halves, sized, sizedShift } from './ranges.ts';
import { TRANSLATION_COMPLETION, TRANSLATION_REQUEST } from './spec.ts';

/** The translation of the 2^shift bytes around the address that was asked about. */
export interface TranslationEntry {
  /** Where the first byte of the range lies. */
  readonly hi: number;
  readonly lo: number;
  /** log2 of the bytes of the range, 12 to 64. */
  readonly shift: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** Of privileged mode. */
  readonly privileged: boolean;
  /** Valid under every PASID. */
  readonly global: boolean;
  /** U: translated requests must not be used. */
  readonly untranslatedOnly: boolean;
  /** N: requests that use it must not say No Snoop. */
  readonly snooped: boolean;
}

const { R, W, U, EXE, PRIV, GLOBAL, N } = TRANSLATION_COMPLETION;

/** An entry by which nothing is allowed. */
export const NO_ACCESS: TranslationEntry = {
  hi: 0,
  lo: 0,
  shift: 12,
  read: false,
  write: false,
  execute: false,
  privileged: false,
  global: false,
  untranslatedOnly: false,
  snooped: false,
};

export function encodeTranslation(entry: TranslationEntry): Halves {
  const { hi, lo } = sized(entry.hi, entry.lo, entry.shift);
  const flags =
    (entry.read ? R.mask : 0) |
    (entry.write ? W.mask : 0) |
    (entry.execute ? EXE.mask : 0) |
    (entry.privileged ? PRIV.mask : 0) |
    (entry.global ? GLOBAL.mask : 0) |
    (entry.untranslatedOnly ? U.mask : 0) |
    (entry.snooped ? N.mask : 0);
  return { hi, lo: lo | flags };
}

/** Any two words are an entry; what is reserved is not looked at. */
export function decodeTranslation(hi: number, lo: number): TranslationEntry {
  const shift = sizedShift(hi | 0, lo | 0);
  return {
    hi: hi & ~belowHigh(shift),
    lo: lo & ~belowLow(shift),
    shift,
    read: (lo & R.mask) !== 0,
    write: (lo & W.mask) !== 0,
    execute: (lo & EXE.mask) !== 0,
    privileged: (lo & PRIV.mask) !== 0,
    global: (lo & GLOBAL.mask) !== 0,
    untranslatedOnly: (lo & U.mask) !== 0,
    snooped: (lo & N.mask) !== 0,
  };
}

/** The address field of a translation request. */
export function translationRequestAddress(hi: number, lo: number, noWrite: boolean): Halves {
  return { hi, lo: (lo & -4096) | (noWrite ? TRANSLATION_REQUEST.NW.mask : 0) };
}

/** NW of a translation request with this lower half of an address. */
export function saysNoWrite(lo: number): boolean {
  return (lo & TRANSLATION_REQUEST.NW.mask) !== 0;
}

/** Puts the upper half of a structure first, each half with its highest byte first, as ATS data travels. */
export function putHalves(into: Uint8Array, at: number, { hi, lo }: Halves): void {
  for (let i = 0; i < 4; i++) {
    into[at + i] = hi >>> (24 - i * 8);
    into[at + 4 + i] = lo >>> (24 - i * 8);
  }
}

/** The half of a structure whose highest byte is at `at`. */
export function halfAt(from: Uint8Array, at: number): number {
  return (from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!;
}
