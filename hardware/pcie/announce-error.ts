/** What a function does about an error that it finds itself: it remembers it, and tells the root complex where it may. */
import { headerWords } from './codec.ts';
import type { PcieFunction } from './function.ts';
import { ErrorMessage, UncorrectableError } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** Error messages that wait for a credit at one place. */
export const MOST_ERRORS = 8;

/**
 * `error` is one of `UncorrectableError`, `tlp` that in which it was found. Of an error of the whole device all functions
 * remember it, and one for each severity tells (PCIe 6.2.4).
 */
export function announceError(functions: readonly PcieFunction[], error: number, tlp: Tlp | null): void {
  const header = tlp === null ? null : headerWords(tlp);
  // A completion that nobody waits for does no harm here.
  const advisory = error === UncorrectableError.UNEXPECTED_COMPLETION;
  const told = new Set<number>([ErrorMessage.NONE]);
  for (const fn of functions) {
    const message = fn.config.report({ error, header, advisory });
    if (told.has(message)) continue;
    told.add(message);
    fn.endpoint.tell(fn, message);
  }
}
