/** The exact sequence of a user-space driver that knows the device: what a selftest of VFIO does, step by step. */
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, R, RID, S } from './accelerator-bench.ts';
import { CRAV, descriptor, pattern, RCI, RCR, RECORD } from './accelerator-descriptors.ts';

const BATCH = 1;
const MEMMOVE = 3;

describe('The accelerator, driven as by the selftest of VFIO', () => {
  it('does every step of it', () => {
    const bench = new AcceleratorBench();
    const { rootComplex, memory } = bench;
    const config = (offset: number, size: number) => bench.run(rootComplex.configRead(RID, offset, size));
    bench.enable({ busMaster: false });
    // 1. It is known by its ids, and has no interrupt handles to be requested.
    expect(config(0x00, 4)).toBe(0x0b25_8086);
    expect(bench.read(R.GENCAP, 8) & (1n << 4n)).not.toBe(0n);
    expect(bench.read(S.CMDCAP) & (1n << 13n)).toBe(0n);
    // 2. Memory, bus mastering, no INTx.
    bench.run(rootComplex.configWrite(RID, 0x04, 2, 0x0406));
    // 3. Reset.
    bench.write(S.CMD, 5 << 20);
    while ((bench.read(S.CMDSTS) & 0x8000_0000n) !== 0n) expect(bench.read(S.SWERR, 8) & 1n).toBe(0n);
    expect(bench.read(S.CMDSTS) & 0xffn).toBe(0n);
    // 4. Capabilities.
    const general = bench.read(R.GENCAP, 8);
    const queues = bench.read(R.WQCAP, 8);
    const groups = bench.read(R.GRPCAP, 8);
    const engines = bench.read(R.ENGCAP, 8);
    expect(groups & 0xffn).toBe(4n);
    expect(engines & 0xffn).toBe(4n);
    expect((queues >> 16n) & 0xffn).toBe(8n);
    const offsets = bench.read(R.OFFSETS, 8);
    expect(bench.read(R.OFFSETS + 8, 8)).toBe(0n);
    const groupTable = Number(offsets & 0xffffn) * 0x100;
    const queueTable = Number((offsets >> 16n) & 0xffffn) * 0x100;
    // 5. Work queue 0 has all entries, is dedicated, of priority 1, without ATS, and may do BATCH and MEMMOVE.
    const entries = Number(queues & 0xffffn);
    expect((queues >> 24n) & 0xfn).toBe(1n);
    const atsOff = Number((queues >> 50n) & 1n) << 2;
    const shifts = Number((general >> 16n) & 0x1fn) | (Number((general >> 21n) & 0xfn) << 5);
    const words = [entries, 0, 1 | atsOff | (1 << 4), shifts, 0, 0, 0, 0, (1 << 1) | (1 << 3), 0, 0, 0, 0, 0, 0, 0];
    words.forEach((word, i) => {
      bench.write(queueTable + i * 4, word);
    });
    // 6. Group 0 has it and an engine.
    bench.write(groupTable, 1n, 8);
    bench.write(groupTable + 32, 1n, 8);
    // 7. Enable the device, then the queue.
    expect(bench.command(1)).toBe(0);
    expect(bench.command(6, 0)).toBe(0);
    expect(bench.read(S.GENSTS) & 3n).toBe(1n);
    // 8. and 9. One copy with an interrupt on vector 1; then one without, whose status byte is polled.
    memory.write(0x10_0000, pattern(0x3000));
    const copy = { opcode: MEMMOVE, priv: true, a: 0x10_0123, b: 0x20_0456, size: 0x2345, completion: RECORD };
    bench.store(descriptor({ ...copy, flags: CRAV | RCR | RCI, handle: 1 }));
    bench.engine.run();
    expect(bench.completion()).toMatchObject({ status: 1, completed: 0x2345 });
    expect(bench.interrupts).toEqual([1]);
    expect(memory.read(0x20_0456, 0x2345)).toEqual(pattern(0x3000).slice(0x123, 0x123 + 0x2345));
    expect(memory.read(0x20_0455, 1)).toEqual(Uint8Array.of(0));
    expect(memory.read(0x20_0456 + 0x2345, 1)).toEqual(Uint8Array.of(0));
    memory.write(RECORD, new Uint8Array(32));
    bench.store(descriptor({ ...copy, flags: CRAV | RCR }));
    let polls = 0;
    while (memory.read(RECORD, 1)![0] === 0 && polls++ < 10_000) bench.pass(100);
    expect(memory.read(RECORD, 1)).toEqual(Uint8Array.of(1));
    // 10. Batches of 1024 copies, of which only the last asks for its record; copies have an address for one.
    const list = 0x40_0000;
    const copies = 1024;
    const batches = 4;
    for (let i = 0; i < copies; i++) {
      const one = { opcode: MEMMOVE, priv: true, flags: CRAV, completion: 0x9000 + i * 32 };
      memory.write(list + i * 64, descriptor({ ...one, a: 0x10_0000 + i, b: 0x30_0000 + i * 8, size: 8 }));
    }
    memory.write(RECORD, new Uint8Array(32));
    for (let i = 0; i < batches; i++) {
      const flags = CRAV | (i === batches - 1 ? RCR : 0);
      bench.store(descriptor({ opcode: BATCH, priv: true, flags, completion: RECORD, a: list, size: copies }));
    }
    bench.engine.run();
    expect(bench.completion()).toMatchObject({ status: 1, result: 0, completed: copies });
    expect(memory.read(0x30_0000 + 1023 * 8, 8)).toEqual(pattern(0x3000).slice(1023, 1031));
    // Nobody asked for the records of the copies.
    expect(memory.read(0x9000, 32 * copies)).toEqual(new Uint8Array(32 * copies));
    expect(bench.device.state.operations).toBe(2 + batches * (copies + 1));
    // 11. Reset.
    expect(bench.command(5)).toBe(0);
    expect(bench.read(S.GENSTS) & 3n).toBe(0n);
    expect(bench.read(queueTable)).toBe(0n);
    expect(bench.read(S.SWERR, 8)).toBe(0n);
    expect(bench.interrupts).toEqual([1]);
  });

  it('tells the kernel driver of the end of a command by vector 0 and bit 1 of INTCAUSE', () => {
    const bench = new AcceleratorBench().enable();
    expect(bench.command(5, 0, true)).toBe(0);
    expect(bench.interrupts).toEqual([0]);
    expect(bench.read(S.INTCAUSE)).toBe(2n);
    bench.write(S.INTCAUSE, 2);
    expect(bench.read(S.INTCAUSE)).toBe(0n);
  });

  it('says what it can do: the operations it does, and no other', () => {
    const bench = new AcceleratorBench().enable();
    const words = [0, 8, 16, 24].map((i) => bench.read(R.OPCAP + i, 8));
    // 0 to 6, 9; 10 and 11 (hexadecimal); 20.
    expect(words).toEqual([0x1_0003_027fn, 0n, 0n, 0n]);
    expect(bench.read(S.CMDCAP)).toBe(0x1ffen);
    expect(bench.read(0x1000 + 32, 8)).toBe(0x1_0003_027fn);
  });

  it('is an integrated endpoint with two 64-bit base addresses, MSI-X, ATS, page requests and PASIDs', () => {
    const bench = new AcceleratorBench().enable();
    const { config } = bench.device.function;
    expect(config.read(config.pciExpress!.offset + 2, 2) & 0xf0).toBe(0x90);
    expect(config.read(0x10, 4) & 0xf).toBe(0b1100);
    expect(config.read(0x08, 4) >>> 8).toBe(0x08_80_00);
    expect([config.ats, config.pri, config.pasid].every((capability) => capability !== null)).toBe(true);
    expect(config.msix!.vectors).toBe(9);
  });
});
