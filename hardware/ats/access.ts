/** How an access is cut into pages, and how the answers to a read of several come together. */
import { type DmaRead, DmaStatus, type DmaTarget } from '../pcie/index.ts';
import { type Engine, type Script, Signal } from '../sim/index.ts';
import { SMALLEST_SHIFT } from './spec.ts';

/** What is done about a page that has no translation, or none that allows the access. */
export type OnFault = 'fail' | 'request page';

export interface AtsTarget extends DmaTarget {
  /** As the device's spec says, if this does not. */
  readonly onFault?: OnFault | undefined;
}

/** What of an access lies in one page. */
export interface Piece {
  readonly at: AtsTarget;
  /** Bytes of the access before it. */
  readonly from: number;
  readonly length: number;
  /** Bits of `Permission`. */
  readonly needed: number;
  /** Bytes from here to the end of the access. */
  readonly left: number;
}

const PAGE_BYTES = 2 ** SMALLEST_SHIFT;

/** The pages of an access; an access without bytes is to the page in which it lies. */
export function piecesOf(at: AtsTarget, length: number, needed: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from === 0 || from < length; from = nextPage(at, from)) {
    pieces.push({ at, from, length: Math.min(nextPage(at, from), length) - from, needed, left: length - from });
  }
  return pieces;
}

/** Where the page begins that follows the one of the byte `from` behind `at`. */
export function nextPage({ lo }: { readonly lo: number }, from: number): number {
  return from + PAGE_BYTES - ((lo + from) & (PAGE_BYTES - 1));
}

/** A read of several pages under way. */
export class Whole {
  readonly #ended: Signal;
  #status: number = DmaStatus.SUCCESS;
  /** Bytes before the first that is missing. */
  #length: number;
  /** One more while pages are still looked for. */
  #parts = 1;

  constructor(engine: Engine, length: number) {
    this.#ended = new Signal(engine, 'the pages of a read');
    this.#length = length;
  }

  begin(): void {
    this.#parts++;
  }

  /** Of several errors, the one that is nearest to the start counts. */
  fail(status: number, at: number): void {
    if (this.#status !== DmaStatus.SUCCESS && at >= this.#length) return;
    this.#status = status;
    this.#length = Math.min(this.#length, at);
  }

  done(): void {
    if (--this.#parts === 0) this.#ended.fire();
  }

  *end(into: Uint8Array): Script<DmaRead> {
    this.done();
    yield this.#ended;
    return { status: this.#status, data: into.subarray(0, this.#length) };
  }
}
