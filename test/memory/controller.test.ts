import { describe, expect, it } from 'vitest';
import { MemoryController, MemoryOperation, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Engine } from '../../hardware/sim/index.ts';

const SPEC = { latency: 75, bytesPerNanosecond: 23.464 };

describe('A memory controller', () => {
  it('lets bandwidth and latency pass before an operation takes effect', () => {
    const { engine, memory, controller } = make();
    memory.write64(0x1000, 0x1122_3344_5566_7788n);
    const operation = new MemoryOperation().read(0x1000, 2);
    engine.runUntilDone(engine.spawn(controller.access(operation)));
    expect([...operation.words.subarray(0, 2)]).toEqual([0x5566_7788, 0x1122_3344]);
    expect(engine.now).toBe(75_000 + Math.ceil((8 * 1_000_000) / 23_464));
  });

  it('keeps its rate exact over many accesses', () => {
    const { engine, controller } = make();
    for (let i = 0; i < 1000; i++) engine.spawn(controller.readBytes(i * 64, 64));
    engine.run();
    expect(engine.now).toBe(75_000 + Math.ceil((64_000 * 1_000_000) / 23_464));
    expect(controller.state).toEqual({ accesses: 1000, bytes: 64_000 });
  });

  it('performs accesses in the order in which they came, whatever their size', () => {
    const { engine, controller } = make();
    const large = engine.spawn(controller.writeBytes(0, new Uint8Array(4096).fill(7)));
    const small = engine.spawn(controller.readBytes(4088, 8));
    engine.run();
    expect(large.result).toBe(true);
    expect([...small.result!]).toEqual([7, 7, 7, 7, 7, 7, 7, 7]);
  });

  it('tells where nothing exists', () => {
    const { engine, controller } = make();
    expect(engine.runUntilDone(engine.spawn(controller.readBytes(2 ** 30, 8)))).toBeUndefined();
    expect(engine.runUntilDone(engine.spawn(controller.writeBytes(2 ** 30, new Uint8Array(8))))).toBe(false);
  });

  it('forgets its queue and counts with a reset', () => {
    const { engine, controller } = make();
    controller.reserve(1_000_000);
    engine.reset();
    controller.reset();
    expect(controller.state).toEqual({ accesses: 0, bytes: 0 });
    expect(controller.reserve(0)).toBe(75_000);
  });
});

function make() {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, 2 ** 20]]);
  return { engine, memory, controller: new MemoryController(engine, memory, SPEC) };
}
