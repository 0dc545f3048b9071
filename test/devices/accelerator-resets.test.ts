/** Resets of the accelerator in the middle of its work. */
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, S } from './accelerator-bench.ts';
import { descriptor } from './accelerator-descriptors.ts';

/** A copy of 1 MiB, which takes its time. */
const LONG = descriptor({ opcode: 3, a: 0x10_0000, b: 0x20_0000, size: 2 ** 20 });
const DRAIN = 2;

describe('Resets of the accelerator', () => {
  it('a function-level reset in the middle of everything leaves nothing behind', () => {
    const bench = new AcceleratorBench().enable().queue(0).open(0);
    bench.store(LONG);
    bench.store(descriptor({ opcode: DRAIN }));
    bench.write(S.CMD, (8 << 20) | 1);
    bench.pass(3000);
    const { config } = bench.device.function;
    config.write(config.pciExpress!.offset + 8, 2, 0x8000);
    bench.engine.run();
    expect(bench.device.state).toMatchObject({ submissions: 0, operations: 0, active: 0 });
    bench.enable();
    // Disabled, and by which reset.
    expect(bench.read(S.GENSTS)).toBe(0b0100n);
    expect(bench.read(S.CMDSTS)).toBe(0n);
    expect(bench.read(S.SWERR, 8)).toBe(0n);
    bench.queue(0).open(0);
    expect(bench.submit({}).status).toBe(1);
    expect(bench.link.top.pool.taken).toBe(0);
  });

  it('returns to the state it was built in with the machine', () => {
    const bench = new AcceleratorBench();
    const built = structuredClone(bench.device.state);
    bench.enable().queue(0).open(0);
    bench.store(LONG);
    bench.write(S.CMD, (8 << 20) | 1);
    bench.pass(3000);
    bench.reset();
    expect(bench.device.state).toEqual(built);
    expect(bench.engine.pending).toBe(0);
    bench.enable();
    expect(bench.read(S.GENSTS)).toBe(0b1100n);
    bench.queue(0).open(0);
    expect(bench.submit({}).status).toBe(1);
  });
});
