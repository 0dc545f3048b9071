/**
 * Bytes that say who wrote them and where: each byte of a place is named by its writer, a number from 1 to 255 that
 * writes there once, and its address, so that a byte in the wrong place betrays itself. 0 has written everything at first.
 */
const STRIDE = 89;

export const FIRST_WRITER = 0;

export function byteOf(writer: number, address: number): number {
  return (writer + STRIDE * address) & 0xff;
}

export function writerOf(byte: number, address: number): number {
  return (byte - STRIDE * address) & 0xff;
}

export function bytesOf(writer: number, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = byteOf(writer, address + i);
  return bytes;
}

const UNTOUCHED: readonly number[] = [FIRST_WRITER];

/** Who has written each byte of a place, in order. */
export class History {
  readonly #start: number;
  readonly #length: number;
  /** Of bytes that have been written. */
  readonly #writers = new Map<number, number[]>();

  constructor(start: number, length: number) {
    this.#start = start;
    this.#length = length;
  }

  holds(address: number, length = 0): boolean {
    return address >= this.#start && address + length <= this.#start + this.#length;
  }

  write(writer: number, address: number, length: number): void {
    for (let at = address; at < address + length; at++) {
      const writers = this.#writers.get(at);
      if (writers === undefined) this.#writers.set(at, [FIRST_WRITER, writer]);
      else writers.push(writer);
    }
  }

  /** How many have written the byte. */
  age(address: number): number {
    return (this.#writers.get(address)?.length ?? 1) - 1;
  }

  /** Which of those who wrote the byte `writer` was; -1 if it did not. */
  place(address: number, writer: number): number {
    return (this.#writers.get(address) ?? UNTOUCHED).indexOf(writer);
  }
}
