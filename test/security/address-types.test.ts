/** Fail-open by the AT field: what is no read cannot be a translation request, and what is reserved is not obeyed. */
import { describe, expect, it } from 'vitest';
import type { Attack } from '../../src/user/malicious.ts';
import { EvilBoard } from '../devices/malicious-board.ts';
import { MIB, ScriptedAgent } from '../pcie/board.ts';

const SECRET = Uint8Array.from({ length: 64 }, (_, i) => i + 1);

/** An agent that lets untranslated reads of the first MiB pass and answers translation requests with nothing. */
function guarded(): EvilBoard {
  const board = new EvilBoard();
  const agent = new ScriptedAgent((request, answer) => {
    if (request.addressType === 0 && request.addressHi === 0 && request.addressLo >>> 0 < MIB) request.passThrough();
    else if (request.addressType === 1) request.status = 0;
    else request.status = 1;
    answer();
  });
  board.rootComplex.attach(agent);
  board.memory.write(0x1000, SECRET);
  return board;
}

describe('A request that is not a read with the AT field of a translation request', () => {
  it.each<[Attack['kind'], number]>([
    ['MEMORY_WRITE', 4],
    ['FETCH_ADD', 4],
    ['SWAP', 8],
    ['COMPARE_AND_SWAP', 16],
    ['DEFERRABLE_WRITE', 64],
  ])('%s reaches no memory, not even what an earlier request was allowed to reach', (kind, length) => {
    const board = guarded();
    // Fills whatever remembers an address with that of a request that was allowed.
    for (let n = 0; n < 8; n++) board.attack({ kind: 'MEMORY_READ', address: 0x1000n, length: 4 });
    for (const address of [0x1000n, 0x50_0000n]) {
      board.attack({ kind, addressType: 1, address, data: new Uint8Array(length).fill(0xee) });
    }
    expect(board.memory.read(0x1000, 64)).toEqual(SECRET);
    expect(board.memory.read(0x50_0000, 64)).toEqual(new Uint8Array(64));
    expect(board.rootComplex.inFlight).toBe(0);
  });
});

describe('The reserved address type', () => {
  it.each<[Attack['kind']]>([['MEMORY_READ'], ['MEMORY_WRITE'], ['FETCH_ADD']])('lets %s reach nothing', (kind) => {
    const board = new EvilBoard();
    board.memory.write(0x1000, SECRET);
    board.attack({ kind, addressType: 3, address: 0x1000n, data: new Uint8Array(4).fill(0xee) });
    expect(board.memory.read(0x1000, 64)).toEqual(SECRET);
    expect(board.run(board.driver.received(4))).toEqual(new Uint8Array(4));
    expect(board.rootComplex.state).toMatchObject({ reads: 0, writes: 0 });
  });
});
