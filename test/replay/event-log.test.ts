import { describe, expect, it } from 'vitest';
import type { Rig } from '../../hardware/index.ts';
import { EventLog } from '../../src/cli/replay/faults.ts';

const BASE = 0x3_0000;
const TAIL = 0x2018;
const STATUS = 0x2020;
/** EventLogRun. */
const RUNNING = 8n;

/** A unit that has nothing but an event log. */
function unit(entries: number) {
  const memory = new Uint8Array(entries * 16);
  const registers = new Map([
    [TAIL, 0n],
    [STATUS, RUNNING],
  ]);
  const log = (head: bigint, address: bigint) => {
    const at = Number(registers.get(TAIL));
    const view = new DataView(memory.buffer);
    view.setBigUint64(at, head, true);
    view.setBigUint64(at + 8, address, true);
    registers.set(TAIL, BigInt((at + 16) % memory.length));
  };
  const rig = {
    readRegister: (offset: number) => registers.get(offset) ?? 0n,
    readMemory: (address: bigint, length: number) =>
      memory.slice(Number(address) - BASE, Number(address) - BASE + length),
  } as unknown as Rig;
  return { rig, log, registers };
}

describe("AMD's event log", () => {
  it('gives the events of one request, also across the end of the ring', () => {
    const { rig, log } = unit(2);
    const events = new EventLog(rig, { base: BASE, entries: 2 });
    events.around(() => log(0x2000_0000_0000_0018n, 0x1000n));
    // IO_PAGE_FAULT (code 2 in bits 63:60) of a write (bit 53) by device 00:04.0 (bits 15:0).
    const [answer, { records, canRecord }] = events.around(() => {
      log(0x2030_0000_0000_0020n, 0x1234_5678n);
      return 'done';
    });
    expect(answer).toBe('done');
    expect(canRecord).toBe(true);
    expect(records).toEqual([{ code: 2, source: 0x20, page: 0x1234_5000n, write: true }]);
  });

  it('gives no page and no type for an event whose address is that of a table', () => {
    const { rig, log } = unit(4);
    const [, { records }] = new EventLog(rig, { base: BASE, entries: 4 }).around(() =>
      log(0x4000_0000_0000_0018n, 0x9008n),
    );
    expect(records).toEqual([{ code: 4, source: 0x18, page: null, write: null }]);
  });

  it('cannot record while the log does not run or has overflowed', () => {
    for (const status of [0n, RUNNING | 1n]) {
      const { rig, registers } = unit(4);
      registers.set(STATUS, status);
      expect(new EventLog(rig, { base: BASE, entries: 4 }).around(() => {})[1].canRecord).toBe(false);
    }
  });
});
