import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryOf, NvmeBoard, type Pair, patternOf, SCRATCH } from './nvme-board.ts';

const DATA = 0x10_0000;
const LIST = 0x30_0000;
const BEYOND = 2 ** 45;

function ready(): { board: NvmeBoard; io: Pair } {
  const board = new NvmeBoard().enable();
  return { board, io: board.createPair(1, 64, 0x2_0000) };
}

/** Dwords 10 to 12 of a read or write. */
const at = (block: number, blocks: number) => [block, 0, blocks - 1];

describe('PRP entries', () => {
  it.each([
    ['one page', 0, 4096, 0],
    ['the rest of a page', 0xe00, 512, 0],
    ['a page and a half, from its middle', 0x800, 6144, 1],
    ['a list in the middle of a page', 0x400, 0x1_0000, 0],
    ['a list that goes on in another page', 0, 0x2_0000, 0xf80],
  ])('describe %s in both directions', (_, offset, bytes, listOffset) => {
    const { board, io } = ready();
    // Pages that are not in order.
    const pages = Array.from({ length: Math.ceil((offset + bytes) / 4096) }, (_, i) => DATA + ((i * 7) % 64) * 4096);
    const data = patternOf(bytes);
    const parts = pages.map((page, i) => {
      const start = i === 0 ? page + offset : page;
      const from = i === 0 ? 0 : i * 4096 - offset;
      return { start, from, to: Math.min(from + (i === 0 ? 4096 - offset : 4096), bytes) };
    });
    for (const { start, from, to } of parts) board.memory.write(start, data.subarray(from, to));
    const rest = pages.slice(1);
    const room = (4096 - listOffset) / 8;
    const isChained = rest.length > room;
    board.list(LIST + listOffset, isChained ? [...rest.slice(0, room - 1), LIST + 0x5000] : rest);
    if (isChained) board.list(LIST + 0x5000, rest.slice(room - 1));
    const prp2 = rest.length > 1 ? LIST + listOffset : (rest[0] ?? 0);
    const where = { nsid: 1, prp1: DATA + offset, prp2, dwords: at(100, bytes / 512) };
    expect(board.command(io, { opcode: 0x01, ...where }).status).toBe(0);
    expect(board.device.disk.read(100, bytes / 512)).toEqual(data);
    for (const { start, from, to } of parts) board.memory.write(start, new Uint8Array(to - from));
    expect(board.command(io, { opcode: 0x02, ...where }).status).toBe(0);
    for (const { start, from, to } of parts) {
      expect(board.memory.read(start, to - from)).toEqual(data.subarray(from, to));
    }
  });

  it.each([
    ['a second page with an offset', DATA, DATA + 0x1200, 16],
    ['a list that is not at a multiple of 8', DATA, LIST + 4, 64],
    ['a page in a list with an offset', DATA, LIST, 64],
    ['a first page at an odd address', DATA + 2, 0, 1],
  ])('with %s have an invalid offset', (_, prp1, prp2, blocks) => {
    const { board, io } = ready();
    board.list(LIST, [DATA + 0x1000, DATA + 0x2010, DATA + 0x3000, ...Array<number>(10).fill(DATA)]);
    expect(board.command(io, { opcode: 0x02, nsid: 1, prp1, prp2, dwords: at(0, blocks) })).toMatchObject({
      status: 0x13,
      doNotRetry: true,
    });
  });

  it('of a list that points to itself end with the data', () => {
    const { board, io } = ready();
    board.list(LIST + 0xff8, [LIST]);
    board.list(LIST, Array<number>(512).fill(LIST));
    const read = { opcode: 0x02, nsid: 1, prp1: DATA, prp2: LIST + 0xff8, dwords: at(0, 256) };
    expect(board.command(io, read).status).toBe(0);
  });
});

describe('Memory that cannot be reached', () => {
  it('is a data transfer error where it is read, which may be tried again, and unknown where it is written', () => {
    const { board, io } = ready();
    const write = { opcode: 0x01, nsid: 1, prp1: BEYOND, dwords: at(3, 1) };
    expect(board.command(io, write)).toMatchObject({ status: 0x04, doNotRetry: false });
    expect(board.device.disk.pages).toBe(0);
    const listed = { opcode: 0x02, nsid: 1, prp1: DATA, prp2: BEYOND, dwords: at(0, 64) };
    expect(board.command(io, listed).status).toBe(0x04);
    expect(board.command(io, { opcode: 0x02, nsid: 1, prp1: BEYOND, dwords: at(3, 1) }).status).toBe(0);
  });

  it('is fatal where a queue is in it, until a reset', () => {
    const { board } = ready();
    const created = [
      board.status({ opcode: 0x05, prp1: DATA, dwords: [2 | (7 << 16), 1] }),
      board.status({ opcode: 0x01, prp1: BEYOND, dwords: [2 | (7 << 16), (2 << 16) | 1] }),
    ];
    expect(created).toEqual([0, 0]);
    board.write(0x1010, 4, 1);
    board.engine.run();
    expect(board.csts).toBe(0b11);
    board.write(0x14, 4, 0);
    board.engine.run();
    expect(board.csts).toBe(0);
    expect(board.enable().status({ opcode: 0x06, prp1: SCRATCH, dwords: [1] })).toBe(0);
  });
});

describe('A command that cannot be done', () => {
  it.each([
    ['an unknown opcode', { opcode: 0x7f, nsid: 1 }, 0x01],
    ['SGLs', { opcode: 0x02, flags: 0x40, nsid: 1 }, 0x02],
    ['a fused operation', { opcode: 0x02, flags: 0x01, nsid: 1 }, 0x02],
    ['another namespace', { opcode: 0x02, nsid: 2 }, 0x0b],
    ['more than MDTS', { opcode: 0x02, nsid: 1, dwords: at(0, 257) }, 0x02],
    ['a block behind the last one', { opcode: 0x02, nsid: 1, dwords: at(0x1_ffff, 2) }, 0x80],
    ['a block of 64 bits', { opcode: 0x08, nsid: 1, dwords: [0xffff_ffff, 0xffff_ffff, 0] }, 0x80],
  ])('fails with its status: %s', (_, fields, status) => {
    const { board, io } = ready();
    expect(board.command(io, fields).status).toBe(status);
  });

  it.each([
    ['a queue without number', { opcode: 0x05, prp1: DATA, dwords: [7 << 16, 1] }, 0x101],
    ['a queue beyond the number of queues', { opcode: 0x05, prp1: DATA, dwords: [9 | (7 << 16), 1] }, 0x101],
    ['a queue that is there', { opcode: 0x05, prp1: DATA, dwords: [1 | (7 << 16), 1] }, 0x101],
    ['a queue of one entry', { opcode: 0x05, prp1: DATA, dwords: [2, 1] }, 0x102],
    ['a queue with too many entries', { opcode: 0x05, prp1: DATA, dwords: [2 | (1024 << 16), 1] }, 0x102],
    ['a queue in pieces', { opcode: 0x05, prp1: DATA, dwords: [2 | (7 << 16), 0] }, 0x02],
    ['a queue in the middle of a page', { opcode: 0x05, prp1: DATA + 64, dwords: [2 | (7 << 16), 1] }, 0x13],
    ['a vector that there is not', { opcode: 0x05, prp1: DATA, dwords: [2 | (7 << 16), 0x9_0003] }, 0x108],
    ['no completion queue', { opcode: 0x01, prp1: DATA, dwords: [2 | (7 << 16), 0x2_0001] }, 0x100],
    ['the admin completion queue', { opcode: 0x01, prp1: DATA, dwords: [2 | (7 << 16), 1] }, 0x101],
    ['a completion queue in use', { opcode: 0x04, dwords: [1] }, 0x10c],
    ['a queue to delete that there is not', { opcode: 0x00, dwords: [3] }, 0x101],
    ['queues to agree on when there are some', { opcode: 0x09, dwords: [7, 0x1_0001] }, 0x0c],
    ['a log page that there is not', { opcode: 0x02, prp1: DATA, dwords: [0x77] }, 0x109],
    ['an unknown structure', { opcode: 0x06, prp1: DATA, dwords: [0x42] }, 0x02],
    ['an unknown feature', { opcode: 0x0a, dwords: [0x42] }, 0x02],
    ['the doorbell buffer', { opcode: 0x7c }, 0x01],
  ])('fails with its status in the admin queue: %s', (_, fields, status) => {
    expect(ready().board.status(fields)).toBe(status);
  });
});

describe('Blocks', () => {
  it('that are written zeroes or deallocated read as zeros', () => {
    const { board, io } = ready();
    board.device.disk.write(0, patternOf(0x4000));
    expect(board.command(io, { opcode: 0x08, nsid: 1, dwords: at(1, 2) }).status).toBe(0);
    const range = new Uint8Array(16);
    new DataView(range.buffer).setUint32(4, 8, true);
    new DataView(range.buffer).setUint32(8, 8, true);
    board.memory.write(DATA, range);
    expect(board.command(io, { opcode: 0x09, nsid: 1, prp1: DATA, dwords: [0, 4] }).status).toBe(0);
    expect(board.command(io, { opcode: 0x00, nsid: 0xffff_ffff }).status).toBe(0);
    const expected = patternOf(0x4000).fill(0, 512, 1536).fill(0, 0x1000, 0x2000);
    expect(board.device.disk.read(0, 32)).toEqual(expected);
  });
});

describe('Queues', () => {
  it('wrap: the phase tag changes and the head is told', () => {
    const { board } = ready();
    const io = board.createPair(2, 4, DATA);
    const seen = Array.from({ length: 9 }, () => board.command(io, { opcode: 0x00, nsid: 1 }));
    expect(seen.map(({ phase }) => phase)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1]);
    expect(seen.map(({ sqhd }) => sqhd)).toEqual([1, 2, 3, 0, 1, 2, 3, 0, 1]);
  });

  it('that are full hold completions back until software makes room', () => {
    const { board } = ready();
    const io = board.createPair(2, 4, DATA);
    for (let i = 0; i < 3; i++) board.put(io, { opcode: 0x00, nsid: 1 });
    board.ring(io);
    for (let i = 0; i < 3; i++) board.put(io, { opcode: 0x00, nsid: 1 });
    board.ring(io);
    expect(board.device.state.commands).toBe(3);
    expect(board.take(io)).toHaveLength(3);
    expect(board.take(io)).toHaveLength(3);
    expect(board.device.state.commands).toBe(0);
  });
});

describe('A doorbell', () => {
  it.each([
    ['of a queue that there is not', 0x1030, 1, 0x0001_0000],
    ['beyond its queue', 0x1008, 64, 0x0001_0100],
    ['beyond what was completed', 0x100c, 5, 0x0001_0100],
  ])('%s is ignored, and an event where one is asked for', (_, offset, value, result) => {
    const { board, io } = ready();
    const cid = board.put(board.admin, { opcode: 0x0c });
    board.ring(board.admin);
    board.write(offset, 4, value);
    board.engine.run();
    expect(board.take(board.admin)).toMatchObject([{ cid, status: 0, result }]);
    expect(board.command(io, { opcode: 0x00, nsid: 1 }).status).toBe(0);
  });
});

describe('Whatever software does', () => {
  it('nothing throws, hangs or grows', { timeout: 60_000 }, () => {
    const word = fc.oneof(fc.constantFrom(0, 1, DATA, LIST, 0xffff_ffff), fc.nat(0xffff_ffff));
    const entry = fc.record({
      opcode: fc.oneof(fc.constantFrom(0, 1, 2, 4, 5, 6, 8, 9, 10, 12), fc.nat(255)),
      flags: fc.constantFrom(0, 0, 0, 0xff),
      nsid: fc.constantFrom(1, 1, 0, 0xffff_ffff),
      prp1: word,
      prp2: word,
      dwords: fc.array(word, { maxLength: 6 }),
    });
    const access = fc.record({ offset: fc.nat(0x1fff), size: fc.constantFrom(1, 2, 4, 8), value: word });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.array(access, { maxLength: 20 }), (entries, accesses) => {
        const { board, io } = ready();
        board.list(LIST, Array<number>(512).fill(LIST));
        for (const pair of [io, board.admin]) {
          entries.forEach((fields, i) => {
            board.memory.write(pair.sq + ((pair.tail + i) % pair.size) * 64, entryOf(i, fields));
          });
          board.write(0x1000 + pair.id * 8, 4, (pair.tail + entries.length) % pair.size);
        }
        for (const { offset, size, value } of accesses) {
          const aligned = offset - (offset % size);
          board.write(aligned, size, value);
          board.read(aligned, size);
        }
        let events = 0;
        while (board.engine.step()) if (++events > 400_000) throw new Error('it does not end');
        expect(board.link.top.pool.taken).toBe(0);
        expect(board.device.state.eventRequests).toBeLessThanOrEqual(4);
      }),
      { numRuns: 40 },
    );
  });
});
