/** Resource exhaustion: whatever a device sends, nobody holds more than the credits that he gave, and nobody sends without. */
import { describe, expect, it } from 'vitest';
import { TlpKind } from '../../hardware/pcie/index.ts';
import { EvilBoard } from '../devices/malicious-board.ts';
import { Neighbours, VICTIM_BAR } from './neighbours.ts';

describe('A device that has no credit for a completion', () => {
  it('keeps it, and gives back no credit of the request before it is sent', () => {
    const one = { credits: { PH: 8, NPH: 4, CPLH: 1, CPLD: 32 }, updateFc: 2000 };
    const board = new EvilBoard(one);
    const reads = Array.from({ length: 16 }, () => board.engine.spawn(board.rootComplex.mmioRead(0xfe00_0000, 4)));
    const ids = reads.map((read) => board.engine.runUntilDone(read));
    expect(new Set(ids)).toEqual(new Set([0x45564c01n]));
  });

  it('answers reads of another device in parts that are no larger than its Max_Payload_Size', () => {
    const board = new Neighbours({}, { credits: { PH: 8, NPH: 4, CPLH: 2, CPLD: 8 } });
    const parts: number[] = [];
    board.links[1].probe = (tlp) => {
      if (tlp.kind === TlpKind.COMPLETION_DATA && tlp.length > 4) parts.push(tlp.length);
    };
    board.run(board.driver.send({ kind: 'MEMORY_READ', address: BigInt(VICTIM_BAR + 0x1040), length: 1000 }));
    board.engine.run();
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(1000);
    expect(Math.max(...parts)).toBe(128);
    expect(board.root.inFlight).toBe(0);
  });
});
