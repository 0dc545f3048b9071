import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NIC, Nic } from '../../hardware/devices/nic/index.ts';
import { ns, us } from '../../hardware/sim/index.ts';
import { RID } from './device-board.ts';
import { frameOf, NicBoard, type QueueSettings, RX_DROPPED, RX_OVERRUN, RX_PACKETS, rx, tx } from './nic-board.ts';

const RX_RING = 0x10_0000;
const TX_RING = 0x18_0000;
const BUFFERS = 0x100_0000;
const DEVICE_CONTROL = 0x48;

/** Receive queue 0 with `given` buffers. */
function receiving(given: number, settings: Partial<QueueSettings> = {}, nic = new NicBoard()): NicBoard {
  nic.open(rx(0), { base: RX_RING, log2: 12, ...settings });
  for (let i = 0; i < given; i++) nic.put(RX_RING, i, { address: BUFFERS + i * 2048, length: 2048 });
  nic.tail(rx(0), given);
  return nic;
}

describe('Interrupts of the network interface', () => {
  const moderated = (settings: Partial<QueueSettings>) =>
    receiving(100, { interrupts: true, vector: 2, ...settings }, new NicBoard({ writeBack: 1 }).enableMsix(4));

  it('come with each descriptor that is written back when nothing moderates them, after it', () => {
    const nic = moderated({});
    const seen: boolean[] = [];
    nic.rootComplex.onInterrupt = (_address, data) => {
      expect(data).toBe(2);
      seen.push(nic.back(RX_RING, seen.length).done);
    };
    nic.pour([1, 2, 3].map((i) => frameOf(1000, i)));
    expect(seen).toEqual([true, true, true]);
  });

  it('come after so many of them', () => {
    const nic = moderated({ count: 3 });
    nic.pour(Array.from({ length: 8 }, (_, i) => frameOf(100, i)));
    expect(nic.interrupts).toHaveLength(2);
  });

  it('come so long after the first of them, or after so many, whichever is first', () => {
    const nic = moderated({ time: 50_000, count: 20 });
    const begun = nic.engine.now;
    nic.pour(Array.from({ length: 5 }, (_, i) => frameOf(100, i)));
    expect(nic.interrupts).toHaveLength(1);
    const waited = nic.interrupts[0]!.at - begun;
    expect(waited).toBeGreaterThan(50_000_000);
    expect(waited).toBeLessThan(51_500_000);
    nic.pour(Array.from({ length: 20 }, (_, i) => frameOf(100, i)));
    expect(nic.interrupts).toHaveLength(2);
    expect(nic.interrupts[1]!.at - begun - waited).toBeLessThan(20_000_000);
  });

  it('wait while they are off, and then tell what came', () => {
    const nic = moderated({ interrupts: false });
    nic.pour([frameOf(100)]);
    expect(nic.interrupts).toEqual([]);
    nic.write(rx(0) + 0x0c, 4, 0b11);
    nic.engine.run();
    expect(nic.interrupts).toHaveLength(1);
  });
});

describe('A reset of the network interface', () => {
  it.each([
    ['its own', (nic: NicBoard) => nic.write(0x08, 4, 1)],
    ['the function’s', (nic: NicBoard) => nic.configure([DEVICE_CONTROL + 1, 1, 0x80])],
  ])('(%s) in the middle of everything ends everything, and it works again', (_, reset) => {
    const nic = new NicBoard();
    const bringUp = () => {
      for (const n of [0, 1]) nic.open(rx(n), { base: RX_RING + n * 0x1_0000, log2: 8, headAt: 0x30_0000 });
      nic.open(tx(0), { base: TX_RING, log2: 8 });
      for (let i = 0; i < 200; i++) {
        for (const n of [0, 1]) nic.put(RX_RING + n * 0x1_0000, i, { address: BUFFERS + i * 4096, length: 1000 });
        nic.put(TX_RING, i, { address: 0x200_0000, length: 1000, end: true });
      }
    };
    const ring = () => {
      for (const at of [rx(0), rx(1), tx(0)]) nic.write(at + 0x10, 4, 200);
    };
    bringUp();
    ring();
    nic.engine.spawn(nic.device.wire.arrive(Array.from({ length: 400 }, (_, i) => frameOf(1500, i, i))));
    nic.pass(us(3));
    expect(nic.device.dma.transactionsPending).toBe(true);
    reset(nic);
    // The write stands in line behind the frames that are being read.
    while (nic.device.state.receive[0]!.working) nic.pass(ns(100));
    const sent = nic.sent.length;
    // What had been sent before over the link has reached memory by then.
    nic.pass(us(5));
    nic.memory.write(BUFFERS, new Uint8Array(0x10_0000));
    nic.engine.run();
    expect(nic.memory.read(BUFFERS, 0x10_0000)!.every((byte) => byte === 0)).toBe(true);
    expect(nic.sent).toHaveLength(sent);
    const { receive, transmit } = nic.device.state;
    expect([...receive, ...transmit]).toEqual(Array.from({ length: 8 }, () => ({ working: false, head: 0, tail: 0 })));
    expect([nic.link.top.pool.taken, nic.engine.pending]).toEqual([0, 0]);

    nic.configure([0x10, 4, 0xfe00_0000], [0x14, 4, 0], [0x04, 2, 0b110]);
    bringUp();
    ring();
    nic.engine.run();
    nic.pour([frameOf(900, 77)]);
    expect(nic.memory.read(BUFFERS, 900)).toEqual(frameOf(900, 77));
    expect(nic.sent).toHaveLength(sent + 200);
  });

  it('returns it to the state that it was built in', () => {
    const nic = receiving(50);
    nic.pour([frameOf(100)]);
    nic.device.reset();
    expect(nic.device.state).toEqual(new Nic(nic.engine, { ...NIC, name: 'nic', requester: RID }).state);
  });
});

describe('The network interface', () => {
  it('receives at the rate of the wire where the link is faster: x16 of generation 3', () => {
    const nic = new NicBoard({}, { link: { generation: 3, width: 16 } });
    nic.configure([DEVICE_CONTROL, 2, 0x2130]);
    expect(rateOf(nic) / ((100 / 8) * (1514 / 1538))).toBeCloseTo(1, 2);
    expect([nic.count(RX_OVERRUN), nic.count(RX_DROPPED)]).toEqual([0, 0]);
  });

  it('receives at the rate of the link where the wire is faster: x8 of generation 3', () => {
    const nic = new NicBoard({}, { link: { generation: 3, width: 8 } });
    nic.configure([DEVICE_CONTROL, 2, 0x2130]);
    // 1514 bytes go in five writes of 256 bytes and one of 234, which is 59 words, each with 20 bytes of header and framing;
    // four descriptors in one write of 64; 32 descriptors are asked for in one read.
    const perFrame = 5 * 276 + (236 + 20) + 84 / 4 + 20 / 32;
    const link = (8 * 8 * (128 / 130)) / 8;
    expect(rateOf(nic) / ((link * 1514) / perFrame)).toBeCloseTo(1, 2);
    expect(nic.count(RX_OVERRUN)).toBeGreaterThan(0);
    expect(nic.count(RX_DROPPED)).toBe(0);
  });

  it('receives in proportion to the credits where they are what limits it', () => {
    const rates = [2, 4, 8].map((posted) => {
      const nic = new NicBoard({}, { link: { generation: 3, width: 16, credits: { PH: posted, NPH: 32 } } });
      nic.configure([DEVICE_CONTROL, 2, 0x2130]);
      return rateOf(nic);
    });
    expect(rates[1]! / rates[0]!).toBeCloseTo(2, 1);
    expect(rates[2]! / rates[1]!).toBeCloseTo(2, 1);
  });

  it('survives whatever stands in its registers and descriptors', () => {
    const number = fc.oneof(fc.nat(16), fc.nat(), fc.constantFrom(0xffff_ffff, 0x1000, 0xfee0_0000));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, rx(0), rx(1), tx(0), tx(1)), fc.nat(0x3f), number), { maxLength: 30 }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.array(fc.nat(9200), { maxLength: 6 }),
        (writes, rubbish, lengths) => {
          const nic = new NicBoard().enableMsix(8);
          for (let i = 0; i < 0x4000; i += rubbish.length) nic.memory.write(i, rubbish);
          for (const at of [rx(0), tx(0)]) nic.open(at, { base: 0x1000, log2: 3, interrupts: true, headAt: 0x3000 });
          nic.tail(rx(0), 7);
          nic.tail(tx(0), 7);
          for (const [at, offset, value] of writes) {
            nic.write(at + (offset & ~3), 4, value);
            nic.engine.spawn(nic.device.wire.arrive(lengths.map((length, i) => frameOf(length, i, i))));
            nic.pass(ns(700));
          }
          nic.engine.run();
          expect([nic.link.top.pool.taken, nic.engine.pending]).toEqual([0, 0]);
          nic.write(0x08, 4, 1);
          nic.engine.run();
          receiving(4, {}, nic);
          nic.pour([frameOf(60, 5)]);
          expect(nic.count(RX_PACKETS)).toBe(1);
          expect(nic.memory.read(BUFFERS, 60)).toEqual(frameOf(60, 5));
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** Bytes of frames in a nanosecond that one queue receives, while the wire is never idle. */
function rateOf(nic: NicBoard): number {
  receiving(1500, {}, nic);
  const frame = frameOf(1514);
  nic.engine.spawn(nic.device.wire.arrive(Array.from({ length: 1200 }, () => frame)));
  const received = () => nic.device.state.registers['RX_BYTES.COUNT']!;
  nic.pass(us(40));
  const before = received();
  nic.pass(us(100));
  return (received() - before) / 100_000;
}
