import { describe, expect, it } from 'vitest';
import { CONTROL, DEVICE_TABLE, HOST, HOST_TABLE, InspectBench, RW } from './inspect-bench.ts';

/** Control.HADUpdate. */
const HAD_UPDATE = 0b11n << 46n;
const LEAF = Number(HOST_TABLE) + 0x2008;
const A = 1n << 5n;
const D = 1n << 6n;

/** The flags of a leaf after a read, and then after a write. */
function flagsAfter(had: bigint, control: bigint): bigint[] {
  const bench = new InspectBench(control).put(DEVICE_TABLE + 0x300n, 0x6000_0000_0020_0603n | (had << 7n));
  return [false, true].map((write) => {
    expect(bench.access(HOST, 0x1000n, write)).toBe(0x80_1000n);
    const bytes = bench.memory.read(LEAF, 8)!;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) & ~(0x80_1000n | RW);
  });
}

describe('accessed and dirty flags of host tables', () => {
  it.each([0n, HAD_UPDATE])('follow DTE.HAD alone, with Control.HADUpdate %s', (update) => {
    const control = CONTROL | update;
    expect(flagsAfter(0b00n, control)).toEqual([0n, 0n]);
    expect(flagsAfter(0b01n, control)).toEqual([A, A]);
    expect(flagsAfter(0b11n, control)).toEqual([A, A | D]);
  });
});
