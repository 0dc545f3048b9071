/** The layout of a table entry by the name under which a walk reports it, and its value. */
import type { AnyLayout, Words } from '../../bits/index.ts';
import { V1_PDE, V1_PTE, V2_NAMES, v2Layout } from '../../formats/index.ts';
import { DTE, GCR3_ENTRY, IRTE_32, IRTE_128, IRTE_128_XT, IRTE_GUEST, IRTE_GUEST_XT } from '../spec/index.ts';

const BY_NAME: Readonly<Record<string, AnyLayout>> = Object.fromEntries(
  [DTE, GCR3_ENTRY].map((of: AnyLayout) => [of.$.name, of]),
);

/** `hasLongIds`: Control.XTEn, with which interrupt entries have destinations of 32 bits. */
export function entryLayout(what: string, words: Words, hasLongIds = false): AnyLayout | undefined {
  const host = [V1_PTE, V1_PDE].find((of) => what.startsWith(`${of.$.name}, level`));
  if (host !== undefined) return host;
  const level = V2_NAMES.indexOf(what);
  if (level > 0) return v2Layout(level, words[0]! | 0);
  if (what === 'IRTE') return interruptLayout(words, hasLongIds);
  return Object.hasOwn(BY_NAME, what) ? BY_NAME[what] : undefined;
}

/** An entry of an interrupt table, by its length, its mode and the width of destinations. */
export function interruptLayout(words: Words, hasLongIds: boolean): AnyLayout {
  if (words.length < IRTE_128.$.words) return IRTE_32;
  if (IRTE_GUEST.GuestMode.isSet(words)) return hasLongIds ? IRTE_GUEST_XT : IRTE_GUEST;
  return hasLongIds ? IRTE_128_XT : IRTE_128;
}
