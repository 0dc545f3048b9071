import { describe, expect, it } from 'vitest';
import { ns } from '../../hardware/sim/index.ts';
import { ACQ_AT, ASQ_AT, CC_ENABLED, NvmeBoard, SCRATCH } from './nvme-board.ts';

const RDY = 1;
const CFS = 2;

/** A little-endian number in memory. */
function number(board: NvmeBoard, at: number, bytes: number): bigint {
  return [...board.memory.read(at, bytes)!].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function text(board: NvmeBoard, at: number, length: number): string {
  return String.fromCharCode(...board.memory.read(at, length)!);
}

describe('The bring-up of a stock driver', () => {
  it('finds at each step what it needs', () => {
    // 1: the class that a driver binds to, and a status that is not all ones.
    const board = new NvmeBoard().enableMsix(9);
    expect(board.run(board.rootComplex.configRead(8, 0x08, 4)) >>> 8).toBe(0x010802);
    expect(board.csts).toBe(0);
    // 2: MQES 1023, CQR, TO, no stride, subsystem reset, NVM command set, 4 KiB to 64 KiB pages; version 1.4.
    expect(board.read(0x00, 8)).toBe(0x0040_0030_0101_03ffn);
    expect([board.read(0x00), board.read(0x04)]).toEqual([0x0101_03ffn, 0x0040_0030n]);
    expect(board.read(0x08)).toBe(0x0001_0400n);
    // 3: reset state. 4: admin queues of 32 entries. 5: configured, then enabled.
    board.write(0x14, 4, 0);
    board.engine.run();
    expect(board.csts).toBe(0);
    board.write(0x24, 4, 31 | (31 << 16));
    for (const [at, value] of [
      [0x28, ASQ_AT],
      [0x2c, 0],
      [0x30, ACQ_AT],
      [0x34, 0],
      [0x14, CC_ENABLED - 1],
    ] as const) {
      board.write(at, 4, value);
    }
    expect(board.read(0x14)).toBe(0x0046_0000n);
    board.write(0x14, 4, CC_ENABLED);
    expect(board.csts).toBe(0);
    board.engine.run();
    expect(board.csts).toBe(RDY);
    // 6: Identify controller, in two pages.
    const identify = { opcode: 0x06, prp1: SCRATCH + 0x800, prp2: SCRATCH + 0x1000 };
    expect(board.status({ ...identify, dwords: [1] })).toBe(0);
    const at = SCRATCH + 0x800;
    expect(number(board, at, 2)).toBe(0xd3a0n);
    expect(text(board, at + 24, 8)).toBe('RAM disk');
    expect(number(board, at + 77, 1)).toBe(5n);
    expect(number(board, at + 80, 4)).toBe(0x0001_0400n);
    expect(number(board, at + 111, 1)).toBe(1n);
    expect(number(board, at + 256, 2)).toBe(0n);
    expect(number(board, at + 512, 2)).toBe(0x4466n);
    expect(number(board, at + 516, 4)).toBe(1n);
    expect(number(board, at + 520, 2)).toBe(0b1100n);
    expect(number(board, at + 536, 4)).toBe(0n);
    expect(text(board, at + 768, 31)).toBe('nqn.2021-09.org.example:nvme\0\0\0');
    // 8: eight queues of each kind, whatever is asked for.
    const queues = board.command(board.admin, { opcode: 0x09, dwords: [0x07, 3 | (3 << 16)] });
    expect(queues).toMatchObject({ status: 0, result: 7 | (7 << 16) });
    // 9, 10: a queue of each kind, with vector 1.
    const io = board.createPair(1, 64, 0x2_0000);
    // 11: events are configured, and a request is held.
    expect(board.status({ opcode: 0x09, dwords: [0x0b, 0x100] })).toBe(0);
    const held = board.put(board.admin, { opcode: 0x0c });
    board.ring(board.admin);
    expect(board.take(board.admin)).toEqual([]);
    expect(board.device.state.eventRequests).toBe(1);
    // 12: the command set's own structure, the list of namespaces.
    expect(board.status({ opcode: 0x06, prp1: SCRATCH, dwords: [6] })).toBe(0);
    expect(board.status({ opcode: 0x06, prp1: SCRATCH, dwords: [2] })).toBe(0);
    expect([number(board, SCRATCH, 4), number(board, SCRATCH + 4, 4)]).toEqual([1n, 0n]);
    expect(board.status({ opcode: 0x06, nsid: 1, prp1: SCRATCH, dwords: [2] })).toBe(0);
    expect(number(board, SCRATCH, 4)).toBe(0n);
    // 13: the namespace: identifiers, size, blocks of 512 bytes.
    expect(board.status({ opcode: 0x06, nsid: 1, prp1: SCRATCH, dwords: [3] })).toBe(0);
    expect([...board.memory.read(SCRATCH, 4)!]).toEqual([1, 8, 0, 0]);
    expect([...board.memory.read(SCRATCH + 12, 4)!]).toEqual([2, 16, 0, 0]);
    expect([...board.memory.read(SCRATCH + 32, 4)!]).toEqual([0, 0, 0, 0]);
    const eui64 = board.memory.read(SCRATCH + 4, 8);
    expect(board.status({ opcode: 0x06, nsid: 1, prp1: SCRATCH, dwords: [0] })).toBe(0);
    expect([number(board, SCRATCH, 8), number(board, SCRATCH + 8, 8)]).toEqual([0x2_0000n, 0x2_0000n]);
    expect(number(board, SCRATCH + 128, 4)).toBe(9n << 16n);
    expect(board.memory.read(SCRATCH + 120, 8)).toEqual(eui64);
    // The first I/O completes on the vector of its queue.
    board.interrupts.length = 0;
    const read = board.command(io, { opcode: 0x02, nsid: 1, prp1: SCRATCH, dwords: [0, 0, 7] });
    expect(read).toMatchObject({ status: 0, sqid: 1, sqhd: 1, phase: 1 });
    expect(board.interrupts.map(({ data }) => data)).toEqual([1]);
    expect(board.device.state).toMatchObject({ submissionQueues: [0, 1], completionQueues: [0, 1], commands: 0 });
    expect(held).toBeGreaterThan(0);
  });

  it.each([
    ['an admin submission queue at an odd address', 0x28, 8, ASQ_AT + 0x800],
    ['an admin completion queue at an odd address', 0x30, 8, ACQ_AT + 0x40],
    ['an admin submission queue of one entry', 0x24, 4, 31 << 16],
    ['an admin completion queue of one entry', 0x24, 4, 31],
    ['a command set that it does not have', 0x14, 4, 0x0046_0061],
    ['pages that are too large', 0x14, 4, 0x0046_0281],
    ['an arbitration that it does not have', 0x14, 4, 0x0046_0801],
    ['a queue that is not aligned to larger pages', 0x14, 4, 0x0046_0101],
  ])('fails with %s, and succeeds after a reset', (_, offset, size, value) => {
    const board = new NvmeBoard();
    board.write(0x24, 4, 31 | (31 << 16));
    board.write(0x28, 8, ASQ_AT);
    board.write(0x30, 8, ACQ_AT);
    board.write(offset, size, value);
    if (offset !== 0x14) board.write(0x14, 4, CC_ENABLED);
    board.engine.run();
    expect(board.csts).toBe(CFS);
    expect(board.device.state.submissionQueues).toEqual([]);
    board.write(0x14, 4, 0);
    board.engine.run();
    expect(board.csts).toBe(0);
    expect(board.enable().csts).toBe(RDY);
    expect(board.status({ opcode: 0x06, prp1: SCRATCH, dwords: [1] })).toBe(0);
  });
});

describe('A reset', () => {
  it('forgets the queues, and keeps AQA, ASQ and ACQ', () => {
    const board = new NvmeBoard().enable();
    board.createPair(1, 8, 0x2_0000);
    board.write(0x14, 4, CC_ENABLED - 1);
    board.engine.run();
    expect(board.csts).toBe(0);
    expect(board.device.state.completionQueues).toEqual([]);
    expect([board.read(0x24), board.read(0x28, 8), board.read(0x30, 8)]).toEqual([
      0x1f_001fn,
      BigInt(ASQ_AT),
      BigInt(ACQ_AT),
    ]);
    board.write(0x1000, 4, 1);
    board.engine.run();
    expect(board.device.state.commands).toBe(0);
  });

  it('of the function in the middle of commands leaves nothing behind, but what is on the disk', () => {
    const board = new NvmeBoard().enable();
    const io = board.createPair(1, 64, 0x2_0000);
    board.memory.write(SCRATCH, Uint8Array.of(1, 2, 3));
    expect(board.command(io, { opcode: 0x01, nsid: 1, prp1: SCRATCH, dwords: [5] }).status).toBe(0);
    for (let i = 0; i < 20; i++) board.put(io, { opcode: 0x02, nsid: 1, prp1: SCRATCH, dwords: [0, 0, 7] });
    board.write(0x1008, 4, io.tail);
    const { offset } = board.device.function.config.pciExpress!;
    board.configure([offset + 8, 2, 0x8000]);
    board.engine.run();
    expect(board.device.state).toMatchObject({ submissionQueues: [], commands: 0 });
    expect(board.link.top.pool.taken).toBe(0);
    board.configure([0x10, 4, 0xfe00_0000], [0x04, 2, 0b110]);
    expect([board.csts, board.read(0x14), board.read(0x28, 8)]).toEqual([0, 0n, 0n]);
    expect(board.take(io)).toEqual([]);
    board.enable();
    const again = board.createPair(1, 64, 0x2_0000);
    board.memory.write(again.cq, new Uint8Array(1024));
    expect(board.command(again, { opcode: 0x02, nsid: 1, prp1: SCRATCH + 512, dwords: [5] }).status).toBe(0);
    expect([...board.memory.read(SCRATCH + 512, 3)!]).toEqual([1, 2, 3]);
  });

  it('of the controller in the middle of commands is over when no command touches memory any more', () => {
    const board = new NvmeBoard().enable();
    const io = board.createPair(1, 64, 0x2_0000);
    for (let i = 0; i < 20; i++) board.put(io, { opcode: 0x01, nsid: 1, prp1: SCRATCH, dwords: [0, 0, 7] });
    board.write(0x1008, 4, io.tail);
    board.pass(ns(9000));
    board.write(0x14, 4, CC_ENABLED - 1);
    while (board.device.state.registers['CC.EN'] === 1) board.engine.step();
    expect(board.device.state.registers['CSTS.RDY']).toBe(1);
    expect(board.device.state.commands).toBeGreaterThan(0);
    let requests = 0;
    board.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.isMemoryRequest) requests++;
    };
    while (board.device.state.registers['CSTS.RDY'] === 1) board.engine.step();
    const before = requests;
    board.engine.run();
    expect([requests - before, board.csts, board.device.state.commands]).toEqual([0, 0, 0]);
    expect(board.take(io)).toEqual([]);
  });

  it('of the subsystem is one for "NVMe" only, and says so', () => {
    const board = new NvmeBoard().enable();
    board.write(0x20, 4, 0x4e56_4d64);
    board.engine.run();
    expect(board.csts).toBe(RDY);
    board.write(0x20, 4, 0x4e56_4d65);
    board.engine.run();
    expect([board.csts, board.read(0x14), board.read(0x24)]).toEqual([0x10, 0n, 0n]);
    board.write(0x1c, 4, 0x10);
    expect(board.csts).toBe(0);
  });
});

describe('A shutdown', () => {
  it('completes what was fetched, then says so, and takes nothing more until a reset', () => {
    const board = new NvmeBoard().enable();
    const io = board.createPair(1, 64, 0x2_0000);
    board.put(io, { opcode: 0x02, nsid: 1, prp1: SCRATCH, dwords: [0, 0, 7] });
    board.write(0x1008, 4, io.tail);
    board.pass(ns(3000));
    board.write(0x14, 4, CC_ENABLED | (1 << 14));
    expect(board.csts).toBe(0b0101);
    board.engine.run();
    expect(board.csts).toBe(0b1001);
    expect(board.take(io)).toMatchObject([{ status: 0 }]);
    board.put(io, { opcode: 0x00, nsid: 1 });
    board.ring(io);
    expect(board.take(io)).toEqual([]);
    board.write(0x14, 4, 0);
    board.engine.run();
    expect(board.csts).toBe(0);
  });

  it('that is abrupt completes nothing', () => {
    const board = new NvmeBoard().enable();
    const io = board.createPair(1, 64, 0x2_0000);
    board.put(io, { opcode: 0x02, nsid: 1, prp1: SCRATCH, dwords: [0, 0, 7] });
    board.write(0x1008, 4, io.tail);
    board.write(0x14, 4, CC_ENABLED | (2 << 14));
    board.engine.run();
    expect(board.csts).toBe(0b1001);
    expect(board.take(io)).toEqual([]);
  });
});
