import { describe, expect, it } from 'vitest';
import { STALL_ENGINE, StallEngine } from '../../hardware/devices/stall-engine/index.ts';
import { DmaStatus, type DmaTarget } from '../../hardware/pcie/index.ts';
import { us } from '../../hardware/sim/index.ts';
import { pattern } from '../pcie/board.ts';
import { BAR, DeviceBoard, RID } from './device-board.ts';

const STALLS = 0x1_0000;
const CONTROL = STALLS + 0x08;
const STATUS = STALLS + 0x0c;
const ADDRESS = STALLS + 0x10;
const PASID = STALLS + 0x18;
const ANSWER = STALLS + 0x1c;
const BUFFER = 0x1000;

const [ON, INTERRUPTS] = [0b01, 0b10];
const [READ, WRITE] = [0b01, 0b11];
const [RETRY, ABORT] = [0b01, 0b10];
const [DONE, BUSY] = [0b010n, 0b001n];
const REFUSED = 0b110n | (6n << 4n);
const number = (of: number) => BigInt(of) << 16n;

/** Stands where translations come from: those of some pages are missing, and what is there goes where it says. */
class Board extends DeviceBoard<StallEngine> {
  readonly missing = new Set<bigint>();
  readonly asked: bigint[] = [];

  constructor() {
    super((engine) => new StallEngine(engine, { ...STALL_ENGINE, name: 'engine', requester: RID }));
    this.configure([0x18, 4, BAR + STALLS]);
    this.enableVectors(STALLS + 0x800, 2);
    const { ats, dma } = this.device;
    const isMissing = ({ hi, lo }: DmaTarget) => {
      const page = ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)) >> 12n;
      this.asked.push(page);
      return this.missing.has(page);
    };
    const status = DmaStatus.NO_TRANSLATION;
    Object.assign(ats, {
      *read(at: DmaTarget, length: number, into: Uint8Array) {
        return isMissing(at) ? { status, data: new Uint8Array(0) } : yield* dma.read(at, length, into);
      },
      *write(at: DmaTarget, bytes: Uint8Array) {
        return isMissing(at) ? status : yield* dma.write(at, bytes);
      },
    });
  }

  /** Begins a transfer and lets it come as far as it comes: what STATUS says then. */
  start(address: bigint, length: number, command: number): bigint {
    this.write(0x1c, 4, 0b110);
    this.write(0x08, 8, address);
    this.write(0x10, 4, length);
    this.write(0x18, 4, command);
    return this.status;
  }

  get status(): bigint {
    this.pass(us(5));
    return this.read(0x1c);
  }
}

describe('A stall engine', () => {
  it('is told apart from a DMA engine by its device id, and says what it is in both its register pages', () => {
    const board = new Board();
    expect(board.run(board.rootComplex.configRead(RID, 0, 4))).toBe(0x0004_d3a0);
    expect([board.read(0x00), board.read(STALLS)]).toEqual([0x44_4d_41_01n, 0x53_54_4c_01n]);
  });

  it('stops where a page is missing, says where, and goes on when it is told to look again', () => {
    const board = new Board();
    board.missing.add(0x5n);
    board.write(CONTROL, 4, ON | INTERRUPTS);
    board.write(BUFFER, 8, 0x1122_3344_5566_7788n);
    expect(board.start(0x5010n, 8, WRITE)).toBe(BUSY);
    expect(board.read(STATUS)).toBe(0b0011n | number(1));
    expect([board.read(ADDRESS, 8), board.read(PASID)]).toEqual([0x5010n, 0n]);
    expect(board.interrupts.map(({ data }) => data)).toEqual([1]);
    board.missing.clear();
    board.write(ANSWER, 4, number(1) | BigInt(RETRY));
    expect(board.status).toBe(DONE);
    expect(board.read(STATUS)).toBe(0b0010n | number(1));
    expect(board.memory.read64(0x5010)).toBe(0x1122_3344_5566_7788n);
  });

  it('stops again where the page is still missing, and at each page of a transfer', () => {
    const board = new Board();
    board.missing.add(0x6n).add(0x7n);
    board.write(CONTROL, 4, ON);
    board.memory.write(0x6ff8, pattern(16));
    expect(board.start(0x6ff8n, 16, READ)).toBe(BUSY);
    board.write(ANSWER, 4, number(1) | BigInt(RETRY));
    expect(board.status).toBe(BUSY);
    expect([board.read(STATUS), board.read(ADDRESS, 8)]).toEqual([1n | number(2), 0x6ff8n]);
    board.missing.delete(0x6n);
    board.write(ANSWER, 4, number(2) | BigInt(RETRY));
    expect(board.status).toBe(BUSY);
    expect([board.read(STATUS), board.read(ADDRESS, 8)]).toEqual([1n | number(3), 0x7000n]);
    board.missing.clear();
    board.write(ANSWER, 4, number(3) | BigInt(RETRY));
    expect(board.status).toBe(DONE);
    expect([board.read(BUFFER, 8), board.read(BUFFER + 8, 8)]).toEqual([
      board.memory.read64(0x6ff8),
      board.memory.read64(0x7000),
    ]);
    expect(board.interrupts).toEqual([]);
  });

  it.each([
    ['it is told so', ANSWER, number(1) | BigInt(ABORT)],
    ['it is told both', ANSWER, number(1) | BigInt(ABORT | RETRY)],
    ['it is to stop no more', CONTROL, 0n],
  ])('ends with an error when %s', (_, register, value) => {
    const board = new Board();
    board.missing.add(0x5n);
    board.write(CONTROL, 4, ON);
    board.start(0x5010n, 8, READ);
    board.write(register, 4, value);
    expect(board.status).toBe(REFUSED);
    expect(board.read(0x28, 8)).toBe(0x5010n);
    expect(board.device.state.stalls).toMatchObject({ stops: 1, aborts: 1 });
  });

  it('takes no answer that names another stop, that says nothing, or that nobody waits for', () => {
    const board = new Board();
    board.missing.add(0x5n);
    board.write(CONTROL, 4, ON);
    for (const wrong of [number(1) | 1n, number(0) | 1n]) board.write(ANSWER, 4, wrong);
    expect(board.start(0x5010n, 8, READ)).toBe(BUSY);
    for (const wrong of [number(0) | 1n, number(2) | 1n, number(1)]) board.write(ANSWER, 4, wrong);
    expect(board.status).toBe(BUSY);
    expect(board.asked).toEqual([5n]);
    board.write(ANSWER, 4, number(1) | BigInt(ABORT));
    board.write(ANSWER, 4, number(1) | BigInt(RETRY));
    expect(board.status).toBe(REFUSED);
    expect(board.asked).toEqual([5n]);
  });

  it('does not stop before it is told that it may', () => {
    const board = new Board();
    board.missing.add(0x5n);
    expect(board.start(0x5010n, 8, READ)).toBe(REFUSED);
    expect(board.read(STATUS)).toBe(0n);
  });

  it('forgets with a reset of the function what it waited for, and counts on', () => {
    const board = new Board();
    board.missing.add(0x5n);
    board.write(CONTROL, 4, ON);
    board.start(0x5010n, 8, READ);
    board.device.functionLevelReset();
    expect([board.status, board.read(STATUS), board.read(CONTROL)]).toEqual([0n, 0n, 0n]);
    board.write(CONTROL, 4, ON);
    expect(board.start(0x5010n, 8, READ)).toBe(BUSY);
    board.write(ANSWER, 4, number(1) | BigInt(RETRY));
    expect([board.status, board.read(STATUS)]).toEqual([BUSY, 1n | number(2)]);
  });

  it('is as it was built after a reset', () => {
    const board = new Board();
    const built = structuredClone(board.device.state);
    board.missing.add(0x5n);
    board.write(CONTROL, 4, ON | INTERRUPTS);
    board.start(0x5010n, 8, READ);
    expect(board.device.state).not.toEqual(built);
    board.engine.reset();
    board.device.reset();
    expect(board.device.state).toEqual(built);
  });
});
