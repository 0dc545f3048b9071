/** What a network interface counts, in its registers. */
import type { RegisterFile } from '../../bits/index.ts';
import { RX_BYTES, RX_DROPPED, RX_OVERRUN, RX_PACKETS, RX_TOO_LONG, TX_BYTES, TX_ERRORS, TX_PACKETS } from './spec.ts';

type Counter = typeof RX_PACKETS;

export class Statistics {
  readonly #file: RegisterFile;

  constructor(file: RegisterFile) {
    this.#file = file;
  }

  /** A frame was written to memory; `null` if there were too few descriptors. */
  received(bytes: number | null): void {
    if (bytes === null) this.dropped();
    else this.#add([RX_PACKETS, 1], [RX_BYTES, bytes]);
  }

  dropped(): void {
    this.#add([RX_DROPPED, 1]);
  }

  overrun(): void {
    this.#add([RX_OVERRUN, 1]);
  }

  tooLong(): void {
    this.#add([RX_TOO_LONG, 1]);
  }

  /** A frame was sent; `null` if it could not be. */
  sent(bytes: number | null): void {
    if (bytes === null) this.#add([TX_ERRORS, 1]);
    else this.#add([TX_PACKETS, 1], [TX_BYTES, bytes]);
  }

  #add(...counts: readonly (readonly [counter: Counter, by: number])[]): void {
    const { words } = this.#file;
    for (const [counter, by] of counts) counter.COUNT.set(words, counter.COUNT.get(words) + by);
  }
}
