import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highHalf, lowHalf } from '../../hardware/bits/index.ts';
import { MemoryOperation, PhysicalMemory, type Range } from '../../hardware/memory/index.ts';

/** What is kept as a whole once a byte of it was written. */
const FRAME = 4096;
const END = 2 ** 52;
const MEGA = 2 ** 20;

/** Memory as a map from address to byte: what exists and what it holds, one byte at a time. */
class Twin {
  readonly bytes = new Map<number, number>();
  readonly ram: readonly Range[];
  constructor(ram: readonly Range[]) {
    this.ram = ram;
  }
  exists(address: number): boolean {
    return this.ram.some(([start, length]) => address >= start && address < start + length);
  }
  all(address: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (!this.exists(address + i)) return false;
    return true;
  }
  read(address: number, length: number): number[] | undefined {
    if (!this.all(address, length)) return undefined;
    return Array.from({ length }, (_, i) => this.bytes.get(address + i) ?? 0);
  }
  write(address: number, bytes: readonly number[]): boolean {
    if (!this.all(address, bytes.length)) return false;
    bytes.forEach((byte, i) => {
      this.bytes.set(address + i, byte);
    });
    return true;
  }
  word(address: number): bigint | undefined {
    return this.read(address, 8)?.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  }
}

const RAM: readonly Range[] = [
  [0, 3 * MEGA],
  [3 * MEGA, 3 * MEGA],
  [8 * MEGA, 0x1800],
  [0x1_0000_0000 - 0x800, 0x1000],
  [END - 4 * MEGA, 4 * MEGA],
];
/** Edges of frames, of RAM ranges, of 32 bits and of memory. */
const edges = [
  0,
  FRAME,
  2 * FRAME,
  3 * MEGA,
  6 * MEGA,
  8 * MEGA,
  8 * MEGA + 0x1800,
  2 ** 32 - 0x800,
  2 ** 32,
  2 ** 32 + 0x800,
  END - FRAME,
  END,
];
const address = fc
  .tuple(fc.constantFrom(...edges), fc.integer({ min: -40, max: 40 }))
  .map(([edge, delta]) => Math.max(0, edge + delta));
const bytes = fc.array(fc.nat(255), { minLength: 0, maxLength: 48 });
const word64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0n, 1n));

const step = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), address, bytes }),
  fc.record({ kind: fc.constant('read' as const), address, length: fc.nat(48) }),
  fc.record({ kind: fc.constant('write64' as const), address, value: word64 }),
  fc.record({
    kind: fc.constant('operation' as const),
    address: address.map((at) => at - (at % 4)),
    count: fc.integer({ min: 1, max: 16 }),
    value: fc.nat(0xffff_ffff),
  }),
  fc.record({
    kind: fc.constant('exchange' as const),
    address: address.map((at) => at - (at % 8)),
    matches: fc.boolean(),
    next: word64,
  }),
);

const halves = (value: bigint): [number, number] => [Number(value & 0xffff_ffffn), Number(value >> 32n)];

describe('Physical memory', () => {
  it('agrees with a map of bytes after any sequence of accesses, holes and edges included.', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const memory = new PhysicalMemory(RAM);
        const twin = new Twin(RAM);
        const operation = new MemoryOperation();
        for (const one of steps) {
          const at = one.address;
          if (one.kind === 'write') {
            expect(memory.write(at, Uint8Array.from(one.bytes))).toBe(twin.write(at, one.bytes));
          } else if (one.kind === 'read') {
            const found = memory.read(at, one.length);
            expect(found === undefined ? undefined : [...found]).toEqual(twin.read(at, one.length));
          } else if (one.kind === 'write64') {
            const list = [...new Uint8Array(new BigUint64Array([one.value]).buffer)];
            expect(memory.write64(at, one.value)).toBe(twin.write(at, list));
            expect(memory.read64(at)).toBe(twin.word(at) ?? 0n);
          } else if (one.kind === 'operation') {
            operation.words.fill(one.value);
            memory.perform(operation.write(at, one.count));
            const list = [...new Uint8Array(new Uint32Array(one.count).fill(one.value).buffer)];
            expect(operation.ok).toBe(twin.write(at, list));
            operation.words.fill(0xaaaa_aaaa);
            memory.perform(operation.read(at, one.count));
            const there = twin.read(at, one.count * 4);
            expect(operation.ok).toBe(there !== undefined);
            if (there === undefined) continue;
            expect([...new Uint8Array(operation.words.buffer, 0, one.count * 4)]).toEqual(there);
          } else {
            const before = twin.word(at);
            const expected = one.matches ? (before ?? 0n) : one.next;
            memory.perform(operation.compareExchange(at, ...halves(expected), ...halves(one.next)));
            expect(operation.ok).toBe(before !== undefined);
            if (before === undefined) continue;
            expect([operation.words[0], operation.words[1]]).toEqual(halves(before));
            if (before === expected) twin.write(at, [...new Uint8Array(new BigUint64Array([one.next]).buffer)]);
            expect(memory.read64(at)).toBe(twin.word(at));
          }
        }
      }),
      { numRuns: 250 },
    );
  });

  it('that was never written reads 0 and costs nothing.', () => {
    const memory = new PhysicalMemory();
    for (let n = 0; n < 52; n++) expect(memory.read64(2 ** n - (2 ** n % 8))).toBe(0n);
    expect(memory.read(FRAME - 4, 3 * FRAME)).toHaveLength(3 * FRAME);
    expect(memory.touchedBytes).toBe(0);
    memory.write(FRAME - 1, Uint8Array.of(1, 2));
    expect(memory.touchedBytes).toBe(2 * FRAME);
  });

  it('keeps what many frames hold while it grows, also frames whose numbers differ in high bits only.', () => {
    const memory = new PhysicalMemory();
    const places = Array.from({ length: 600 }, (_, i) => (i % 2 === 0 ? i * FRAME : END - i * 2 ** 32));
    places.forEach((place, i) => {
      memory.write64(place, BigInt(i) + 1n);
    });
    places.forEach((place, i) => {
      expect(memory.read64(place)).toBe(BigInt(i) + 1n);
      const at = memory.locate(highHalf(place), lowHalf(place));
      expect(memory.pool[at]).toBe(i + 1);
    });
    expect(memory.touchedBytes).toBe(600 * FRAME);
  });

  it('reaches up to its last byte of 52 bits and no further.', () => {
    const memory = new PhysicalMemory();
    expect(memory.write(END - 4, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect(memory.write(END - 3, Uint8Array.of(9, 9, 9, 9))).toBe(false);
    expect([...memory.read(END - 4, 4)!]).toEqual([1, 2, 3, 4]);
    for (const beyond of [END, END + 8, 2 ** 53, 2 ** 55, 2 ** 57, 2 ** 60, 2 ** 64, -8]) {
      expect(memory.read(beyond, 8)).toBeUndefined();
      expect(memory.write(beyond, new Uint8Array(8))).toBe(false);
      expect(memory.read64(beyond)).toBe(0n);
    }
  });

  it('does nothing at all when a part of an access does not exist.', () => {
    const memory = new PhysicalMemory([
      [0, 0x1000],
      [0x2000, 0x1000],
    ]);
    expect(memory.write(0xff8, new Uint8Array(16).fill(1))).toBe(false);
    expect(memory.write(0x1ff8, new Uint8Array(16).fill(1))).toBe(false);
    expect(memory.write(0x0, new Uint8Array(0x3000).fill(1))).toBe(false);
    expect(memory.read64(0xff8)).toBe(0n);
    expect(memory.read64(0x2000)).toBe(0n);
    expect(memory.isRam(0xff8, 16)).toBe(false);
    expect(memory.isRam(0xff8, 8)).toBe(true);
  });

  it('takes ranges of RAM that touch, overlap or come in any order as one.', () => {
    const memory = new PhysicalMemory([
      [0x2000, 0x1000],
      [0, 0x1000],
      [0x800, 0x1900],
    ]);
    expect(memory.isRam(0, 0x3000)).toBe(true);
    expect(memory.isRam(0, 0x3001)).toBe(false);
    expect(memory.write(0xff0, new Uint8Array(0x1020).fill(7))).toBe(true);
    expect(new PhysicalMemory([]).isRam(0, 1)).toBe(false);
  });

  it('refuses RAM that is empty, negative or beyond 52 bits.', () => {
    for (const range of [
      [0, 0],
      [-1, 4],
      [END - 1, 2],
      [0.5, 4],
      [0, END + 1],
    ] as const) {
      expect(() => new PhysicalMemory([range])).toThrow('is not within 52 address bits');
    }
  });

  it('is all 0 again after reset, and can be written again.', () => {
    const memory = new PhysicalMemory();
    for (let i = 0; i < 5; i++) memory.write64(i * FRAME, 5n);
    memory.locate(0, 0);
    memory.reset();
    expect(memory.touchedBytes).toBe(0);
    expect(memory.locate(0, 0)).toBe(-1);
    expect(memory.read64(FRAME)).toBe(0n);
    memory.write64(FRAME, 6n);
    expect([memory.read64(0), memory.read64(FRAME)]).toEqual([0n, 6n]);
  });
});

describe('locate', () => {
  it('finds the word of any address in a written frame of RAM, and nothing else.', () => {
    const memory = new PhysicalMemory([
      [0, 0x2800],
      [0x4000, 0x4000],
    ]);
    const seek = (at: number) => memory.locate(highHalf(at), lowHalf(at));
    expect(seek(0)).toBe(-1);
    memory.write64(0, 1n);
    memory.write64(0x2000, 2n);
    memory.write64(0x4000, 3n);
    expect(memory.pool[seek(0)]).toBe(1);
    expect(memory.pool[seek(0x4000)]).toBe(3);
    expect(seek(0x4004)).toBe(seek(0x4000) + 1);
    expect(seek(0x4ffc) - seek(0x4000)).toBe(FRAME / 4 - 1);
    // A frame with a hole is never reached directly, even where it is RAM.
    for (let i = 0; i < 2; i++) expect(seek(0x2000)).toBe(-1);
  });

  it('does not take an address beyond 52 bits for one within.', () => {
    const memory = new PhysicalMemory();
    memory.write64(0x1000, 1n);
    expect(memory.locate(0, 0x1000)).toBeGreaterThanOrEqual(0);
    for (let bit = 20; bit < 32; bit++) expect(memory.locate(1 << bit, 0x1000), `bit ${bit + 32}`).toBe(-1);
    for (let bit = 0; bit < 20; bit++) expect(memory.locate(1 << bit, 0x1000), `bit ${bit + 32}`).toBe(-1);
    expect(memory.locate(-1, -4)).toBe(-1);
  });
});
