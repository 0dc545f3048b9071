/**
 * Accessed and dirty flags of both vendors' tables (VT-d 3.6.2, 3.7.2): set in memory by an atomic operation that succeeds only while the entry
 * is still the one that the walk has read.
 */
import type { FaultReason, Translation } from './translation.ts';
import type { Walk } from './walk.ts';

export const UpdateEnd = {
  /** The flags are set, or were. */
  DONE: 0,
  /** Software changed the entry since it was read: it must be read again. */
  CHANGED: 1,
  /** A flag has to be set, but walks are not snooped. */
  NOT_SNOOPED: 2,
  FAILED: 3,
} as const;

/** Sets `flags` in the low word of the entry at `address`. A request without effects only says how it would end. */
export function* setFlags(
  t: Translation<FaultReason>,
  address: number,
  entryLo: number,
  entryHi: number,
  flags: number,
  coherent: boolean,
): Walk<number> {
  if ((entryLo & flags) === flags) return UpdateEnd.DONE;
  if (!coherent) return UpdateEnd.NOT_SNOOPED;
  if (!t.effects) return UpdateEnd.DONE;
  const { memory } = t;
  yield memory.compareExchange(address, entryLo, entryHi, entryLo | flags, entryHi);
  if (!memory.ok) return UpdateEnd.FAILED;
  const unchanged = (memory.words[0]! | 0) === entryLo && (memory.words[1]! | 0) === entryHi;
  return unchanged ? UpdateEnd.DONE : UpdateEnd.CHANGED;
}
