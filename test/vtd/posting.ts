/** Posted interrupts for tests, with literal bit arithmetic (vtd.md sections 9.1, 9.3, 9.4). */
import { expect } from 'vitest';
import { Bench, type BenchOptions, type Message, outcome, SID } from './tables.ts';

/** A request in remappable format without subhandle, for an index below 2^16. */
export const request = (index: number): bigint =>
  0xfee0_0010n | (BigInt(index & 0x7fff) << 5n) | (index & 0x8000 ? 4n : 0n);
/** SVT = 01, SQ = 00 and the usual device in SID. */
export const FROM_DEVICE = 0x4_0000n | BigInt(SID);

/** A posted interrupt descriptor above 4 GiB, where PDAH counts. */
export const PID = 0x1_0005_0040n;
/** IM = 1 and P = 1, and the descriptor's address. */
export const POSTED = 0x0005_0040_0000_8001n;
export const POSTED_HIGH = 0x0000_0001_0000_0000n;
export const URGENT = 0x4000n;
export const FPD = 2n;
export const vector = (vv: number): bigint => BigInt(vv) << 16n;

/** The word of ON, SN, NV and NDST. Here: NV = F2h, to APIC 23h in xAPIC mode. */
export const CONTROL = PID + 32n;
export const TO_23 = 0x0000_2300_00f2_0000n;
export const NOTIFICATION: Message = { address: 0xfee2_3000n, data: 0x40f2 };
export const ON = 1n;
export const SN = 2n;

/** Posted interrupts and a queue, and entry 3 posts vector 41h. */
export function posting(options: BenchOptions & { extended?: boolean } = {}): Bench {
  const { extended = false, ...rest } = options;
  const bench = new Bench({ pi: true, ...rest }).enableInterrupts({ extended }).enableQueue();
  return bench.irte(3, POSTED | vector(0x41), POSTED_HIGH).write64(CONTROL, TO_23);
}

export const pir = (bench: Bench): bigint[] => [0n, 8n, 16n, 24n].map((at) => bench.read64(PID + at));

/** The messages that arrive, or the fault. */
export function send(bench: Bench, address = request(3), data = 0, sid = SID): Message[] | string {
  bench.messages.length = 0;
  const result = bench.interrupt(address, data, sid);
  if (result.ok) return [...bench.messages];
  expect(bench.messages).toEqual([]);
  expect(result.status).toBe('dropped');
  return String(outcome(result));
}

/** iec_inv_dsc, for everything or for `2 ** im` indexes. */
export const flush = (bench: Bench): Bench => bench.submit([0x4n, 0n]);
export const flushIndex = (bench: Bench, index: number, im = 0): Bench =>
  bench.submit([0x14n | (BigInt(im) << 27n) | (BigInt(index) << 32n), 0n]);
