/**
 * The events of a path, under one handler: a hot place of the engine calls handlers of few classes only, and each part of the path
 * would be one more.
 */
import type { Duration, Engine, Handler } from '../sim/index.ts';

/** What happens, and to which part. */
export const PathEvent = {
  /** The link from the device is free. */
  LINK_FREE: 0,
  /** A read command is issued. */
  ISSUED: 1,
  /** A write TLP is put together; there is room for another. */
  BUILT: 2,
  ROOM: 3,
  /** Of a request: it needed no translation, everybody sees what it wrote. */
  TRANSLATED: 4,
  VISIBLE: 5,
  /** Of a piece of a read: the device has it, or would have it if the link were free. */
  ARRIVED: 6,
  /** Memory has a piece of a read: told only to who watches. */
  FETCHED: 7,
} as const;

const BITS = 3;
const MASK = 7;

/** Carries out what has happened. `index` says to which request or piece. */
export type Carry = (event: number, index: number) => void;

export class PathEvents implements Handler {
  readonly name = 'the path of a DMA';
  readonly engine: Engine;
  readonly #carry: Carry;

  constructor(engine: Engine, carry: Carry) {
    this.engine = engine;
    this.#carry = carry;
  }

  /** Lets it happen in `delay` picoseconds. */
  schedule(delay: number, event: number, index: number): void {
    this.engine.schedule(delay as Duration, this, (index << BITS) | event);
  }

  handle(argument: number): void {
    this.#carry(argument & MASK, argument >> BITS);
  }
}
