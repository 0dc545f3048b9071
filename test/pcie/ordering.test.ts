import { describe, expect, it } from 'vitest';
import { TlpKind, type TranslationRequest } from '../../hardware/pcie/index.ts';
import { ns, timer } from '../../hardware/sim/index.ts';
import { BAR, Board, pattern, RID, ScriptedAgent, START_READ, START_WRITE, WITH_INTERRUPT } from './board.ts';

/** An agent that passes addresses through, after a time that it chooses for each request. */
function delaying(board: Board, delay: (request: TranslationRequest, n: number) => number): ScriptedAgent {
  let n = 0;
  const agent = new ScriptedAgent((request, answer) => {
    timer(board.engine, ns(delay(request, n++))).wake({
      handle: () => {
        request.passThrough();
        answer();
      },
    });
  });
  board.rootComplex.attach(agent);
  return agent;
}

function send(board: Board, kind: 'read' | 'write', address: number, byte = 0): void {
  const fn = board.dma.function;
  const tlp = fn.take();
  if (kind === 'read') tlp.memoryRead(RID, 31, 0, address, 1);
  else tlp.memoryWrite(RID, 0, address, 1).data![0] = byte;
  fn.send(tlp);
}

describe('Posted writes of one requester', () => {
  it('reach memory in order when the agent answers them in the opposite order', () => {
    const board = new Board().bringUp();
    delaying(board, (_, n) => 1000 - n * 100);
    for (let i = 0; i < 8; i++) send(board, 'write', 0x1000, i + 1);
    const values = new Set<number>();
    while (board.engine.step()) values.add(board.memory.read(0x1000, 1)![0]!);
    expect([...values]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(board.rootComplex.state.writes).toBe(8);
  });

  it('stay in order around one that is refused', () => {
    const board = new Board().bringUp();
    const agent = new ScriptedAgent((request, answer) => {
      request.passThrough();
      if (request.addressLo === 0x2000) request.status = 1;
      answer();
    });
    board.rootComplex.attach(agent);
    send(board, 'write', 0x1000, 1);
    send(board, 'write', 0x2000, 2);
    send(board, 'write', 0x1000, 3);
    board.engine.run();
    expect(board.memory.read(0x1000, 1)).toEqual(Uint8Array.of(3));
    expect(board.memory.read(0x2000, 1)).toEqual(Uint8Array.of(0));
    expect(board.rootComplex.state).toMatchObject({ writes: 2, refused: 1 });
  });
});

describe('A read', () => {
  it('sees the writes that its port sent before it, however late their translation comes', () => {
    const board = new Board().bringUp();
    delaying(board, (request) => ((request.access & 2) !== 0 ? 5000 : 10));
    const seen: number[] = [];
    board.link.probe = (tlp, direction) => {
      if (direction === 'downstream' && tlp.kind === TlpKind.COMPLETION_DATA) seen.push(tlp.data![0]!);
    };
    send(board, 'read', 0x1000);
    send(board, 'write', 0x1000, 9);
    send(board, 'read', 0x1000);
    board.engine.run();
    expect(seen).toEqual([0, 9]);
  });

  it('that waits for its translation holds up no write behind it', () => {
    const board = new Board().bringUp();
    delaying(board, (request) => ((request.access & 1) !== 0 ? 1_000_000 : 10));
    send(board, 'read', 0x2000);
    send(board, 'write', 0x1000, 9);
    board.engine.runUntil((board.engine.now + 2_000_000) as never);
    expect(board.memory.read(0x1000, 1)).toEqual(Uint8Array.of(9));
  });

  it('of one port does not wait for the writes of another', () => {
    const board = new Board().bringUp();
    const requester = RID + 8;
    const other = board.rootComplex.connect(board.link.spec, []);
    delaying(board, (request) => (request.requester === RID ? 1_000_000 : 10));
    send(board, 'write', 0x1000, 1);
    let answered = 0;
    other.bottom.receive = (tlp) => {
      answered = board.engine.now;
      other.bottom.release(tlp);
    };
    other.bottom.send(other.bottom.take().memoryRead(requester, 0, 0, 0x1000, 4));
    const start = board.engine.now;
    board.engine.run();
    expect(answered - start).toBeLessThan(2_000_000);
  });
});

describe('What tells software that data is there', () => {
  it('an interrupt comes when everything that was written before it is in memory', () => {
    const board = new Board().bringUp().enableMsi();
    board.fill(pattern(1024));
    delaying(board, (request) => (request.interrupt ? 1 : 4000));
    let atInterrupt: Uint8Array | undefined;
    board.rootComplex.onInterrupt = () => {
      atInterrupt = board.memory.read(0x1000, 1024);
    };
    board.transfer({ address: 0x1000n, length: 1024, command: START_WRITE | WITH_INTERRUPT });
    expect(atInterrupt).toEqual(pattern(1024));
  });

  it('the answer to the CPU comes when everything that was written before it is in memory', () => {
    const board = new Board().bringUp();
    delaying(board, () => 4000);
    const value = board.engine.spawn(board.rootComplex.mmioRead(BAR, 4));
    send(board, 'write', 0x1000, 5);
    board.engine.runUntilDone(value);
    expect(board.memory.read(0x1000, 1)).toEqual(Uint8Array.of(5));
  });
});

describe('The translation agent', () => {
  it('sees requester, access, PASID and length of each request, none of which crosses 4 KiB', () => {
    const board = new Board().bringUp();
    const seen: unknown[] = [];
    const agent = new ScriptedAgent((request, answer) => {
      const { requester, pasid, access, addressType, addressHi, addressLo, length, interrupt } = request;
      seen.push({ requester, pasid, access, addressType, at: [addressHi, addressLo], length, interrupt });
      request.passThrough();
      answer();
    });
    board.rootComplex.attach(agent);
    board.transfer({ address: 0x1_0000_1f00n, length: 512, command: START_READ, pasid: 0xe000_0007 });
    const same = { requester: RID, pasid: 7, access: 1 | 4 | 8, addressType: 0, interrupt: false };
    // Reads end on multiples of Max_Read_Request_Size, 512 bytes.
    expect(seen).toEqual([
      { ...same, at: [1, 0x1f00], length: 256 },
      { ...same, at: [1, 0x2000], length: 256 },
    ]);
  });

  it('redirects: the data comes from the address that it answers', () => {
    const board = new Board().bringUp();
    board.memory.write(0x5000, pattern(64));
    board.rootComplex.attach(
      new ScriptedAgent((request, answer) => {
        request.passThrough();
        request.hpaHi = 0;
        request.hpaLo = 0x5000;
        answer();
      }),
    );
    board.transfer({ address: 0x7f00_0000_0000n, length: 64, command: START_READ });
    expect(board.buffer(64)).toEqual(pattern(64));
  });

  it('remaps interrupts: address and data of its answer are delivered', () => {
    const board = new Board().bringUp().enableMsi(0xfee0_0010, 0x1234);
    const asked: unknown[] = [];
    board.rootComplex.attach(
      new ScriptedAgent((request, answer) => {
        asked.push([request.interrupt, request.addressLo >>> 0, request.data]);
        request.passThrough();
        request.hpaLo = 0xfee0_2000 | 0;
        request.data = 0x99;
        answer();
      }),
    );
    board.run(board.dma.function.interrupt(0));
    board.engine.run();
    expect(asked).toEqual([[true, 0xfee0_0010, 0x1234]]);
    expect(board.interrupts).toMatchObject([{ address: 0xfee0_2000, data: 0x99 }]);
  });

  it('blocks an interrupt by refusing it', () => {
    const board = new Board().bringUp().enableMsi();
    board.rootComplex.attach(
      new ScriptedAgent((request, answer) => {
        request.status = 1;
        answer();
      }),
    );
    board.run(board.dma.function.interrupt(0));
    board.engine.run();
    expect(board.interrupts).toEqual([]);
    expect(board.rootComplex.state).toMatchObject({ interrupts: 0, refused: 1 });
  });

  it('with one credit is asked one request at a time, and all of them in the end', () => {
    const board = new Board().bringUp();
    const agent = delaying(board, () => 100);
    agent.credits = 1;
    board.fill(pattern(4096));
    board.transfer({ address: 0x1000n, length: 4096, command: START_WRITE });
    expect(agent.seen).toHaveLength(16);
    expect(agent.most).toBe(1);
    expect(board.memory.read(0x1000, 4096)).toEqual(pattern(4096));
  });
});

describe('A slow root complex', () => {
  it('stalls the device at its credits, and nothing is lost', () => {
    const board = new Board({ link: { credits: { PH: 2, NPH: 2 } } }).bringUp();
    delaying(board, () => 3000);
    board.fill(pattern(4096));
    let sent = 0;
    let most = 0;
    board.link.probe = (tlp, direction) => {
      if (direction !== 'upstream' || tlp.kind !== TlpKind.MEMORY_WRITE) return;
      sent++;
      most = Math.max(most, sent - board.rootComplex.state.writes);
    };
    const start = board.engine.now;
    expect(board.transfer({ address: 0x1000n, length: 4096, command: START_WRITE })).toBe(0b010);
    expect([sent, most]).toEqual([16, 2]);
    // Two at a time, 16 writes wait for eight answers of the agent.
    expect(board.engine.now - start).toBeGreaterThan(8 * 3_000_000);
    expect(board.memory.read(0x1000, 4096)).toEqual(pattern(4096));
    board.memory.write(0x3000, pattern(4096, 2));
    expect(board.transfer({ address: 0x3000n, length: 4096, command: START_READ })).toBe(0b010);
    expect(board.buffer(4096)).toEqual(pattern(4096, 2));
    expect([board.link.top.pool.taken, board.rootComplex.inFlight]).toEqual([0, 0]);
  });
});
