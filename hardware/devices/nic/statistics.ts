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
    else this.#count(RX_PACKETS, RX_BYTES, bytes);
  }

  dropped(): void {
    this.#add(RX_DROPPED, 1);
  }

  overrun(): void {
    this.#add(RX_OVERRUN, 1);
  }

  tooLong(): void {
    this.#add(RX_TOO_LONG, 1);
  }

  /** A frame was sent; `null` if it could not be. */
  sent(bytes: number | null): void {
    if (bytes === null) this.#add(TX_ERRORS, 1);
    else this.#count(TX_PACKETS, TX_BYTES, bytes);
  }

  #count(packets: Counter, bytes: Counter, length: number): void {
    this.#add(packets, 1);
    this.#add(bytes, length);
  }

  #add({ COUNT }: Counter, by: number): void {
    const { words } = this.#file;
    COUNT.set(words, COUNT.get(words) + by);
  }
}
