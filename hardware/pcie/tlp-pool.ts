import { Tlp } from './tlp.ts';

/** TLPs for reuse: one pool for a whole fabric, so that a TLP can go from link to link. It grows to what is in use at once and forgets nothing. */
export class TlpPool {
  readonly #all: Tlp[] = [];
  readonly #idle: Tlp[] = [];

  /** A TLP whose fields are what its last user left, but for its task. */
  take(): Tlp {
    const tlp = this.#idle.pop() ?? this.#grow();
    tlp.idle = false;
    tlp.task = 0;
    return tlp;
  }

  give(tlp: Tlp): void {
    if (tlp.idle) throw new Error('a TLP was given back twice');
    tlp.idle = true;
    this.#idle.push(tlp);
  }

  /** Number of TLPs that somebody holds. */
  get taken(): number {
    return this.#all.length - this.#idle.length;
  }

  /** All TLPs are idle again. */
  reset(): void {
    this.#idle.length = 0;
    for (const tlp of this.#all) {
      tlp.idle = true;
      this.#idle.push(tlp);
    }
  }

  #grow(): Tlp {
    const tlp = new Tlp();
    this.#all.push(tlp);
    return tlp;
  }
}
