import { describe, expect, it } from 'vitest';
import { frameOf, NicBoard, TX_BYTES, TX_ERRORS, TX_PACKETS, tx } from './nic-board.ts';

const RING = 0x10_0000;
const HEAD_AT = 0x20_0000;
const BUFFERS = 0x100_0000;

function transmitting(log2 = 4, spec?: ConstructorParameters<typeof NicBoard>[0]): NicBoard {
  const nic = new NicBoard(spec, { link: { generation: 3, width: 16 } });
  nic.open(tx(0), { base: RING, log2, headAt: HEAD_AT });
  return nic;
}

describe('A transmit queue', () => {
  it('sends frames in the order of the ring, at line rate, and writes their descriptors back', () => {
    const nic = transmitting();
    const frames = [1514, 60, 700, 1000].map((length, i) => frameOf(length, i));
    frames.forEach((frame, i) => {
      nic.memory.write(BUFFERS + i * 0x1000 + 3, frame);
      nic.put(RING, i, { address: BUFFERS + i * 0x1000 + 3, length: frame.length, end: true });
    });
    nic.tail(tx(0), 4);
    expect(nic.sent.map(({ frame }) => frame)).toEqual(frames);
    // 24 bytes of overhead; 100 Gb/s is 80 ps for a byte.
    const gaps = nic.sent.slice(1).map(({ at }, i) => at - nic.sent[i]!.at);
    expect(gaps).toEqual([(60 + 24) * 80, (700 + 24) * 80, (1000 + 24) * 80]);
    expect([0, 1, 2, 3].map((i) => nic.back(RING, i))).toEqual(
      frames.map(({ length }) => ({ length, end: true, done: true, error: false })),
    );
    expect(nic.memory.read(HEAD_AT, 4)).toEqual(Uint8Array.of(4, 0, 0, 0));
    expect([nic.head(tx(0)), nic.count(TX_PACKETS), nic.count(TX_BYTES)]).toEqual([4, 4, 3274]);
  });

  it('gathers a frame from several buffers, of which one may have no bytes', () => {
    const nic = transmitting();
    nic.write(0x0c, 4, 9000);
    const frame = frameOf(9014);
    nic.memory.write(BUFFERS, frame);
    nic.put(RING, 0, { address: BUFFERS, length: 14 });
    nic.put(RING, 1, { address: 2 ** 50, length: 0 });
    nic.put(RING, 2, { address: BUFFERS + 14, length: 5000 });
    nic.put(RING, 3, { address: BUFFERS + 5014, length: 4000, end: true });
    nic.tail(tx(0), 4);
    expect(nic.sent.map((each) => each.frame)).toEqual([frame]);
    expect([0, 1, 2, 3].map((i) => nic.back(RING, i).end)).toEqual([false, false, false, true]);
  });

  it('waits for the rest of a frame whose last descriptor is not given yet', () => {
    const nic = transmitting();
    const frame = frameOf(100);
    nic.memory.write(BUFFERS, frame);
    nic.put(RING, 0, { address: BUFFERS, length: 60 });
    nic.tail(tx(0), 1);
    expect([nic.sent.length, nic.head(tx(0))]).toEqual([0, 0]);
    nic.put(RING, 1, { address: BUFFERS + 60, length: 40, end: true });
    nic.tail(tx(0), 2);
    expect(nic.sent.map((each) => each.frame)).toEqual([frame]);
  });

  it('goes around the end of the ring', () => {
    const nic = transmitting(3);
    let next = 0;
    for (let round = 0; round < 7; round++) {
      const frames = [0, 1, 2, 3, 4].map((i) => frameOf(200, round * 5 + i));
      for (const frame of frames) {
        nic.memory.write(BUFFERS + next * 0x1000, frame);
        nic.put(RING, next, { address: BUFFERS + next * 0x1000, length: 200, end: true });
        next = (next + 1) % 8;
      }
      nic.tail(tx(0), next);
      expect(nic.sent.slice(-5).map(({ frame }) => frame)).toEqual(frames);
    }
    expect([nic.head(tx(0)), nic.sent.length]).toEqual([35 % 8, 35]);
  });

  it('does not send what has no bytes, has too many, or cannot be read, and sends what comes after', () => {
    const nic = transmitting();
    const frame = frameOf(64);
    nic.memory.write(BUFFERS, frame);
    const good = { address: BUFFERS, length: 64, end: true };
    nic.put(RING, 0, { address: BUFFERS, length: 0, end: true });
    nic.put(RING, 1, { address: BUFFERS, length: 0xffff });
    nic.put(RING, 2, { address: BUFFERS, length: 0xffff, end: true });
    nic.put(RING, 3, { address: 2n ** 60n, length: 64, end: true });
    nic.put(RING, 4, { address: BUFFERS, length: 32 });
    nic.put(RING, 5, { address: 2n ** 64n - 16n, length: 32, end: true });
    nic.put(RING, 6, good);
    nic.tail(tx(0), 7);
    expect(nic.sent.map((each) => each.frame)).toEqual([frame]);
    expect([0, 1, 2, 3, 4, 5, 6].map((i) => nic.back(RING, i).error)).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect([nic.count(TX_PACKETS), nic.count(TX_ERRORS), nic.head(tx(0))]).toEqual([1, 4, 7]);
  });

  it('ends with errors where a whole ring has no END', () => {
    const nic = transmitting(3);
    for (let i = 0; i < 8; i++) nic.put(RING, i, { address: BUFFERS, length: 1 });
    nic.tail(tx(0), 7);
    expect([nic.sent.length, nic.count(TX_ERRORS), nic.head(tx(0))]).toEqual([0, 1, 7]);
  });

  it('reads several frames at a time', () => {
    const time = (framesRead: number) => {
      const nic = transmitting(6, { framesRead });
      for (let i = 0; i < 32; i++) nic.put(RING, i, { address: BUFFERS, length: 64, end: true });
      nic.tail(tx(0), 32);
      return nic.sent.at(-1)!.at - nic.sent[0]!.at;
    };
    // One by one, each waits for memory beyond two links; together only the wire limits them.
    expect(time(1) / 31).toBeGreaterThan(300_000);
    expect(time(32)).toBe(31 * (64 + 24) * 80);
  });
});
