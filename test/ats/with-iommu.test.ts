/** A device with ATS on a root complex with a timed IOMMU of each vendor: what both sides say to each other fits. */
import { describe, expect, it } from 'vitest';
import { Access } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController } from '../../hardware/memory/index.ts';
import { DmaStatus, dmaTarget, LINK, NO_PASID, ROOT_COMPLEX, RootComplex, TlpKind } from '../../hardware/pcie/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { type IommuSubject, REQUESTER } from '../contracts/iommu-bench.ts';
import { AgentBench } from '../iommu/agent-bench.ts';
import { AMD } from '../iommu/contract/amd.ts';
import { VTD } from '../iommu/contract/vtd.ts';
import { pattern } from '../pcie/board.ts';
import { type AtsBenchOptions, AtsDevice } from './bench.ts';

const NAMES = [
  'VT-d, scalable, first stage',
  'VT-d, scalable, second stage',
  'VT-d, nested',
  'AMD-Vi, v1',
  'AMD-Vi, v2',
];
const SUBJECTS = [...VTD, ...AMD].filter(({ name }) => NAMES.includes(name));

const RW = Access.READ | Access.WRITE;
const IOVA = 0x8040_3000;
const FRAMES = [0x1_4020_5000, 0x1_4030_9000] as const;

class Machine {
  readonly bench: AgentBench;
  readonly device: AtsDevice;
  /** Kind and AT of each TLP of the device. */
  readonly sent: (readonly [kind: number, addressType: number])[] = [];
  readonly #pasid: number;

  constructor(subject: IommuSubject, options: AtsBenchOptions = {}) {
    this.bench = new AgentBench(subject);
    this.#pasid = subject.pasid;
    const { engine, memory, agent } = this.bench;
    const controller = new MemoryController(engine, memory, MEMORY_CONTROLLER);
    const rootComplex = new RootComplex(engine, controller, ROOT_COMPLEX);
    rootComplex.attach(agent);
    this.device = new AtsDevice(engine, REQUESTER, options);
    const link = rootComplex.connect(LINK, [this.device.function]);
    link.probe = (tlp, direction) => {
      if (direction === 'upstream') this.sent.push([tlp.kind, tlp.addressType]);
    };
    this.device.enable();
    for (const [i, frame] of FRAMES.entries()) {
      memory.write(frame, pattern(4096, i + 1));
      this.map(i, frame);
    }
  }

  map(page: number, frame: number, rights: number = RW): void {
    this.bench.map({ iova: IOVA + page * 4096, to: frame, shift: 12, rights });
  }

  at(offset: number) {
    return dmaTarget(IOVA + offset, this.#pasid === NO_PASID ? {} : { pasid: this.#pasid });
  }

  run<T>(script: Script<T>): T {
    const { engine } = this.bench;
    return engine.runUntilDone(engine.spawn(script));
  }
}

const READ = TlpKind.MEMORY_READ;
const WRITE = TlpKind.MEMORY_WRITE;

describe.each(SUBJECTS)('A device with ATS under $name', (subject) => {
  it('reads and writes memory by translated requests after it has asked once for each page.', () => {
    const machine = new Machine(subject, { ats: { translations: 2 } });
    const { device, bench } = machine;
    const read = machine.run(device.dma.read(machine.at(0xff0), 0x20));
    expect(read.status).toBe(DmaStatus.SUCCESS);
    expect([...read.data]).toEqual([...pattern(4096, 1).slice(0xff0), ...pattern(4096, 2).slice(0, 0x10)]);
    expect(machine.sent).toEqual([
      [READ, 1],
      [READ, 2],
      [READ, 2],
    ]);
    expect(machine.run(device.dma.write(machine.at(0x10), pattern(16, 9)))).toBe(DmaStatus.SUCCESS);
    bench.engine.run();
    expect(bench.memory.read(FRAMES[0] + 0x10, 16)).toEqual(pattern(16, 9));
    // A unit that heeds NW is asked again.
    expect(machine.sent.at(-1)).toEqual([WRITE, 2]);
    expect(bench.driver.reports()).toEqual([]);
  });

  it('gives a page up when software invalidates it, and software hears of that after the reads that are under way.', () => {
    const machine = new Machine(subject);
    const { device, bench } = machine;
    const { software, engine } = bench;
    machine.run(device.dma.read(machine.at(0), 4));
    machine.map(0, 0, 0);
    bench.driver.invalidate();
    engine.run();
    // The device still has what it was told: that is why it has to be told.
    const old = engine.spawn(device.dma.read(machine.at(0), 4096));
    bench.submit(software.invalidateAll, software.wait);
    while (!bench.isDone) engine.step();
    expect(old.ended).toBe(true);
    expect(old.result.data).toEqual(pattern(4096, 1));
    expect(device.dma.tlb.entries()).toEqual([]);
    expect(machine.run(device.dma.read(machine.at(0), 4)).status).toBe(DmaStatus.NO_TRANSLATION);
    expect(machine.sent.at(-1)).toEqual([READ, 1]);
  });

  it('gets a page that it asks for, when software answers.', () => {
    const machine = new Machine(subject, { ats: { onFault: 'request page' } });
    const { device, bench } = machine;
    machine.map(0, 0, 0);
    bench.driver.invalidate();
    bench.engine.run();
    const read = bench.engine.spawn(device.dma.read(machine.at(8), 8));
    bench.engine.run();
    expect([read.ended, device.dma.state.pageRequestsOutstanding]).toEqual([false, 1]);
    machine.map(0, FRAMES[1]);
    bench.driver.answerPageRequests();
    bench.engine.run();
    expect(read.result).toEqual({ status: DmaStatus.SUCCESS, data: pattern(4096, 2).slice(8, 16) });
    expect(device.dma.state.pageRequestsOutstanding).toBe(0);
  });
});
