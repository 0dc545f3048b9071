/** The malicious device by its registers: what it sends is what its owner has written, whatever configuration space says. */
import { describe, expect, it } from 'vitest';
import type { Attack } from '../../src/user/malicious.ts';
import { EvilBoard } from './malicious-board.ts';

const MIB = 2 ** 20;

const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

describe('A malicious device', () => {
  // Literal headers: FMT and TYPE, attributes and AT, length; requester, tag, byte enables or code; address.
  it.each<[string, Attack, string]>([
    [
      'a read under somebody else’s id',
      { kind: 'MEMORY_READ', requester: 0x0110, tag: 7, address: 0x1000n, length: 4 },
      '00000001' + '0110070f' + '00001000',
    ],
    [
      'a translated read',
      { kind: 'MEMORY_READ', addressType: 2, address: 0x2_0000_1000n, length: 8 },
      '20000802' + '000800ff' + '00000002' + '00001000',
    ],
    [
      'a translation request that promises not to write',
      { kind: 'MEMORY_READ', addressType: 1, address: 0x5001n, length: 8 },
      '00000402' + '000800ff' + '00005001',
    ],
    [
      'a write under a PASID, privileged and executing',
      {
        kind: 'MEMORY_WRITE',
        pasid: 0xabcde,
        privileged: true,
        execute: true,
        address: 0x40n,
        data: Uint8Array.of(1, 2, 3, 4),
      },
      '913abcde' + '40000001' + '0008000f' + '00000040' + '01020304',
    ],
    [
      'an interrupt in remappable format',
      { kind: 'MEMORY_WRITE', address: 0xfee0_0010n, data: Uint8Array.of(0, 0, 0, 0) },
      '40000001' + '0008000f' + 'fee00010' + '00000000',
    ],
    [
      'a page request that is not the last of its group',
      { kind: 'MESSAGE', messageCode: 0x04, address: 0x0000_0001_0000_500bn },
      '30000000' + '00080004' + '00000001' + '0000500b',
    ],
    [
      'an invalidate completion for ITags 0 and 31',
      { kind: 'MESSAGE', messageCode: 0x02, routing: 2, target: 0, address: 0x0000_0001_8000_0001n },
      '32000000' + '00080002' + '00000001' + '80000001',
    ],
    [
      'a relaxed read of traffic class 5',
      { kind: 'MEMORY_READ', attributes: 2, trafficClass: 5, address: 0x1000n, length: 4 },
      '00502001' + '0008000f' + '00001000',
    ],
    [
      'a configuration write to its neighbour',
      { kind: 'CONFIG_WRITE_1', target: 0x0220, address: 0x10n, data: Uint8Array.of(0xff, 0xff, 0xff, 0xff) },
      '45000001' + '0008000f' + '02200010' + 'ffffffff',
    ],
  ])('sends %s', (_, attack, header) => {
    const board = new EvilBoard();
    board.attack(attack);
    expect(board.seen.map(hexOf)).toEqual([header]);
  });

  it('sends although Bus Master Enable is 0', () => {
    const board = new EvilBoard();
    board.configure([0x04, 2, 0b010]);
    board.attack({ kind: 'MEMORY_WRITE', address: 0x3000n, data: Uint8Array.of(1, 2, 3, 4) });
    expect(board.memory.read(0x3000, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it('counts what comes back and keeps the data', () => {
    const board = new EvilBoard();
    board.memory.write(0x3000, Uint8Array.of(9, 8, 7, 6));
    expect(board.run(board.driver.fetch({ address: 0x3000n, length: 4, tag: 513 }))).toEqual(Uint8Array.of(9, 8, 7, 6));
    expect(board.run(board.driver.loot())).toMatchObject({ sent: 1, completions: 1, status: 0, tag: 513 });
    // Beyond 64 MiB there is no memory: UR.
    expect(board.run(board.driver.fetch({ address: BigInt(64 * MIB), length: 4 }))).toBe(1);
  });

  it('floods: so many, each so far behind the last, as the link takes them', () => {
    const board = new EvilBoard({ credits: { PH: 1, PD: 1, NPH: 1 } });
    board.attack({ kind: 'MEMORY_WRITE', address: 0x4000n, data: Uint8Array.of(5, 5, 5, 5), count: 300, step: 4 });
    expect(board.memory.read(0x4000, 1204)).toEqual(Uint8Array.from({ length: 1204 }, (_, i) => (i < 1200 ? 5 : 0)));
    expect(board.run(board.driver.loot())).toMatchObject({ busy: false, sent: 300 });
  });

  it('stops on command what no link will ever take', () => {
    const board = new EvilBoard({ credits: { PH: 4, PD: 8, NPH: 4 } });
    board.attack({ kind: 'MEMORY_WRITE', address: 0x4000n, length: 4096 });
    expect(board.run(board.driver.loot()).busy).toBe(true);
    board.run(board.driver.stop());
    expect(board.run(board.driver.loot())).toMatchObject({ busy: false, sent: 0 });
    board.attack({ kind: 'MEMORY_WRITE', address: 0x4000n, data: Uint8Array.of(1, 1, 1, 1) });
    expect(board.memory.read(0x4000, 4)).toEqual(Uint8Array.of(1, 1, 1, 1));
  });

  it('leaves nobody waiting who starts and stops for ever what no link will ever take', () => {
    const board = new EvilBoard({ credits: { PH: 4, PD: 8, NPH: 4 } });
    board.attack({ kind: 'MEMORY_WRITE', address: 0x4000n, length: 4096 });
    // STOP and START.
    for (let i = 0; i < 500; i++) {
      board.device.memoryWrite(0, 0x28, Uint8Array.of(0b11, 0, 0, 0), 4);
      board.engine.run();
    }
    expect(board.run(board.driver.loot())).toMatchObject({ busy: true, sent: 0 });
    board.run(board.driver.stop());
    // The credit that comes back for it wakes whoever waits.
    board.engine.spawn(board.driver.send({ kind: 'MEMORY_WRITE', address: 0x4000n, length: 4 }));
    let most = 0;
    while (board.engine.step()) most = Math.max(most, board.engine.pending);
    expect(most).toBeLessThan(20);
    expect(board.run(board.driver.loot())).toMatchObject({ busy: false, sent: 1 });
  });

  it('is as it was built after a reset', () => {
    const board = new EvilBoard();
    const built = structuredClone(board.device.state);
    board.run(board.driver.silent(true));
    board.attack({ kind: 'MEMORY_READ', address: 0n, length: 4 });
    board.device.reset();
    expect(board.device.state).toEqual(built);
  });
});
