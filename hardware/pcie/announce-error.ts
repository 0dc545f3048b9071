/** What a function does about an error that it finds itself: it remembers it, and tells the root complex where it may. */
import type { Engine } from '../sim/index.ts';
import { headerWords } from './codec.ts';
import type { PcieFunction } from './function.ts';
import { ErrorMessage, UncorrectableError } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** `error` is one of `UncorrectableError`, `tlp` that in which it was found. */
export function announceError(engine: Engine, fn: PcieFunction, error: number, tlp: Tlp | null): void {
  const header = tlp === null ? null : headerWords(tlp);
  // A completion that nobody waits for does no harm here.
  const advisory = error === UncorrectableError.UNEXPECTED_COMPLETION;
  const message = fn.config.report({ error, header, advisory });
  if (message === ErrorMessage.NONE) return;
  engine.spawn(fn.transmit(fn.take().message(fn.requester, message)), `${fn.name} reports an error`);
}
