/** What is taken one after the other, and goes back together, the last first, when something is missing. */
export class Takings {
  readonly #releases: (() => void)[] = [];

  /** Keeps what was made; where it is an errno, all that was made before goes back. */
  keep<P extends object>(made: P | number, release: (one: P) => void): P | number {
    if (typeof made === 'number') this.release();
    else this.#releases.push(() => release(made));
    return made;
  }

  release(): void {
    for (const release of this.#releases.splice(0).reverse()) release();
  }
}
