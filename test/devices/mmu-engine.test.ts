import { describe, expect, it } from 'vitest';
import { MMU_ENGINE, MmuEngine, type MmuEngineSpec } from '../../hardware/devices/mmu-engine/index.ts';
import { pattern } from '../pcie/board.ts';
import { BAR, DeviceBoard, RID } from './device-board.ts';

const MMU = 0x1_0000;
const TABLES = 0x10_0000;
const CONTROL = MMU + 0x08;
const DIRECTORY = MMU + 0x0c;
const COMMAND = MMU + 0x10;
const FAULT = MMU + 0x18;
const ANSWER = MMU + 0x1c;
const FAULT_ADDRESS = MMU + 0x20;
const BUFFER = 0x1000;

const [ON, STALL, INTERRUPTS] = [0b001, 0b010, 0b100];
const [READ, WRITE] = [0b01, 0b11];
const DONE = 0b010n;
const REFUSED = 0b110n | (6n << 4n);

/** Page 0x403 of the device, in the first table that the directory in page 2 names, which is page 5. */
const PAGE = 0x40_3000n;
const DIRECTORY_ENTRY = TABLES + 0x2000 + 4 * 1;
const PAGE_ENTRY = TABLES + 0x5000 + 4 * 3;

class Board extends DeviceBoard<MmuEngine> {
  constructor(spec: Partial<MmuEngineSpec> = {}) {
    super((engine) => new MmuEngine(engine, { ...MMU_ENGINE, ...spec, name: 'engine', requester: RID }));
    this.configure([0x18, 4, BAR + MMU], [0x20, 4, BAR + TABLES]);
    this.enableVectors(MMU + 0x800, 2);
    this.write(DIRECTORY, 4, 0x2000);
    this.write(DIRECTORY_ENTRY, 4, 0x5001);
  }

  /** The page goes to this page of the bus, with these rights: bit 1 read, bit 2 write, bit 0 always. */
  map(bus: number, rights: number): this {
    this.write(PAGE_ENTRY, 4, (bus << 3) | rights);
    return this;
  }

  start(address: bigint, length: number, command: number): void {
    this.write(0x08, 8, address);
    this.write(0x10, 4, length);
    this.write(0x18, 4, command);
  }

  /** What STATUS says in the end. */
  transfer(address: bigint, length: number, command: number): bigint {
    this.write(0x1c, 4, 0b110);
    this.start(address, length, command);
    this.engine.run();
    return this.read(0x1c);
  }

  flush(): void {
    this.write(COMMAND, 4, 1);
    this.engine.run();
  }

  get counts() {
    const { hits, misses, faults } = this.device.state.mmu;
    return { hits, misses, faults };
  }
}

const [R, RW] = [0b011, 0b111];

describe('An MMU engine', () => {
  it('is told apart from a DMA engine by its device id, and says what it is in both its register pages', () => {
    const board = new Board();
    expect(board.run(board.rootComplex.configRead(RID, 0, 4))).toBe(0x0003_d3a0);
    expect([board.read(0x00), board.read(MMU)]).toEqual([0x44_4d_41_01n, 0x4d_4d_55_01n]);
  });

  it('sends addresses out as they are while its MMU is off', () => {
    const board = new Board().map(0x9, RW);
    board.memory.write(Number(PAGE), pattern(64));
    expect(board.transfer(PAGE, 64, READ)).toBe(DONE);
    expect(board.read(BUFFER, 8)).toBe(board.memory.read64(Number(PAGE)));
    expect(board.counts).toEqual({ hits: 0, misses: 0, faults: 0 });
  });

  it('translates page by page by the tables in its own memory, and keeps what it has found', () => {
    const board = new Board().map(0x9, RW);
    board.write(PAGE_ENTRY + 4, 4, (0x20 << 3) | RW);
    board.write(CONTROL, 4, ON);
    board.memory.write(0x9ff0, pattern(16));
    board.memory.write(0x2_0000, pattern(16).reverse());
    expect(board.transfer(PAGE + 0xff0n, 32, READ)).toBe(DONE);
    expect([board.read(BUFFER, 8), board.read(BUFFER + 16, 8)]).toEqual([
      board.memory.read64(0x9ff0),
      board.memory.read64(0x2_0000),
    ]);
    expect(board.counts).toEqual({ hits: 0, misses: 2, faults: 0 });
    expect(board.transfer(PAGE + 0x40n, 8, WRITE)).toBe(DONE);
    expect(board.memory.read64(0x9040)).toBe(board.read(BUFFER, 8));
    expect(board.counts).toEqual({ hits: 1, misses: 2, faults: 0 });
  });

  it('reaches addresses of 41 bits', () => {
    const board = new Board().map(0x1fff_ffff, RW);
    board.write(CONTROL, 4, ON);
    const sent: unknown[] = [];
    board.link.probe = ({ addressHi, addressLo }, direction) => {
      if (direction === 'upstream' && board.device.state.mmu.misses > 0) sent.push([addressHi, addressLo >>> 0]);
    };
    board.start(PAGE, 4, READ);
    board.engine.run();
    expect(sent[0]).toEqual([0x1ff, 0xffff_f000]);
  });

  it('goes on using what it has found until it is told to forget', () => {
    const board = new Board().map(0x9, RW);
    board.write(CONTROL, 4, ON);
    board.transfer(PAGE, 4, READ);
    board.map(0, 0);
    expect(board.transfer(PAGE, 4, READ)).toBe(DONE);
    board.flush();
    expect(board.read(COMMAND)).toBe(0n);
    expect(board.transfer(PAGE, 4, READ)).toBe(REFUSED);
  });

  it('does not keep that a page is missing', () => {
    const board = new Board();
    board.write(CONTROL, 4, ON);
    expect(board.transfer(PAGE, 4, READ)).toBe(REFUSED);
    board.map(0x9, RW);
    expect(board.transfer(PAGE, 4, READ)).toBe(DONE);
  });

  it('forgets the translation that it has not used for longest when it has no room for another', () => {
    const board = new Board({ tlbEntries: 2 }).map(0x9, RW);
    for (const n of [1, 2]) board.write(PAGE_ENTRY + 4 * n, 4, ((0x20 + n) << 3) | RW);
    board.write(CONTROL, 4, ON);
    for (const n of [0n, 1n, 0n, 2n]) board.transfer(PAGE + n * 0x1000n, 4, READ);
    expect(board.device.state.mmu.kept).toEqual([0x403, 0x405]);
  });

  it('ends a flush only when the answer to what it had translated before has come', () => {
    const board = new Board().map(0x9, RW);
    board.write(CONTROL, 4, ON);
    board.start(PAGE, 4096, READ);
    board.write(COMMAND, 4, 1);
    const { device, engine } = board;
    while (device.state.mmu.registers['MMU_COMMAND'] === 0) engine.step();
    expect([device.state.mmu.flushes, device.state.registers['TRANSFERRED']]).toEqual([0, 0]);
    while (device.state.mmu.flushes === 0) engine.step();
    expect(device.state.registers['TRANSFERRED']).toBe(4096);
  });

  it('makes table memory read 0 on command', () => {
    const board = new Board().map(0x9, RW);
    board.write(COMMAND, 4, 2);
    board.engine.run();
    expect([board.read(DIRECTORY_ENTRY), board.read(PAGE_ENTRY)]).toEqual([0n, 0n]);
  });

  it.each([
    ['an address of more than 32 bits', 1n << 32n, READ, 1, RW],
    ['a directory entry that is not valid', 0x80_0000n, READ, 2, RW],
    ['a table outside its memory', 0xc0_0000n, READ, 2, RW],
    ['a page entry that is not valid', PAGE + 0x1000n, WRITE, 3, RW],
    ['a page that may not be read', PAGE, READ, 4, 0b101],
    ['a page that may not be written', PAGE + 0x10n, WRITE, 5, R],
  ])('sends nothing and says why and where: %s', (_, address, command, reason, rights) => {
    const board = new Board().map(0x9, rights);
    board.write(TABLES + 0x2000 + 4 * 3, 4, 0x4_0001);
    board.write(CONTROL, 4, ON | INTERRUPTS);
    expect(board.transfer(address, 4, command)).toBe(REFUSED);
    expect(board.read(FAULT)).toBe(BigInt((reason << 4) | (command === WRITE ? 8 : 0) | 1));
    expect(board.read(FAULT_ADDRESS, 8)).toBe(address);
    expect(board.read(0x28, 8)).toBe(address);
    expect(board.interrupts.map(({ data }) => data)).toEqual([1]);
    // Reads of its registers are answered, and nothing else went up.
    expect(board.rootComplex.state.refused).toBe(0);
  });

  it('keeps the first fault until it is cleared, and says that there were others', () => {
    const board = new Board();
    board.write(CONTROL, 4, ON | INTERRUPTS);
    board.transfer(PAGE, 4, READ);
    board.transfer(PAGE + 0x1000n, 4, READ);
    expect([board.read(FAULT) & 3n, board.read(FAULT_ADDRESS, 8)]).toEqual([3n, PAGE]);
    board.write(FAULT, 4, 3);
    board.transfer(PAGE + 0x1000n, 4, READ);
    expect([board.read(FAULT) & 3n, board.read(FAULT_ADDRESS, 8)]).toEqual([1n, PAGE + 0x1000n]);
    expect(board.interrupts).toHaveLength(2);
  });

  it('stops a transfer at a page that is missing, and goes on when it is told that the page has come', () => {
    const board = new Board();
    board.write(CONTROL, 4, ON | STALL | INTERRUPTS);
    board.start(PAGE, 4, READ);
    board.engine.run();
    expect([board.read(FAULT) & 7n, board.read(0x1c)]).toEqual([5n, 1n]);
    board.map(0x9, RW);
    board.write(ANSWER, 4, 1);
    board.engine.run();
    expect([board.read(FAULT) & 6n, board.read(0x1c)]).toEqual([0n, DONE]);
  });

  it.each([
    ['the answer is to give up', (board: Board) => board.write(ANSWER, 4, 3)],
    ['the MMU is switched off', (board: Board) => board.write(CONTROL, 4, 0)],
  ])('ends a transfer that is stopped when %s', (_, end) => {
    const board = new Board();
    board.write(CONTROL, 4, ON | STALL);
    board.start(PAGE, 4, READ);
    board.engine.run();
    end(board);
    board.engine.run();
    expect([board.read(FAULT) & 6n, board.read(0x1c)]).toEqual([0n, REFUSED]);
  });

  it('flushes while a transfer is stopped', () => {
    const board = new Board();
    board.write(CONTROL, 4, ON | STALL);
    board.start(PAGE, 4, READ);
    board.flush();
    expect([board.read(COMMAND), board.read(FAULT) & 4n]).toEqual([0n, 4n]);
  });

  it('is as built after a function-level reset, whatever it was doing', () => {
    const board = new Board();
    board.write(CONTROL, 4, ON | STALL);
    board.start(PAGE, 4, READ);
    board.engine.run();
    const fresh = new Board().device;
    board.device.functionLevelReset();
    board.engine.run();
    fresh.functionLevelReset();
    expect(board.device.state).toEqual(fresh.state);
    expect(board.read(DIRECTORY_ENTRY)).toBe(0n);
  });

  it('takes any bytes as tables, addresses and commands, and neither throws nor hangs', () => {
    const board = new Board();
    for (let at = 0; at < 0x6000; at += 8)
      board.write(TABLES + at, 8, (BigInt(at) * 0x9e37_79b9_7f4a_7c15n) & (2n ** 64n - 1n));
    board.write(DIRECTORY, 4, 0xffff_f000);
    for (const directory of [0xffff_f000, 0, 0x1000, 0x3000]) {
      board.write(DIRECTORY, 4, directory);
      board.write(CONTROL, 4, 0xffff_fffd);
      for (const address of [0n, PAGE, 2n ** 32n - 8n, 2n ** 64n - 1n]) {
        expect(board.transfer(address, 4096, READ) & 3n).toBe(DONE);
        board.write(COMMAND, 4, 0xffff_fffc);
        board.write(ANSWER, 4, 0xffff_ffff);
      }
    }
  });
});
