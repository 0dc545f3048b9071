/** Resource exhaustion: whatever a device sends, nobody holds more than the credits that he gave, and nobody sends without. */
import { describe, expect, it } from 'vitest';
import { MALICIOUS, Malicious } from '../../hardware/devices/malicious/index.ts';
import {
  Bridge,
  bridgeConfig,
  ConfigSpace,
  CreditClass,
  Endpoint,
  LINK,
  type LinkSpec,
  Switch,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { EvilBoard } from '../devices/malicious-board.ts';
import { Tree } from '../pcie/tree.ts';
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

describe('A root complex under a flood of reads', () => {
  it.each<[what: string, length: number, address: bigint, link: Partial<LinkSpec>, most: number]>([
    // Each of the four that it holds is answered with 32 completions of 128 bytes.
    [
      'whose answers have few credits',
      4096,
      0x1000n,
      { credits: { PH: 8, NPH: 4, CPLH: 2 }, updateFc: 500 },
      4 * 33 + 8,
    ],
    ['that it refuses', 4, 0x1000_0000n, { credits: { PH: 8, NPH: 4, CPLH: 1 }, updateFc: 3000 }, 4 * 2 + 8],
    // What the link holds has a bound of its own.
    [
      'whose answers are slower than it, with endless credits',
      4096,
      0x1000n,
      { generation: 1, width: 1 },
      4096 + 32 * 33 + 8,
    ],
  ])('holds no more requests %s than it gave credits for', (_, length, address, link, most) => {
    const board = new Neighbours({ credits: { PH: 32, NPH: 32 }, ...link });
    const { pool } = board.links[0].top;
    let held = 0;
    let answers = 0;
    board.links[0].probe = ({ creditClass }) => {
      held = Math.max(held, pool.taken);
      if (creditClass === CreditClass.COMPLETION) answers++;
    };
    board.run(board.driver.send({ kind: 'MEMORY_READ', address, length, count: 400 }));
    board.engine.run();
    expect(answers).toBeGreaterThanOrEqual(400 * Math.ceil(length / 256));
    expect(held).toBeLessThanOrEqual(most);
    expect([pool.taken, board.root.inFlight]).toEqual([0, 0]);
  });
});

describe('A switch under a flood of reads that it refuses', () => {
  it('holds no more of them than it gave credits for, and answers each', () => {
    // A port whose Bus Master Enable is 0 lets no memory request pass.
    const tree = new Tree();
    const evil = new Malicious(tree.engine, { ...MALICIOUS, name: 'evil0', requester: 0 });
    const slow = { ...LINK, credits: { PH: 8, NPH: 4, CPLH: 1 }, updateFc: 3000 };
    const below = tree.root.link(slow, 'evil');
    const above = tree.root.link(LINK, 'above');
    const bridge = new Bridge('port', new ConfigSpace(bridgeConfig('downstream port')), 0);
    const upstream = new Bridge('upstream', new ConfigSpace(bridgeConfig('upstream port')), 0);
    const two = new Switch(tree.engine, 'two', { bridge: upstream, end: above.bottom }, [{ bridge, end: below.top }]);
    new Endpoint(tree.engine, below.bottom, evil.functions);
    const { pool } = below.top;
    let most = 0;
    below.probe = () => {
      most = Math.max(most, pool.taken);
    };
    evil.memoryWrite(0, 0x18, Uint8Array.of(4, 0, 0, 0), 4);
    evil.memoryWrite(0, 0x24, Uint8Array.of(200, 0, 0, 0), 4);
    evil.memoryWrite(0, 0x28, Uint8Array.of(1, 0, 0, 0), 4);
    tree.engine.run();
    expect(two.state.refused).toBe(201);
    expect(evil.state.registers['COMPLETIONS']).toBe(201);
    expect(most).toBeLessThan(16);
    expect(pool.taken).toBe(0);
  });
});
