/** Resource exhaustion: whatever a device sends, nobody holds more than the credits that he gave, and nobody sends without. */
import { describe, expect, it } from 'vitest';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { MALICIOUS, Malicious } from '../../hardware/devices/malicious/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { LINK, type LinkSpec, ROOT_COMPLEX, RootComplex, TlpKind } from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { driverOf, EvilBoard } from '../devices/malicious-board.ts';

const EVIL = 0x08;
const VICTIM = 0x10;
const EVIL_BAR = 0xe000_0000;
const VICTIM_BAR = 0xe010_0000;

/** A malicious device and a DMA engine, each behind a link of its own to the root complex. */
class Neighbours {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 2 ** 24]]);
  readonly root: RootComplex;
  readonly evil: Malicious;
  readonly victim: DmaEngine;
  readonly links;
  readonly driver;

  constructor(evilLink: Partial<LinkSpec>, victimLink: Partial<LinkSpec>) {
    const controller = new MemoryController(this.engine, this.memory, { latency: 100, bytesPerNanosecond: 64 });
    this.root = new RootComplex(this.engine, controller, ROOT_COMPLEX);
    this.evil = new Malicious(this.engine, { ...MALICIOUS, name: 'evil0', requester: EVIL });
    this.victim = new DmaEngine(this.engine, { ...DMA_ENGINE, name: 'dma0', requester: VICTIM });
    this.links = [
      this.root.connect({ ...LINK, ...evilLink }, this.evil.functions),
      this.root.connect({ ...LINK, ...victimLink }, this.victim.functions),
    ] as const;
    for (const [rid, bar] of [
      [EVIL, EVIL_BAR],
      [VICTIM, VICTIM_BAR],
    ] as const) {
      this.run(this.root.configWrite(rid, 0x10, 4, bar));
      this.run(this.root.configWrite(rid, 0x04, 2, 0b110));
    }
    this.driver = driverOf(this.root, EVIL_BAR);
  }

  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.engine.spawn(script));
  }
}

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
