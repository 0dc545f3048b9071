/** The blocks of a namespace, in pages that exist once something else than zeros was written to them. */

/** What the disk holds before anybody has written to it. */
export interface StoredFile {
  /** First logical block. */
  readonly block: number;
  readonly bytes: number;
  /** Byte i is the low byte of (i · 7 + i / 512 + seed), so that neither blocks nor pages are alike. */
  readonly seed: number;
}

export interface DiskSpec {
  readonly blocks: number;
  readonly blockBytes: number;
  readonly files: readonly StoredFile[];
}

const PAGE = 4096;

export class Disk {
  readonly spec: DiskSpec;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(spec: DiskSpec) {
    const { blocks, blockBytes, files } = spec;
    for (const { block, bytes } of files) {
      if (block * blockBytes + bytes > blocks * blockBytes) {
        throw new RangeError(`a file of ${bytes} bytes at block ${block} does not fit on a disk of ${blocks} blocks`);
      }
    }
    this.spec = spec;
    this.reset();
  }

  /** Pages that are not all zeros, or were not when they were written. */
  get pages(): number {
    return this.#pages.size;
  }

  /** True when all of the blocks exist. */
  holds(block: number, count: number): boolean {
    return block + count <= this.spec.blocks;
  }

  read(block: number, count: number): Uint8Array {
    const { blockBytes } = this.spec;
    const bytes = new Uint8Array(count * blockBytes);
    for (const { page, at, from, length } of pieces(block * blockBytes, bytes.length)) {
      const stored = this.#pages.get(page);
      if (stored !== undefined) bytes.set(stored.subarray(at, at + length), from);
    }
    return bytes;
  }

  write(block: number, bytes: Uint8Array): void {
    this.#write(block * this.spec.blockBytes, bytes);
  }

  zero(block: number, count: number): void {
    const { blockBytes } = this.spec;
    const start = block * blockBytes;
    const end = start + count * blockBytes;
    // What is stored may be less than what is to be zero, and the other way round.
    const first = Math.floor(start / PAGE);
    const last = Math.ceil(end / PAGE);
    const touched =
      last - first < this.#pages.size
        ? Array.from({ length: last - first }, (_, i) => first + i)
        : [...this.#pages.keys()].filter((page) => page >= first && page < last);
    for (const page of touched) {
      const from = Math.max(start - page * PAGE, 0);
      const to = Math.min(end - page * PAGE, PAGE);
      if (from === 0 && to === PAGE) this.#pages.delete(page);
      else this.#pages.get(page)?.fill(0, from, to);
    }
  }

  reset(): void {
    this.#pages.clear();
    for (const { block, bytes, seed } of this.spec.files) {
      this.#write(block * this.spec.blockBytes, contentOf(bytes, seed));
    }
  }

  #write(start: number, bytes: Uint8Array): void {
    for (const { page, at, from, length } of pieces(start, bytes.length)) {
      const stored = this.#pages.get(page) ?? new Uint8Array(PAGE);
      this.#pages.set(page, stored);
      stored.set(bytes.subarray(from, from + length), at);
    }
  }
}

function contentOf(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => i * 7 + (i >>> 9) + seed);
}

/** A range of bytes by pages: which page, where in it, where in the range, how many bytes. */
function* pieces(start: number, length: number) {
  for (let from = 0; from < length; ) {
    const at = (start + from) % PAGE;
    const piece = Math.min(PAGE - at, length - from);
    yield { page: Math.floor((start + from) / PAGE), at, from, length: piece };
    from += piece;
  }
}
