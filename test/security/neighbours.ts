/** A malicious device and its victim on one root complex. The CPU is the test. */
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { MALICIOUS, Malicious } from '../../hardware/devices/malicious/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { LINK, type LinkSpec, ROOT_COMPLEX, RootComplex, type RootComplexSpec } from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { driverOf } from '../devices/malicious-board.ts';

export const EVIL = 0x08;
export const VICTIM = 0x10;
export const EVIL_BAR = 0xe000_0000;
export const VICTIM_BAR = 0xe010_0000;

/** A malicious device and a DMA engine, each behind a link of its own to the root complex. */
export class Neighbours {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 2 ** 24]]);
  readonly root: RootComplex;
  readonly evil: Malicious;
  readonly victim: DmaEngine;
  readonly links;
  readonly driver;

  constructor(
    evilLink: Partial<LinkSpec> = {},
    victimLink: Partial<LinkSpec> = {},
    rootComplex: Partial<RootComplexSpec> = {},
  ) {
    const controller = new MemoryController(this.engine, this.memory, { latency: 100, bytesPerNanosecond: 64 });
    this.root = new RootComplex(this.engine, controller, { ...ROOT_COMPLEX, ...rootComplex });
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

  readonly run = <T>(script: Script<T>): T => this.engine.runUntilDone(this.engine.spawn(script));
}
