/** Where base addresses and the windows of bridges go: who needs most is placed first, so that everything is aligned. */

/** Addresses that are given out from `start` up to `end`. */
export class AddressRoom {
  readonly #end: number;
  #next: number;

  constructor(start: number, end: number) {
    this.#next = start;
    this.#end = end;
  }

  /** `bytes` at a multiple of `align`, a power of two; `undefined` when nothing is left. */
  take(bytes: number, align = bytes): number | undefined {
    const address = Math.ceil(this.#next / align) * align;
    if (address + bytes > this.#end) return undefined;
    this.#next = address + bytes;
    return address;
  }
}

export interface Need {
  readonly bytes: number;
  readonly align: number;
}

/** A bridge forwards whole MiB. */
const GRANULE = 2 ** 20;

/** The largest alignment first: then nothing is lost between them. */
export function inOrder<N extends Need>(needs: readonly N[]): N[] {
  return [...needs].sort((a, b) => b.align - a.align);
}

/** What a window for all of `needs` needs itself. */
export function windowFor(needs: readonly Need[]): Need {
  let bytes = 0;
  let align = GRANULE;
  for (const need of inOrder(needs)) {
    bytes = Math.ceil(bytes / need.align) * need.align + need.bytes;
    align = Math.max(align, need.align);
  }
  return { bytes: Math.ceil(bytes / GRANULE) * GRANULE, align };
}
