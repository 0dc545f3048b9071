/** The event log of the accelerator: completion records that could not be written. */
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, EVLCFG, EVLSTATUS, R, S } from './accelerator-bench.ts';
import { CRAV, descriptor, RCI, RCR, RECORD, type Said } from './accelerator-descriptors.ts';

const PASID = 0x12345;
/** A shared queue that works under PASIDs, of priority 1. */
const SHARED = 0x10 | (1 << 28);
/** MSIXPERM of vector 1, and what lets everybody have it. */
const PERMISSIONS_1 = 0x8008;
const EVERYBODY = 1 << 2;

describe('Completion records that cannot be written', () => {
  function submit(bench: AcceleratorBench, said: Said): void {
    const one = { pasid: PASID, flags: CRAV | RCR, completion: RECORD, ...said };
    expect(bench.enqueue(descriptor(one))).toBe('accepted');
    bench.engine.run();
  }

  /** With an event log of 64 entries at 0x70_0000, under no PASID. */
  function withLog(): AcceleratorBench {
    const bench = new AcceleratorBench().enable({ ats: true, pasid: true }).queue(0, { word2: SHARED });
    bench.write(EVLCFG, 0x70_0000n, 8);
    bench.write(EVLCFG + 8, 64n, 8);
    bench.write(R.GENCFG, 1 << 13);
    bench.write(S.GENCTRL, 1 << 2);
    bench.open(0);
    for (const page of [0x100, 0x200]) bench.agent.map(PASID, page, page + 0x400);
    return bench;
  }

  it('are in the event log with the record that could not be written', () => {
    const bench = withLog();
    bench.write(PERMISSIONS_1, EVERYBODY);
    submit(bench, { opcode: 3, a: 0x10_0000, b: 0x20_0000, size: 100, flags: CRAV | RCR | RCI, handle: 1 });
    const view = new DataView(bench.memory.read(0x70_0000, 64)!.buffer);
    expect(view.getBigUint64(0, true)).toBe((BigInt(PASID) << 40n) | 0x03_0000_1aacn);
    // The interrupt handle, and that interrupt and record were asked for.
    expect(view.getUint32(12, true)).toBe(0x0005_0001);
    expect(view.getBigUint64(16, true)).toBe(BigInt(RECORD));
    expect([view.getUint8(32), view.getUint32(36, true)]).toEqual([1, 100]);
    expect(bench.read(EVLSTATUS, 8)).toBe((1n << 62n) | (1n << 32n));
    expect(bench.read(S.INTCAUSE)).toBe(1n << 5n);
    expect(bench.interrupts).toEqual([0]);
    expect(bench.read(S.SWERR, 8)).toBe(0n);
  });

  it('fill the event log but for one entry; what comes then is in SWERR', () => {
    const bench = withLog();
    for (let i = 0; i < 63; i++) submit(bench, { completion: RECORD });
    expect(bench.read(EVLSTATUS, 8) >> 32n).toBe((1n << 30n) | 63n);
    expect(bench.read(S.SWERR, 8) & 1n).toBe(0n);
    submit(bench, {});
    expect((bench.read(S.SWERR, 8) >> 8n) & 0xffn).toBe(0x1an);
    // Software has read ten.
    bench.write(EVLSTATUS, 10);
    submit(bench, {});
    expect((bench.read(EVLSTATUS, 8) >> 32n) & 0xffffn).toBe(0n);
  });

  it('make a batch say that the event log has more', () => {
    const bench = withLog();
    bench.agent.map(PASID, 0x300, 0x700 - 0x200);
    bench.memory.write(0x50_0000, new Uint8Array(64));
    bench.memory.write(0x50_0040, descriptor({ flags: CRAV | RCR, completion: RECORD }));
    bench.enqueue(
      descriptor({ opcode: 1, pasid: PASID, a: 0x10_0000, size: 2, flags: CRAV | RCR, completion: 0x30_0000 }),
    );
    bench.engine.run();
    expect(bench.completion(0x50_0000)).toMatchObject({ status: 0x27, result: 1, completed: 2 });
  });

  it('do not exist for the first version of the device: it has no event log', () => {
    const bench = new AcceleratorBench({ version: 0x100 }).enable();
    bench.write(R.GENCFG, 1 << 13);
    expect(bench.read(R.GENCFG)).toBe(0n);
    expect((bench.read(R.GENCAP, 8) >> 13n) & 3n).toBe(0n);
    expect(bench.read(0)).toBe(0x100n);
  });
});
