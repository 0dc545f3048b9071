import { describe, expect, it } from 'vitest';
import { frameOf, NicBoard, RX_BYTES, RX_DROPPED, RX_OVERRUN, RX_PACKETS, RX_TOO_LONG, rx } from './nic-board.ts';

const RING = 0x10_0000;
const HEAD_AT = 0x20_0000;
const BUFFERS = 0x100_0000;

/** A board whose receive queue 0 has a ring of 2^log2 descriptors, `given` of which have a buffer of `length` bytes. */
function receiving(
  log2: number,
  given: number,
  length = 2048,
  board?: ConstructorParameters<typeof NicBoard>[0],
): NicBoard {
  const nic = new NicBoard(board);
  nic.open(rx(0), { base: RING, log2, headAt: HEAD_AT });
  for (let i = 0; i < given; i++) nic.put(RING, i, { address: BUFFERS + i * 0x4000, length });
  nic.tail(rx(0), given % 2 ** log2);
  return nic;
}

describe('A receive queue', () => {
  it('puts frames into buffers in the order of the ring, writes descriptors back, and tells how far it is', () => {
    const nic = receiving(3, 4);
    const frames = [60, 1514, 333].map((length, i) => frameOf(length, i));
    nic.pour(frames);
    frames.forEach((frame, i) => {
      expect(nic.memory.read(BUFFERS + i * 0x4000, frame.length)).toEqual(frame);
      expect(nic.back(RING, i)).toEqual({ length: frame.length, end: true, done: true, error: false });
    });
    expect(nic.back(RING, 3).done).toBe(false);
    expect(nic.memory.read(RING + 12, 4)).toEqual(Uint8Array.of(0, 0, 0x0c, 0));
    expect(nic.head(rx(0))).toBe(3);
    expect(nic.memory.read(HEAD_AT, 4)).toEqual(Uint8Array.of(3, 0, 0, 0));
    expect([nic.count(RX_PACKETS), nic.count(RX_BYTES), nic.count(RX_DROPPED)]).toEqual([3, 1907, 0]);
  });

  it('goes around the end of the ring as often as software gives descriptors', () => {
    const nic = receiving(3, 7);
    let tail = 7;
    let next = 0;
    for (let round = 0; round < 9; round++) {
      const frames = [1, 2, 3, 4, 5].map((i) => frameOf(100 + i, round * 5 + i));
      nic.pour(frames);
      for (const frame of frames) {
        expect(nic.back(RING, next)).toEqual({ length: frame.length, end: true, done: true, error: false });
        expect(nic.memory.read(BUFFERS + next * 0x4000, frame.length)).toEqual(frame);
        nic.put(RING, tail, { address: BUFFERS + tail * 0x4000, length: 2048 });
        next = (next + 1) % 8;
        tail = (tail + 1) % 8;
      }
      nic.tail(rx(0), tail);
    }
    expect([nic.head(rx(0)), nic.count(RX_PACKETS), nic.count(RX_DROPPED)]).toEqual([45 % 8, 45, 0]);
  });

  it('scatters a frame over as many buffers as it needs, the last of which has END', () => {
    const nic = receiving(4, 10, 4000);
    nic.write(0x0c, 4, 9000);
    nic.engine.run();
    const frame = frameOf(9014);
    nic.pour([frame, frameOf(14)]);
    expect([0, 1, 2, 3].map((i) => nic.back(RING, i))).toEqual([
      { length: 4000, end: false, done: true, error: false },
      { length: 4000, end: false, done: true, error: false },
      { length: 1014, end: true, done: true, error: false },
      { length: 14, end: true, done: true, error: false },
    ]);
    const parts = [4000, 4000, 1014].map((length, i) => [...nic.memory.read(BUFFERS + i * 0x4000, length)!]);
    expect(Uint8Array.from(parts.flat())).toEqual(frame);
  });

  it('drops frames for which there is no descriptor, and goes on when there are more', () => {
    const nic = receiving(3, 2);
    nic.pour([1, 2, 3, 4].map((i) => frameOf(64, i)));
    expect([nic.count(RX_PACKETS), nic.count(RX_DROPPED)]).toEqual([2, 2]);
    nic.put(RING, 2, { address: BUFFERS, length: 2048 });
    nic.tail(rx(0), 3);
    nic.pour([frameOf(64, 9)]);
    expect(nic.memory.read(BUFFERS, 64)).toEqual(frameOf(64, 9));
    expect([nic.count(RX_PACKETS), nic.count(RX_DROPPED), nic.head(rx(0))]).toEqual([3, 2, 3]);
  });

  it('ends a frame with ERROR when descriptors run out in the middle', () => {
    const nic = receiving(3, 2, 100);
    nic.pour([frameOf(250)]);
    expect([0, 1].map((i) => nic.back(RING, i))).toEqual([
      { length: 100, end: false, done: true, error: false },
      { length: 100, end: true, done: true, error: true },
    ]);
    expect([nic.count(RX_PACKETS), nic.count(RX_DROPPED)]).toEqual([0, 1]);
  });

  it('has room for a number of bytes, beyond which frames are lost before they reach memory', () => {
    const nic = receiving(5, 31, 2048, { buffer: 3000 });
    // They come in one instant: no time for memory between them.
    for (let i = 0; i < 5; i++) nic.device.wire.deliver(frameOf(1000, i));
    nic.engine.run();
    expect([nic.count(RX_PACKETS), nic.count(RX_OVERRUN)]).toEqual([3, 2]);
  });

  it('takes frames of up to MTU and their header', () => {
    const nic = receiving(3, 7, 0x3000);
    nic.pour([frameOf(1514), frameOf(1515)]);
    nic.write(0x0c, 4, 0x3fff);
    nic.engine.run();
    nic.pour([frameOf(9014), frameOf(9015)]);
    expect([nic.count(RX_PACKETS), nic.count(RX_TOO_LONG)]).toEqual([2, 2]);
  });

  it('is chosen by the last byte of the destination address, among the queues that work', () => {
    const nic = new NicBoard();
    const steers = [0, 1, 2, 5, 255];
    nic.pour([frameOf(60, 1, 0)]);
    for (const n of [0, 1, 2]) {
      nic.open(rx(n), { base: RING + n * 0x1000, log2: 3 });
      for (let i = 0; i < 7; i++) nic.put(RING + n * 0x1000, i, { address: BUFFERS, length: 2048 });
      nic.tail(rx(n), 7);
    }
    nic.pour(steers.map((steer) => frameOf(60, 1, steer)));
    expect([0, 1, 2].map((n) => nic.head(rx(n)))).toEqual([2, 1, 2]);
    expect(nic.count(RX_DROPPED)).toBe(1);
  });

  it('skips buffers of no bytes, and writes beyond memory without harm', () => {
    const nic = receiving(3, 0);
    nic.put(RING, 0, { address: BUFFERS, length: 0 });
    nic.put(RING, 1, { address: 2n ** 63n, length: 0xffff });
    nic.put(RING, 2, { address: 2n ** 64n - 10n, length: 0xffff });
    nic.put(RING, 3, { address: BUFFERS, length: 2048 });
    nic.tail(rx(0), 4);
    nic.pour([frameOf(600, 1), frameOf(600, 2), frameOf(600, 3)]);
    expect([0, 1, 2, 3].map((i) => nic.back(RING, i))).toEqual([
      { length: 0, end: false, done: true, error: true },
      { length: 600, end: true, done: true, error: false },
      { length: 600, end: true, done: true, error: false },
      { length: 600, end: true, done: true, error: false },
    ]);
    expect(nic.memory.read(BUFFERS, 600)).toEqual(frameOf(600, 3));
    expect(nic.link.top.pool.taken).toBe(0);
  });

  it('stops when its descriptors cannot be read, says so, and works again when it is enabled', () => {
    const nic = new NicBoard().enableMsix(1);
    nic.open(rx(0), { base: 2 ** 45, log2: 3, interrupts: true });
    nic.tail(rx(0), 5);
    expect(nic.read(rx(0) + 0x0c) & 1n).toBe(0n);
    expect(nic.read(rx(0) + 0x2c)).toBe(1n);
    expect(nic.interrupts).toHaveLength(1);
    nic.pour([frameOf(60)]);
    expect(nic.count(RX_DROPPED)).toBe(1);
    nic.write(rx(0) + 0x2c, 4, 1);
    nic.put(RING, 0, { address: BUFFERS, length: 2048 });
    nic.open(rx(0), { base: RING, log2: 3 });
    nic.tail(rx(0), 1);
    nic.pour([frameOf(60)]);
    expect([nic.count(RX_PACKETS), nic.read(rx(0) + 0x2c)]).toEqual([1, 0n]);
  });

  it('ignores changes of its ring while it works', () => {
    const nic = receiving(3, 2);
    nic.write(rx(0), 8, 0x30_0000);
    nic.write(rx(0) + 8, 4, 9);
    expect([nic.read(rx(0), 8), nic.read(rx(0) + 8)]).toEqual([BigInt(RING), 3n]);
    nic.write(rx(0) + 0x0c, 4, 0);
    nic.write(rx(0), 8, 0x30_0000);
    expect(nic.read(rx(0), 8)).toBe(0x30_0000n);
  });
});
