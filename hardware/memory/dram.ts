/**
 * When DRAM has a line: channels with a bandwidth each, and banks that open one row at a time.
 *
 * Lines go to the channels in turn; the lines of one channel fill a row, then the row of the next bank.
 *
 * Inaccuracies: an access is a burst of a whole line; who comes first is served first; no refresh, no ranks, no turnaround from
 * reads to writes; a row stays open until another is asked for.
 */
import { type Duration, type Instant, ns } from '../sim/index.ts';
import { LINE_BYTES } from './line.ts';

export interface BankSpec {
  /** Of a channel. */
  readonly count: number;
  readonly rowBytes: number;
  /** Nanoseconds for which a bank is taken that opens another row. */
  readonly busy: number;
}

export interface DramSpec {
  /** Nanoseconds from an access leaving its queue to its effect. */
  readonly latency: number;
  /** Of all channels together. */
  readonly bytesPerNanosecond: number;
  readonly channels: number;
  /** Without banks, rows cost nothing. */
  readonly banks: BankSpec | null;
}

const NO_ROW = -1;

export class Dram {
  readonly #channels: number;
  readonly #banks: number;
  readonly #linesPerRow: number;
  readonly #latency: Duration;
  /** Picoseconds of a line on its channel, and of a row that is opened in its bank. */
  readonly #line: number;
  readonly #busy: Duration;
  /** When each channel, and each bank of each, is free again; and the row that is open in it. */
  readonly #channelFree: Float64Array;
  readonly #bankFree: Float64Array;
  readonly #openRow: Float64Array;

  constructor({ latency, bytesPerNanosecond, channels, banks }: DramSpec) {
    this.#channels = channels;
    this.#banks = banks?.count ?? 0;
    this.#linesPerRow = (banks?.rowBytes ?? LINE_BYTES) / LINE_BYTES;
    this.#latency = ns(latency);
    this.#line = (LINE_BYTES * channels * 1000) / bytesPerNanosecond;
    this.#busy = ns(banks?.busy ?? 0);
    this.#channelFree = new Float64Array(channels);
    this.#bankFree = new Float64Array(channels * this.#banks);
    this.#openRow = new Float64Array(channels * this.#banks).fill(NO_ROW);
  }

  /** How long from `now` an access of a line takes that asks now. */
  access(line: number, now: Instant): Duration {
    const channel = line % this.#channels;
    let begins = Math.max(now, this.#channelFree[channel]!);
    if (this.#banks > 0) begins = Math.max(begins, this.#open(Math.floor(line / this.#channels), channel, begins));
    this.#channelFree[channel] = begins + this.#line;
    return Math.ceil(begins + this.#line + this.#latency - now) as Duration;
  }

  reset(): void {
    this.#channelFree.fill(0);
    this.#bankFree.fill(0);
    this.#openRow.fill(NO_ROW);
  }

  /** When the row of a line of a channel can be read. */
  #open(line: number, channel: number, at: number): number {
    const place = Math.floor(line / this.#linesPerRow);
    const bank = channel * this.#banks + (place % this.#banks);
    const row = Math.floor(place / this.#banks);
    if (this.#openRow[bank] === row) return at;
    const begins = Math.max(at, this.#bankFree[bank]!);
    this.#openRow[bank] = row;
    this.#bankFree[bank] = begins + this.#busy;
    return begins;
  }
}
