import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highHalf, lowHalf } from '../../hardware/bits/index.ts';
import { MemoryOperation, PhysicalMemory, type Window } from '../../hardware/memory/index.ts';

const FRAME = 4096;

/** A window of its own bytes that writes down what it is asked. */
function store(size: number): Window & { readonly bytes: Uint8Array; readonly log: string[] } {
  const bytes = new Uint8Array(size);
  const log: string[] = [];
  return {
    bytes,
    log,
    read(offset, into) {
      log.push(`read ${offset} ${into.length}`);
      if (offset < 0 || offset + into.length > size) throw new RangeError('outside the window');
      into.set(bytes.subarray(offset, offset + into.length));
      return true;
    },
    write(offset, from) {
      log.push(`write ${offset} ${from.length}`);
      if (offset < 0 || offset + from.length > size) throw new RangeError('outside the window');
      bytes.set(from, offset);
      return true;
    },
  };
}

describe('A window', () => {
  it('takes accesses to its range instead of RAM, with offsets from its start.', () => {
    const memory = new PhysicalMemory();
    memory.write64(0x5000, 1n);
    const window = store(0x1000);
    memory.map(0x5000, 0x1000, window);
    expect(memory.read64(0x5000)).toBe(0n);
    memory.write64(0x5ff8, 7n);
    expect(window.bytes[0xff8]).toBe(7);
    expect(memory.read64(0x5ff8)).toBe(7n);
    expect(window.log).toEqual(['read 0 8', 'write 4088 8', 'read 4088 8']);
    expect(memory.read64(0x4ff8)).toBe(0n);
    expect(memory.read64(0x6000)).toBe(0n);
    expect(window.log).toHaveLength(3);
  });

  it('may lie where no RAM is, and at the end of memory.', () => {
    const memory = new PhysicalMemory([[0, 0x1000]]);
    memory.map(2 ** 52 - 0x1000, 0x1000, store(0x1000));
    expect(memory.write64(2 ** 52 - 8, 5n)).toBe(true);
    expect(memory.read64(2 ** 52 - 8)).toBe(5n);
    expect(memory.isRam(2 ** 52 - 8, 8)).toBe(false);
    expect(memory.write64(2 ** 52 - 0x1008, 5n)).toBe(false);
  });

  it('and RAM cannot be reached by one access together.', () => {
    const memory = new PhysicalMemory();
    const window = store(0x1000);
    memory.map(0x5000, 0x1000, window);
    for (const at of [0x4ffc, 0x5ffc]) {
      expect(memory.write(at, new Uint8Array(8).fill(1))).toBe(false);
      expect(memory.read(at, 8)).toBeUndefined();
    }
    expect(memory.write(0x4000, new Uint8Array(0x3000).fill(1))).toBe(false);
    expect(window.log).toEqual([]);
    expect(memory.read64(0x4ff8)).toBe(0n);
  });

  it('that came last wins.', () => {
    const memory = new PhysicalMemory();
    const [first, second] = [store(0x2000), store(0x1000)];
    memory.map(0x4000, 0x2000, first);
    memory.map(0x5000, 0x1000, second);
    memory.write64(0x5000, 2n);
    memory.write64(0x4000, 1n);
    expect([first.bytes[0], first.bytes[0x1000], second.bytes[0]]).toEqual([1, 0, 2]);
  });

  it('answers with an error, and the access is one.', () => {
    const memory = new PhysicalMemory();
    memory.map(0x5000, 0x1000, { read: () => false, write: () => false });
    expect(memory.read(0x5000, 4)).toBeUndefined();
    expect(memory.write(0x5000, new Uint8Array(4))).toBe(false);
    const operation = new MemoryOperation();
    for (const one of [
      operation.read(0x5000, 4),
      operation.write(0x5000, 4),
      operation.compareExchange(0x5000, 0, 0, 1, 1),
    ]) {
      memory.perform(one);
      expect(one.ok).toBe(false);
    }
  });

  it('exchanges 8 bytes itself where it can, and by a read and a write where not.', () => {
    const memory = new PhysicalMemory();
    const asked: unknown[] = [];
    memory.map(0x5000, 0x1000, {
      ...store(0x1000),
      compareExchange64: (offset, expected, next) => {
        asked.push([offset, expected, next]);
        return offset === 8 ? 0xaaaa_aaaa_5555_5555n : undefined;
      },
    });
    const operation = new MemoryOperation();
    memory.perform(operation.compareExchange(0x5008, 1, 2, 3, 4));
    expect([operation.ok, operation.words[0], operation.words[1]]).toEqual([true, 0x5555_5555, 0xaaaa_aaaa]);
    memory.perform(operation.compareExchange(0x5010, 1, 2, 3, 4));
    expect(operation.ok).toBe(false);
    expect(asked).toEqual([
      [8, 0x2_0000_0001n, 0x4_0000_0003n],
      [16, 0x2_0000_0001n, 0x4_0000_0003n],
    ]);
    const plain = store(0x1000);
    memory.map(0x7000, 0x1000, plain);
    memory.perform(operation.compareExchange(0x7000, 0, 0, 3, 4));
    expect([operation.ok, memory.read64(0x7000)]).toEqual([true, 0x4_0000_0003n]);
    expect(plain.log).toEqual(['read 0 8', 'write 0 8', 'read 0 8']);
  });

  it('is not asked for an exchange that begins before it or ends after it.', () => {
    const memory = new PhysicalMemory();
    const asked: number[] = [];
    memory.map(0x5004, 0x1000, {
      ...store(0x1000),
      compareExchange64: (offset) => {
        asked.push(offset);
        return 0n;
      },
    });
    const operation = new MemoryOperation();
    for (const at of [0x5000, 0x6000]) {
      memory.perform(operation.compareExchange(at, 0, 0, 3, 4));
      expect(operation.ok).toBe(false);
    }
    expect(asked).toEqual([]);
  });
});

describe('locate', () => {
  const seek = (memory: PhysicalMemory, at: number) => memory.locate(highHalf(at), lowHalf(at));

  it('never bypasses a window, whether it was mapped before or after its frame was written.', () => {
    const memory = new PhysicalMemory();
    memory.write64(0, 1n);
    memory.write64(FRAME, 2n);
    expect(seek(memory, 0)).toBeGreaterThanOrEqual(0);
    memory.map(0x100, 8, store(8));
    // What was found before must not be found again.
    expect(seek(memory, 0)).toBe(-1);
    expect(seek(memory, FRAME)).toBeGreaterThanOrEqual(0);
    memory.map(4 * FRAME, 8, store(8));
    memory.write64(4 * FRAME + 8, 3n);
    expect(seek(memory, 4 * FRAME + 8)).toBe(-1);
    expect(memory.read64(4 * FRAME + 8)).toBe(3n);
    memory.map(2 * FRAME - 4, 8, store(8));
    expect(seek(memory, FRAME)).toBe(-1);
  });

  it('gives only words that reading gives, for any memory, windows and order of events.', () => {
    const at = fc
      .tuple(fc.nat(5), fc.constantFrom(0, 8, 0x800, FRAME - 8))
      .map(([frame, offset]) => frame * FRAME + offset);
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), at, value: fc.bigInt(1n, 2n ** 64n - 1n) }),
      fc.record({ kind: fc.constant('map' as const), at, value: fc.bigInt(8n, 0x1800n) }),
      fc.record({ kind: fc.constant('look' as const), at, value: fc.constant(0n) }),
    );
    const ram = fc.array(
      fc
        .tuple(fc.nat(5), fc.constantFrom(FRAME, FRAME - 8, 2 * FRAME, 0x800))
        .map(([frame, size]) => [frame * FRAME, size] as const),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(ram, fc.array(step, { maxLength: 30 }), (ranges, steps) => {
        const memory = new PhysicalMemory(ranges);
        for (const one of steps) {
          if (one.kind === 'write') memory.write64(one.at, one.value);
          else if (one.kind === 'map') memory.map(one.at, Number(one.value), store(Number(one.value)));
          const found = seek(memory, one.at);
          if (found < 0) continue;
          expect(memory.isRam(one.at, 8)).toBe(true);
          const word = (BigInt(memory.pool[found + 1]! >>> 0) << 32n) | BigInt(memory.pool[found]! >>> 0);
          expect(word).toBe(memory.read64(one.at));
        }
      }),
      { numRuns: 300 },
    );
  });
});
