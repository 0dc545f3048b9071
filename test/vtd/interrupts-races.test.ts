/**
 * Posting while somebody else changes the posted interrupt descriptor (VT-d 5.2.3): nothing is lost, nothing comes twice.
 * The host's memory is where somebody else gets in between.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HostMemory } from '../../hardware/index.ts';
import { flush, send } from './posting.ts';
import { Bench, REG } from './tables.ts';

const PID = 0x4_0000;
const CONTROL = PID + 32;
const POSTED = 0x0004_0000_0000_8001n;
const TO_23 = 0x0000_2300_00f2_0000n;
const NOTIFICATION = { address: 0xfee2_3000n, data: 0x40f2 };
const [ON, SN] = [1n, 2n];

/** Memory of which each access to the descriptor can be preceded by somebody else's. */
class SharedMemory implements HostMemory {
  readonly #view = new DataView(new ArrayBuffer(0x8_0000));
  /** Called before each access of the unit to the descriptor; its number counts from 0. */
  before: (access: number) => void = () => {};
  accesses = 0;

  read(address: bigint, length: number): Uint8Array {
    this.#access(address);
    return new Uint8Array(this.#view.buffer, Number(address), length).slice();
  }

  write(address: bigint, bytes: Uint8Array): void {
    new Uint8Array(this.#view.buffer).set(bytes, Number(address));
  }

  compareExchange64(address: bigint, expected: bigint, next: bigint): bigint {
    this.#access(address);
    const found = this.get(Number(address));
    if (found === expected) this.put(Number(address), next);
    return found;
  }

  get(address: number): bigint {
    return this.#view.getBigUint64(address, true);
  }

  put(address: number, value: bigint): void {
    this.#view.setBigUint64(address, value, true);
  }

  get pir(): bigint {
    return [0, 1, 2, 3].reduce((all, i) => all | (this.get(PID + i * 8) << BigInt(i * 64)), 0n);
  }

  #access(address: bigint): void {
    if (address >= BigInt(PID) && address < BigInt(PID + 64)) this.before(this.accesses++);
  }
}

function shared(control = TO_23, urgent = false): { memory: SharedMemory; bench: Bench } {
  const memory = new SharedMemory();
  const bench = new Bench({ pi: true, memory }).enableInterrupts().enableQueue();
  bench.irte(3, POSTED | (0x41n << 16n) | (urgent ? 0x4000n : 0n));
  memory.put(CONTROL, control);
  return { memory, bench };
}

/** The unit reads the descriptor (access 0), exchanges a word of PIR (1) and the word of ON (2). */
describe('An interrupt that is posted while its descriptor changes', () => {
  it('keeps the bits that others set between the read and the update.', () => {
    const { memory, bench } = shared();
    memory.before = (access) => {
      if (access === 1) memory.put(PID + 8, 1n << 63n);
    };
    expect(send(bench)).toEqual([NOTIFICATION]);
    expect(memory.get(PID + 8)).toBe((1n << 63n) | 2n);
    expect(memory.get(CONTROL)).toBe(TO_23 | ON);
  });

  it.each([1, 2])('notifies when ON is cleared after it was read as 1 (before access %i).', (when) => {
    const { memory, bench } = shared(TO_23 | ON);
    memory.before = (access) => {
      if (access === when) memory.put(CONTROL, TO_23);
    };
    expect(send(bench)).toEqual([NOTIFICATION]);
    expect(memory.pir).toBe(1n << 0x41n);
    expect(memory.get(CONTROL)).toBe(TO_23 | ON);
  });

  it.each([1, 2])('does not notify when SN or ON is set after it was read as 0 (before access %i).', (when) => {
    for (const bit of [SN, ON]) {
      const { memory, bench } = shared();
      memory.before = (access) => {
        if (access === when) memory.put(CONTROL, TO_23 | bit);
      };
      expect(send(bench)).toEqual([]);
      expect(memory.pir).toBe(1n << 0x41n);
      expect(memory.get(CONTROL)).toBe(TO_23 | bit);
    }
  });

  it('notifies whom the descriptor names at last.', () => {
    const { memory, bench } = shared();
    memory.before = (access) => {
      if (access === 2) memory.put(CONTROL, 0x0000_4500_00e1_0000n);
    };
    expect(send(bench)).toEqual([{ address: 0xfee4_5000n, data: 0x40e1 }]);
    expect(memory.get(CONTROL)).toBe(0x0000_4500_00e1_0001n);
  });

  it('is not posted a second time when it was taken before ON was decided.', () => {
    const { memory, bench } = shared(TO_23 | ON);
    memory.before = (access) => {
      if (access !== 2) return;
      memory.put(CONTROL, TO_23);
      memory.put(PID + 8, 0n);
    };
    expect(send(bench)).toEqual([]);
    expect(memory.pir).toBe(0n);
    expect(memory.get(CONTROL)).toBe(TO_23);
  });

  it('gives up after a bounded time when the descriptor never holds still (27h).', () => {
    for (const word of [PID + 8, CONTROL]) {
      const { memory, bench } = shared();
      const never = word === CONTROL ? TO_23 : 0n;
      memory.before = (access) => memory.put(word, never ^ (BigInt(access % 251) << 16n));
      expect(send(bench)).toBe('27h');
      expect(memory.accesses).toBeLessThan(1000);
      expect(bench.record()).toMatchObject({ f: true, fr: 0x27, fi: 3n << 48n });
      expect(bench.get(REG.FSTS)).toBe(2n);
    }
  });

  it.each([0, 1, 2])('is 27h when the descriptor cannot be reached at access %i.', (when) => {
    const { memory, bench } = shared();
    memory.before = (access) => {
      if (access === when) throw new Error('nothing is there');
    };
    expect(send(bench)).toBe('27h');
    expect(memory.get(CONTROL)).toBe(TO_23);
  });

  it('is neither lost nor doubled, and never without somebody who has been told.', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 64 }),
        fc.boolean(),
        (vectors, schedule, urgent) => {
          const { memory, bench } = shared(TO_23, urgent);
          const taken: bigint[] = [];
          // A processor: clears ON, then takes the words of PIR one by one; the schedule says when it gets to run.
          let step = 0;
          let turn = 0;
          const processor = (): void => {
            if (step === 0) memory.put(CONTROL, memory.get(CONTROL) & ~ON);
            else {
              const at = PID + (step - 1) * 8;
              taken.push(memory.get(at) << BigInt((step - 1) * 64));
              memory.put(at, 0n);
            }
            step = (step + 1) % 5;
          };
          memory.before = () => {
            if (schedule[turn++ % schedule.length]) processor();
          };
          for (const one of vectors) {
            bench.irte(3, POSTED | (BigInt(one) << 16n) | (urgent ? 0x4000n : 0n));
            flush(bench);
            expect(send(bench)).toBeTypeOf('object');
          }
          const bits = [...taken, memory.pir].flatMap((words) =>
            Array.from({ length: 256 }, (_, i) => i).filter((i) => (words >> BigInt(i)) & 1n),
          );
          expect(bits.sort((a, b) => a - b)).toEqual([...vectors].sort((a, b) => a - b));
          // Whoever has cleared ON goes on to take all words; what is left then has been announced.
          while (step !== 0) processor();
          if (memory.pir !== 0n) expect(memory.get(CONTROL) & ON).toBe(ON);
        },
      ),
      { numRuns: 60 },
    );
  });
});
