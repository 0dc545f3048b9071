/**
 * Who must have seen what: a vector clock over what everybody has posted to the host. A TLP without ordering attributes
 * pushes everything posted before it, and all that its sender had been told of: so when it arrives its receiver knows of
 * all that, and whoever reads host memory then reads nothing older (the producer/consumer model, PCIe 2.4).
 */

/** By source: how many of what it has posted to the host. */
export type Clock = Uint32Array;

export class Clocks {
  readonly #known: Clock[];
  readonly #posted: Clock;
  /** By source: of what it has posted, whether it has arrived; and how many have without a gap. */
  readonly #arrived: boolean[][];
  readonly #whole: Clock;

  constructor(sources: number) {
    this.#known = Array.from({ length: sources }, () => new Uint32Array(sources));
    this.#posted = new Uint32Array(sources);
    this.#arrived = Array.from({ length: sources }, () => []);
    this.#whole = new Uint32Array(sources);
  }

  /** Everything that `source` has posted, and knows of. */
  of(source: number): Clock {
    const clock = this.#known[source]!.slice();
    clock[source] = this.#posted[source]!;
    return clock;
  }

  /** `source` posts to the host: the number of what it posts. */
  post(source: number): number {
    this.#arrived[source]!.push(false);
    return this.#posted[source]!++;
  }

  arrive(source: number, number: number): void {
    const arrived = this.#arrived[source]!;
    arrived[number] = true;
    while (arrived[this.#whole[source]!] === true) this.#whole[source]!++;
  }

  /** `source` is told of all that is in `clock`. */
  tell(source: number, clock: Clock): void {
    const known = this.#known[source]!;
    clock.forEach((number, i) => {
      known[i] = Math.max(known[i]!, number);
    });
  }

  /** True when all that is in `clock` has arrived. */
  isPast(clock: Clock): boolean {
    return clock.every((number, source) => this.#whole[source]! >= number);
  }
}
