/** In which order a device reads a buffer: streams of accesses that never end. */
import { highHalf, lowHalf } from '../../../hardware/bits/index.ts';
import type { Command, Transfers } from '../../../hardware/path/index.ts';
import { type Random, Weights } from '../../../hardware/sim/index.ts';
import { IOVA, REQUESTER } from './spaces.ts';

/**
 * - `uniform`: any line of any page; `zipf`: the same, but page number i is read in proportion to 1/i, page numbers being
 *   shuffled over the buffer;
 * - `sequential`: line after line, from the first page to the last and over again; `strided`: the same line of page after page.
 */
export const PATTERNS = ['uniform', 'zipf', 'sequential', 'strided'] as const;
export type Pattern = (typeof PATTERNS)[number];

export interface PatternSpec {
  readonly pattern: Pattern;
  /** Pages of each requester, and their bytes. */
  readonly pages: number;
  readonly pageBytes: number;
  readonly requesters: number;
  /** Of a read. */
  readonly bytes: number;
}

const ZIPF_EXPONENT = 1;

/** Requesters take turns, each with a place of its own in its pattern. */
export class PatternTransfers implements Transfers {
  readonly #spec: PatternSpec;
  readonly #random: Random;
  readonly #units: number;
  readonly #weights: Weights | null;
  readonly #order: readonly number[];
  readonly #positions: Float64Array;
  #turn = 0;

  constructor(spec: PatternSpec, random: Random) {
    const { pattern, pages, pageBytes, requesters, bytes } = spec;
    this.#spec = spec;
    this.#random = random;
    this.#units = pageBytes / bytes;
    this.#weights = pattern === 'zipf' ? Weights.zipf(pages, ZIPF_EXPONENT) : null;
    const order = Array.from({ length: pages }, (_, i) => i);
    this.#order = pattern === 'zipf' ? random.shuffle(order) : order;
    this.#positions = new Float64Array(requesters);
  }

  fill(command: Command): void {
    const { pageBytes, requesters, bytes } = this.#spec;
    const turn = this.#turn;
    this.#turn = turn + 1 === requesters ? 0 : turn + 1;
    const at = IOVA + this.#next(turn, pageBytes, bytes);
    command.requester = REQUESTER + turn;
    command.hi = highHalf(at);
    command.lo = lowHalf(at);
    command.length = bytes;
  }

  /** The offset of a requester's next read. */
  #next(turn: number, pageBytes: number, bytes: number): number {
    const { pattern, pages } = this.#spec;
    const random = this.#random;
    const position = this.#positions[turn]!;
    switch (pattern) {
      case 'sequential':
        this.#positions[turn] = (position + 1) % (pages * this.#units);
        return position * bytes;
      case 'strided':
        this.#positions[turn] = (position + 1) % pages;
        return position * pageBytes;
      default: {
        const page = this.#weights === null ? random.below(pages) : this.#order[this.#weights.draw(random)]!;
        return page * pageBytes + random.below(this.#units) * bytes;
      }
    }
  }
}
