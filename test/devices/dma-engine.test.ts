import { describe, expect, it } from 'vitest';
import { BUFFER_OFFSET, ErrorCode } from '../../hardware/devices/dma-engine/spec.ts';
import { TlpKind } from '../../hardware/pcie/index.ts';
import { BAR, Board, pattern, RID, ScriptedAgent, START_READ, START_WRITE, WITH_INTERRUPT } from '../pcie/board.ts';

const DONE = 0b010;
const FAILED = 0b110;

const failed = (code: number) => FAILED | (code << 4);

/** Lengths of the TLPs of one kind that went upstream. */
function watch(board: Board, kind: number): number[] {
  const lengths: number[] = [];
  board.link.probe = (tlp, direction) => {
    if (direction === 'upstream' && tlp.kind === kind) lengths.push(tlp.length);
  };
  return lengths;
}

describe('The DMA engine', () => {
  it.each([1, 3, 64, 255, 256, 257, 4095, 4096])('moves %i bytes from memory to its buffer and back', (length) => {
    const board = new Board().bringUp();
    board.memory.write(0x2ff5, pattern(length));
    expect(board.transfer({ address: 0x2ff5n, length, command: START_READ })).toBe(DONE);
    expect(board.transfer({ address: 0x9003n, length, command: START_WRITE })).toBe(DONE);
    expect(board.memory.read(0x9003, length)).toEqual(pattern(length));
    expect(board.memory.read(0x9003 + length, 1)).toEqual(Uint8Array.of(0));
    expect(board.memory.read(0x9002, 1)).toEqual(Uint8Array.of(0));
  });

  it('splits writes at Max_Payload_Size and at 4 KiB', () => {
    const board = new Board().bringUp({ payload: 0 });
    const lengths = watch(board, TlpKind.MEMORY_WRITE);
    board.transfer({ address: 0x1fc0n, length: 400, command: START_WRITE });
    expect(lengths).toEqual([64, 128, 128, 80]);
  });

  it('splits reads at Max_Read_Request_Size and at 4 KiB', () => {
    const board = new Board().bringUp({ readRequest: 5 });
    const lengths = watch(board, TlpKind.MEMORY_READ);
    board.transfer({ address: 0x1ffcn, length: 4096, command: START_READ });
    expect(lengths).toEqual([4, 4092]);
  });

  it('carries an address over 4 GiB from one piece to the next', () => {
    const board = new Board().bringUp();
    const seen: unknown[] = [];
    board.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.kind === TlpKind.MEMORY_WRITE)
        seen.push([tlp.addressHi, tlp.addressLo >>> 0]);
    };
    board.transfer({ address: 0x1_ffff_ff80n, length: 256, command: START_WRITE });
    expect(seen).toEqual([
      [1, 0xffff_ff80],
      [2, 0],
    ]);
  });

  it('has at most as many reads outstanding as it has tags, each with its own', () => {
    const board = new Board({ link: { credits: { PH: 64, NPH: 64 } } }).bringUp({ readRequest: 0 });
    const outstanding = new Set<number>();
    let most = 0;
    board.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.kind === TlpKind.MEMORY_READ) {
        expect(outstanding.has(tlp.tag)).toBe(false);
        outstanding.add(tlp.tag);
        most = Math.max(most, outstanding.size);
      } else if (direction === 'downstream' && tlp.requester === RID) outstanding.delete(tlp.tag);
    };
    board.memory.write(0x1040, pattern(4096));
    board.transfer({ address: 0x1040n, length: 4096, command: START_READ });
    // 33 pieces of at most 128 bytes.
    expect(most).toBe(32);
    board.link.probe = null;
    expect(board.buffer(4096)).toEqual(pattern(4096));
  });

  it('puts answers where they belong when they come in another order than they were asked for', () => {
    const board = new Board().bringUp();
    board.memory.write(0x1000, pattern(2048));
    const late: (() => void)[] = [];
    board.rootComplex.attach(
      new ScriptedAgent((request, answer) => {
        request.passThrough();
        late.unshift(answer);
        if (late.length === 4) for (const each of late) each();
      }),
    );
    expect(board.transfer({ address: 0x1000n, length: 2048, command: START_READ })).toBe(DONE);
    expect(board.buffer(2048)).toEqual(pattern(2048));
  });

  it.each([
    ['UR', 1, ErrorCode.UNSUPPORTED_REQUEST],
    ['CA', 2, ErrorCode.COMPLETER_ABORT],
  ])('ends a read that is completed with %s with that error, and keeps what came', (_, status, code) => {
    const board = new Board().bringUp();
    board.memory.write(0x1000, pattern(4096));
    board.rootComplex.attach(
      new ScriptedAgent((request, answer) => {
        request.passThrough();
        if (request.addressLo === 0x1200) request.status = status;
        answer();
      }),
    );
    expect(board.transfer({ address: 0x1000n, length: 1536, command: START_READ })).toBe(failed(code));
    expect(board.buffer(512)).toEqual(pattern(512));
    expect(board.run(board.rootComplex.mmioRead(BAR + 0x20, 4))).toBe(1024n);
    const received = board.run(board.rootComplex.configRead(RID, 0x06, 2)) & 0x3000;
    expect(received).toBe(status === 1 ? 0x2000 : 0x1000);
  });

  it('does not know of a write that failed beyond the link: it was posted', () => {
    const board = new Board().bringUp();
    expect(board.transfer({ address: 1n << 40n, length: 64, command: START_WRITE })).toBe(DONE);
    expect(board.rootComplex.state.refused).toBe(1);
  });

  it.each([
    ['read', START_READ],
    ['write', START_WRITE],
  ])('sends no %s while bus mastering is off', (_, command) => {
    const board = new Board().bringUp({ busMaster: false });
    let requests = 0;
    board.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.isMemoryRequest) requests++;
    };
    expect(board.transfer({ address: 0x1000n, length: 64, command })).toBe(failed(ErrorCode.NOT_MASTER));
    expect(requests).toBe(0);
    expect(board.dma.function.state.withheld).toBe(1);
    expect(board.rootComplex.state).toMatchObject({ reads: 0, writes: 0 });
    expect(board.link.top.pool.taken).toBe(0);
  });

  it('sends no MSI while bus mastering is off', () => {
    const board = new Board().bringUp({ busMaster: false }).enableMsi();
    board.transfer({ address: 0x1000n, length: 64, command: START_READ | WITH_INTERRUPT });
    expect(board.interrupts).toEqual([]);
  });

  it('tells the end of a transfer by MSI, once, if it was asked to', () => {
    const board = new Board().bringUp().enableMsi(0xfee0_1000, 0x55);
    board.transfer({ address: 0x1000n, length: 4096, command: START_READ });
    expect(board.interrupts).toEqual([]);
    board.transfer({ address: 0x1000n, length: 4096, command: START_READ | WITH_INTERRUPT });
    expect(board.interrupts).toMatchObject([{ address: 0xfee0_1000, data: 0x55 }]);
  });

  it('refuses a length above 4096', () => {
    const board = new Board().bringUp();
    expect(board.transfer({ address: 0n, length: 4097, command: START_WRITE })).toBe(failed(ErrorCode.BAD_LENGTH));
    expect(board.rootComplex.state.writes).toBe(0);
  });

  it('carries PASID, privilege and execution on reads, and no execution on writes', () => {
    const board = new Board().bringUp();
    const seen: unknown[] = [];
    board.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.isMemoryRequest) seen.push([tlp.pasid, tlp.privileged, tlp.execute]);
    };
    board.transfer({ address: 0x1000n, length: 8, command: START_READ, pasid: 0xe00a_bcde });
    board.transfer({ address: 0x1000n, length: 8, command: START_WRITE, pasid: 0xe00a_bcde });
    board.transfer({ address: 0x1000n, length: 8, command: START_READ, pasid: 0x600a_bcde });
    expect(seen).toEqual([
      [0xa_bcde, true, true],
      [0xa_bcde, true, false],
      [-1, false, false],
    ]);
  });

  it('is busy from START to the end, ignores START meanwhile, and clears DONE by a written 1', () => {
    const board = new Board().bringUp();
    const { rootComplex } = board;
    const status = () => Number(board.run(rootComplex.mmioRead(BAR + 0x1c, 4)));
    board.run(rootComplex.mmioWrite(BAR + 0x10, 4, 4096n));
    board.run(rootComplex.mmioWrite(BAR + 0x18, 4, BigInt(START_READ)));
    board.run(rootComplex.mmioWrite(BAR + 0x18, 4, BigInt(START_READ)));
    expect(status()).toBe(0b001);
    board.engine.run();
    expect(status()).toBe(DONE);
    expect(board.dma.state.transfers).toBe(1);
    board.run(rootComplex.mmioWrite(BAR + 0x1c, 4, 0b010n));
    expect(status()).toBe(0);
  });

  it('takes buffer accesses of any size and ignores odd ones to its registers', () => {
    const board = new Board().bringUp();
    const { rootComplex } = board;
    board.run(rootComplex.mmioWrite(BAR + BUFFER_OFFSET + 3, 1, 0xabn));
    board.run(rootComplex.mmioWrite(BAR + BUFFER_OFFSET + 4, 2, 0xcdefn));
    expect(board.run(rootComplex.mmioRead(BAR + BUFFER_OFFSET, 8))).toBe(0xcdef_ab00_0000n);
    board.run(rootComplex.mmioWrite(BAR + 0x10, 2, 0x123n));
    expect(board.run(rootComplex.mmioRead(BAR + 0x10, 4))).toBe(0n);
    expect(board.run(rootComplex.mmioRead(BAR + 0x2000, 8))).toBe(0n);
  });

  it('shows its registers by name', () => {
    const board = new Board().bringUp();
    board.transfer({ address: 0x12_3456_7000n, length: 8, command: START_WRITE });
    expect(board.dma.state.registers).toEqual({
      ID: 0x444d_4101,
      'ADDRESS low': 0x3456_7000,
      'ADDRESS high': 0x12,
      LENGTH: 8,
      PASID: 0,
      COMMAND: 0b010,
      STATUS: DONE,
      TRANSFERRED: 8,
      'FAULT_ADDRESS low': 0,
      'FAULT_ADDRESS high': 0,
    });
  });
});
