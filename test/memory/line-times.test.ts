/** What reads by address take where a machine states more than a latency (timing.md 1.2). */
import { describe, expect, it } from 'vitest';
import { MemoryController, type MemoryControllerSpec, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Engine, type Instant } from '../../hardware/sim/index.ts';

const NS = 1000;
const LATENCY = 117;

function make(more: Partial<MemoryControllerSpec>) {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, 2 ** 30]]);
  // So fast that the queue takes nothing.
  const controller = new MemoryController(engine, memory, { latency: LATENCY, bytesPerNanosecond: 1_000_000, ...more });
  const read = (address: number, bytes = 0): number => controller.read(0, address, bytes);
  const at = (nanoseconds: number) => engine.runUntil((nanoseconds * NS) as Instant);
  return { controller, read, at };
}

describe('A read of memory', () => {
  it('finds in the last-level cache what the CPU touched last, as far as that is large.', () => {
    const { controller, read } = make({ cache: { bytes: 0x1000, latency: 65 } });
    expect(read(0x8000)).toBe(LATENCY * NS);
    controller.warm(0x8000, 0x2000);
    expect([0x8fff, 0x9000, 0x9fff, 0xa000].map((address) => read(address))).toEqual(
      [LATENCY, 65, 65, LATENCY].map((nanoseconds) => nanoseconds * NS),
    );
  });

  it('takes longer from further slices, always the same for the same line, and each of nine distances comes.', () => {
    const { read } = make({ slices: 8 });
    const times = Array.from({ length: 1000 }, (_, i) => read(i * 64));
    expect(new Set(times)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8].map((more) => (LATENCY + more) * NS)));
    expect(read(64)).toBe(times[1]);
    expect(read(64 + 63)).toBe(times[1]);
  });

  it('waits for the end of a refresh in which it would be answered.', () => {
    const { read, at } = make({ refresh: { interval: 7800, duration: 350 } });
    at(400);
    expect(read(0)).toBe(LATENCY * NS);
    // It would be answered 17 ns after the next refresh has begun.
    at(7700);
    expect(read(0)).toBe((7800 + 350 - 7700) * NS);
  });

  it('does not wait for a refresh when the cache answers.', () => {
    const { controller, read, at } = make({
      cache: { bytes: 0x1000, latency: 65 },
      refresh: { interval: 7800, duration: 350 },
    });
    controller.warm(0, 0x1000);
    at(7800);
    expect(read(0)).toBe(65 * NS);
  });

  it('waits while its line is busy with another read, and other lines do not.', () => {
    const { read } = make({ lineBusy: 0.5 });
    expect(read(0)).toBe(LATENCY * NS);
    expect(read(32)).toBe((LATENCY + LATENCY / 2) * NS);
    expect(read(64)).toBe(LATENCY * NS);
  });

  it('forgets all of that with a reset.', () => {
    const { controller, read } = make({ cache: { bytes: 0x1000, latency: 65 }, lineBusy: 0.5 });
    controller.warm(0, 0x1000);
    read(0);
    controller.reset();
    expect(read(0)).toBe(LATENCY * NS);
  });
});
