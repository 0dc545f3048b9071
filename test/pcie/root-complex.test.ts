import { describe, expect, it } from 'vitest';
import { LINK, type Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import { BAR, Board, MIB, pattern, RID, START_READ, START_WRITE } from './board.ts';

describe('The CPU, through the root complex,', () => {
  it('reads all ones where there is no function', () => {
    const board = new Board();
    expect(board.run(board.rootComplex.configRead(0x0010, 0, 4))).toBe(0xffff_ffff);
    expect(board.run(board.rootComplex.configRead(0x0010, 0, 2))).toBe(0xffff);
  });

  it('reads and writes configuration space with TLPs that cross the link', () => {
    const board = new Board();
    const kinds: number[] = [];
    board.link.probe = (tlp) => kinds.push(tlp.kind);
    expect(board.run(board.rootComplex.configRead(RID, 0, 4))).toBe(0x0001_d3a0);
    expect(board.run(board.rootComplex.configRead(RID, 2, 2))).toBe(0x0001);
    board.run(board.rootComplex.configWrite(RID, 0x3c, 1, 0x5a));
    expect(board.run(board.rootComplex.configRead(RID, 0x3c, 1))).toBe(0x5a);
    const { CONFIG_READ_0, CONFIG_WRITE_0, COMPLETION, COMPLETION_DATA } = TlpKind;
    const read = [CONFIG_READ_0, COMPLETION_DATA];
    expect(kinds).toEqual([...read, ...read, CONFIG_WRITE_0, COMPLETION, ...read]);
    expect(board.link.top.pool.taken).toBe(0);
  });

  it('pays for a configuration read with the access, both ways of the link, and the bytes', () => {
    const board = new Board({ rootComplex: { configAccess: 200 }, link: { latency: 150 } });
    board.run(board.rootComplex.configRead(RID, 0, 4));
    const wire = Math.ceil((20 * 8125) / 32) + Math.ceil((24 * 8125) / 32);
    expect(board.engine.now).toBe(200_000 + 2 * 150_000 + wire);
  });

  it('reaches a device where its base address was put, and nothing before or after', () => {
    const board = new Board().bringUp();
    expect(board.run(board.rootComplex.mmioRead(BAR, 4))).toBe(0x444d_4101n);
    expect(board.run(board.rootComplex.mmioRead(BAR - 8, 8))).toBe(0xffff_ffff_ffff_ffffn);
    expect(board.run(board.rootComplex.mmioRead(BAR + 0x4000, 4))).toBe(0xffff_ffffn);
    board.run(board.rootComplex.configWrite(RID, 0x14, 4, 0x20));
    expect(board.run(board.rootComplex.mmioRead(BAR, 4))).toBe(0xffff_ffffn);
    expect(board.run(board.rootComplex.mmioRead(0x20_fe00_0000, 4))).toBe(0x444d_4101n);
  });

  it('reaches a claimed range without a link', () => {
    const board = new Board();
    const writes: unknown[] = [];
    board.rootComplex.claimMmio(0xfed9_0000, 0x1000, {
      read: (offset, size) => BigInt(offset * 16 + size),
      write: (...access) => writes.push(access),
    });
    expect(board.run(board.rootComplex.mmioRead(0xfed9_0010, 8))).toBe(0x108n);
    board.run(board.rootComplex.mmioWrite(0xfed9_0020, 4, 7n));
    expect(writes).toEqual([[0x20, 4, 7n]]);
    expect(board.engine.now).toBe(2 * 50_000);
  });

  it('has more requests on the way than it has tags, and gets an answer to each', () => {
    const board = new Board().bringUp();
    const reads = Array.from({ length: 100 }, () => board.engine.spawn(board.rootComplex.mmioRead(BAR, 4)));
    board.engine.run();
    expect(new Set(reads.map((read) => read.result))).toEqual(new Set([0x444d_4101n]));
    expect(board.link.top.pool.taken).toBe(0);
  });
});

describe('The root complex', () => {
  it('completes a read of an address that nobody claims with UR, and drops a write', () => {
    const board = new Board().bringUp();
    const completions: number[] = [];
    board.link.probe = (tlp, direction) => {
      if (direction === 'downstream' && tlp.kind === TlpKind.COMPLETION) completions.push(tlp.status);
    };
    board.transfer({ address: BigInt(16 * MIB), length: 64, command: START_READ });
    expect(completions).toEqual([1]);
    board.transfer({ address: BigInt(16 * MIB), length: 64, command: START_WRITE });
    expect(board.rootComplex.state).toMatchObject({ reads: 0, writes: 0, refused: 2 });
    expect([board.link.top.pool.taken, board.rootComplex.inFlight]).toEqual([0, 0]);
  });

  it('completes with UR what is beyond 52 bits', () => {
    const board = new Board().bringUp();
    board.transfer({ address: 1n << 52n, length: 8, command: START_READ });
    expect(board.rootComplex.state).toMatchObject({ reads: 0, refused: 1 });
  });

  it.each([
    ['a device', BigInt(BAR) + 0x1000n],
    ['the platform', 0xfed9_0ff0n],
  ])('keeps DMA out of the registers of %s, where it does not pass between devices', (_, address) => {
    const board = new Board({ rootComplex: { peerToPeer: false } }).bringUp();
    board.rootComplex.claimMmio(0xfed9_0000, 0x1000, { read: () => 0n, write: () => expect.unreachable() });
    board.transfer({ address, length: 16, command: START_READ });
    board.transfer({ address, length: 16, command: START_WRITE });
    expect(board.rootComplex.state).toMatchObject({ reads: 0, writes: 0, refused: 2 });
  });

  it('without an agent lets no other access into the interrupt range', () => {
    const board = new Board().bringUp();
    board.transfer({ address: 0xfee0_0000n, length: 8, command: START_WRITE });
    board.transfer({ address: 0xfee0_0000n, length: 4, command: START_READ });
    board.transfer({ address: 0xfee0_0000n, length: 4, command: START_WRITE, pasid: 0x8000_0001 });
    expect(board.interrupts).toEqual([]);
    expect(board.rootComplex.state).toMatchObject({ interrupts: 0, refused: 3 });
  });

  it('takes a 4-byte write into the interrupt range for an interrupt, whoever sends it', () => {
    const board = new Board().bringUp();
    board.fill(Uint8Array.of(0x41, 0x40, 0, 0, 0, 0, 0, 0));
    board.transfer({ address: 0xfeef_f00cn, length: 4, command: START_WRITE });
    expect(board.interrupts).toMatchObject([{ address: 0xfeef_f00c, data: 0x4041 }]);
    expect(board.rootComplex.state).toMatchObject({ interrupts: 1, writes: 0 });
  });

  it('splits completions at the read completion boundary, each within the payload of the requester', () => {
    const board = new Board().bringUp({ payload: 0 });
    const pieces: number[][] = [];
    board.memory.write(0x1000, pattern(512));
    board.link.probe = (tlp, direction) => {
      if (direction === 'downstream' && tlp.kind === TlpKind.COMPLETION_DATA) {
        pieces.push([tlp.addressLo, tlp.length, tlp.byteCount]);
      }
    };
    board.transfer({ address: 0x1014n, length: 300, command: START_READ });
    expect(pieces).toEqual([
      [0x14, 108, 300],
      [0x00, 128, 192],
      [0x00, 64, 64],
    ]);
    board.link.probe = null;
    expect([...board.buffer(304).subarray(0, 300)]).toEqual([...pattern(512).subarray(0x14, 0x14 + 300)]);
  });

  it('answers a zero-length read with one byte and does not look at memory', () => {
    const board = new Board().bringUp();
    const sizes: number[] = [];
    board.link.probe = (tlp, direction) => {
      if (direction === 'downstream' && tlp.kind === TlpKind.COMPLETION_DATA) sizes.push(tlp.length);
    };
    board.transfer({ address: 0x1000n, length: 0, command: START_READ });
    // One for the transfer; the CPU's own reads are answered upstream.
    expect(sizes).toEqual([1]);
  });

  it('discards and counts a request that crosses a 4 KiB boundary', () => {
    const board = new Board().bringUp();
    const { link, dma } = board;
    dma.function.send(dma.function.take().memoryWrite(RID, 0, 0x1ffc, 8));
    board.engine.run();
    expect(board.rootComplex.state).toMatchObject({ writes: 0, malformed: 1 });
    expect(link.top.pool.taken).toBe(0);
  });

  it('completes a configuration request for a function that the device does not have with UR', () => {
    const board = new Board();
    const statuses: number[] = [];
    board.link.probe = (tlp: Tlp, direction) => {
      if (direction === 'upstream') statuses.push(tlp.status);
    };
    board.link.top.send(board.link.top.take().configRead(0, 0, RID + 1, 0, 4));
    board.engine.run();
    expect(statuses).toEqual([1]);
  });

  it('refuses a second function with the same requester id', () => {
    const board = new Board();
    expect(() => board.rootComplex.connect(LINK, [board.dma.function])).toThrow('requester id 0x0008 is taken');
  });
});

describe('Two runs of the same requests', () => {
  it('give the same events at the same instants', () => {
    const run = () => {
      const board = new Board().bringUp();
      const seen: unknown[] = [];
      board.link.probe = (tlp, direction) => seen.push([board.engine.now, direction, tlp.kind, tlp.tag, tlp.length]);
      board.transfer({ address: 0x1f80n, length: 4096, command: START_WRITE });
      board.transfer({ address: 0x3004n, length: 4000, command: START_READ });
      return [seen, board.engine.now, board.snapshot()];
    };
    expect(run()).toEqual(run());
  });
});

describe('A reset', () => {
  it('in the middle of a transfer returns the board to its built state, and the next run repeats the first one', () => {
    const board = new Board();
    const built = board.snapshot();
    const run = () => {
      board.bringUp().enableMsi();
      board.transfer({ address: 0x1000n, length: 4096, command: START_WRITE | 0b100 });
      return [board.engine.now, board.snapshot()];
    };
    const first = run();
    board.engine.spawn(board.rootComplex.mmioWrite(BAR + 0x18, 4, 1n));
    board.engine.runUntil((board.engine.now + 400_000) as never);
    expect(board.link.top.pool.taken).toBeGreaterThan(0);
    board.reset();
    expect(board.snapshot()).toEqual(built);
    expect(board.link.top.pool.taken).toBe(0);
    expect(run()).toEqual(first);
  });

  it('of the components alone lets nothing of before happen after', () => {
    const board = new Board().bringUp();
    board.engine.spawn(board.rootComplex.mmioWrite(BAR + 0x10, 4, 4096n));
    board.engine.spawn(board.rootComplex.mmioWrite(BAR + 0x18, 4, BigInt(START_READ)));
    board.engine.runUntil((board.engine.now + 500_000) as never);
    expect(board.rootComplex.inFlight).toBeGreaterThan(0);
    board.controller.reset();
    board.rootComplex.reset();
    board.dma.reset();
    board.engine.run();
    expect(board.rootComplex.state.reads).toBe(0);
    expect([board.link.top.pool.taken, board.rootComplex.inFlight]).toEqual([0, 0]);
    board.bringUp();
    expect(board.transfer({ address: 0x1000n, length: 256, command: START_READ })).toBe(0b010);
  });
});
