/** Endless commands for a loosely timed path, as `Streams` gives them to an approximately timed one. */
import type { LooselyTimedPath } from './loosely-timed.ts';
import { MOST_AHEAD, type RandomTransfers, type Traffic } from './streams.ts';
import { Command } from './transaction.ts';

export class LooseStreams {
  readonly path: LooselyTimedPath;
  readonly #transfers: RandomTransfers;
  readonly #hasReads: boolean;
  readonly #hasWrites: boolean;
  readonly #command = new Command();
  /** When the commands that many before began. */
  readonly #readBegan = new Float64Array(MOST_AHEAD);
  readonly #writeBegan = new Float64Array(MOST_AHEAD);
  #count = 0;
  #reached = 0;

  constructor(path: LooselyTimedPath, traffic: Traffic, transfers: RandomTransfers) {
    this.path = path;
    this.#hasReads = traffic !== 'write';
    this.#hasWrites = traffic !== 'read';
    this.#transfers = transfers;
  }

  /** Lets `count` more commands be done, or pairs of a read and a write: the instant at which they are. */
  run(count: number): number {
    for (let i = 0; i < count; i++) {
      const place = this.#count % MOST_AHEAD;
      this.#count++;
      const reads = this.#hasReads ? this.#read(place) : 0;
      const writes = this.#hasWrites ? this.#write(place) : 0;
      this.#reached = Math.max(this.#reached, reads, writes);
    }
    return this.#reached;
  }

  #read(place: number): number {
    const { path } = this;
    const command = this.#command;
    this.#transfers.fill(command);
    // Where there are no writes, none is waited for.
    const end = path.read(this.#writeBegan[place]!, command.hi, command.lo, command.length);
    this.#readBegan[place] = path.issued;
    return end;
  }

  #write(place: number): number {
    const { path } = this;
    const command = this.#command;
    this.#transfers.fill(command);
    const begins = Math.max(this.#readBegan[place]!, path.writeFree);
    this.#writeBegan[place] = begins;
    return path.write(begins, command.hi, command.lo, command.length);
  }
}
