/** Interrupt requests of a device on a unit whose remapping is on, and what becomes of them. */
import { expect } from 'vitest';
import { Bench, type BenchOptions, outcome, QIE, REG, SID } from './tables.ts';

/** A request in remappable format without subhandle, for an index below 2^16. */
export const request = (index: number, bits = 0n): bigint =>
  0xfee0_0010n | (BigInt(index & 0x7fff) << 5n) | (index & 0x8000 ? 4n : 0n) | bits;
export const SHV = 8n;
/** SVT = 01, SQ = 00 and the usual device in SID. */
export const FROM_DEVICE = 0x4_0000n | BigInt(SID);

export function ready(options: BenchOptions & { extended?: boolean; size?: bigint } = {}): Bench {
  const { extended = false, size = 7n, ...rest } = options;
  return new Bench(rest).enableInterrupts({ extended, size }).enableQueue();
}

/** What is delivered, or the fault. Each message meets the table as it is: the cache has tests of its own. */
export function send(bench: Bench, address: bigint, data = 0, sid = SID) {
  if ((bench.get(REG.GSTS) & QIE) !== 0n) bench.submit([4n, 0n]);
  bench.messages.length = 0;
  const result = bench.interrupt(address, data, sid);
  if (result.ok) {
    expect(bench.messages).toHaveLength(1);
    return bench.messages[0];
  }
  expect(bench.messages).toEqual([]);
  expect(result.status).toBe('dropped');
  return outcome(result);
}
