/**
 * How a model reaches memory. One operation is one access that the specification calls atomic: a table entry, a
 * descriptor, a status write. Models yield operations; who runs the model decides whether the answer takes time.
 */

export const OperationKind = {
  READ: 0,
  WRITE: 1,
  /** Stores `words[2..3]` if the 8 bytes at `address` equal `words[0..1]`; `words[0..1]` become what was there. */
  COMPARE_EXCHANGE: 2,
  /** Touches nothing; done when every request that was accepted before has reached memory. */
  BARRIER: 3,
} as const;

/** Largest single access, in 32-bit words: one cache line. */
export const MAX_WORDS = 16;

/** One access and its answer. Reused by its owner; valid until the owner's next access. */
export class MemoryOperation {
  kind: number = OperationKind.READ;
  /** Byte address, a multiple of 4. */
  address = 0;
  /** Length in 32-bit words. */
  count = 0;
  readonly words: Uint32Array = new Uint32Array(MAX_WORDS);
  /** False when the access resulted in an error: nothing is there. */
  ok = false;

  read(address: number, count: number): this {
    this.kind = OperationKind.READ;
    this.address = address;
    this.count = count;
    return this;
  }

  write(address: number, count: number): this {
    this.kind = OperationKind.WRITE;
    this.address = address;
    this.count = count;
    return this;
  }

  barrier(): this {
    this.kind = OperationKind.BARRIER;
    this.count = 0;
    return this;
  }

  compareExchange(address: number, expectedLo: number, expectedHi: number, nextLo: number, nextHi: number): this {
    this.kind = OperationKind.COMPARE_EXCHANGE;
    this.address = address;
    this.count = 2;
    this.words[0] = expectedLo;
    this.words[1] = expectedHi;
    this.words[2] = nextLo;
    this.words[3] = nextHi;
    return this;
  }
}

/** A range of physical addresses backed by something else than RAM. Offsets count from the window's start. */
export interface Window {
  /** Fills `bytes`; false when the access results in an error. */
  read(offset: number, bytes: Uint8Array): boolean;
  write(offset: number, bytes: Uint8Array): boolean;
  /**
   * Replaces the 8 bytes at `offset` if they equal `expected`; gives what was there, or `undefined` for an error.
   * Without it the exchange is a read and a write.
   */
  compareExchange64?(offset: number, expected: bigint, next: bigint): bigint | undefined;
}
