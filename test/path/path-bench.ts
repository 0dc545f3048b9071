/** A path with round figures, so that every expectation can be computed by hand. */
import { MemoryController, type MemoryControllerSpec, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  type Commander,
  type DmaDeviceSpec,
  DmaPath,
  type PathRootSpec,
  type PathSpec,
} from '../../hardware/path/index.ts';
import { Engine, ns } from '../../hardware/sim/index.ts';

export const DEVICE: DmaDeviceSpec = {
  tags: 4,
  readIssue: 10,
  landing: { command: 5, line: 2, burstByte: 0 },
  write: { command: 4, block: 6 },
  writeFifo: 4,
  turnaround: 0,
  maxPayload: 256,
  maxReadRequest: 512,
  overhead: { dma: 0, command: 0 },
};
const ROOT: PathRootSpec = {
  postedLines: 64,
  read: { request: 0, byte: 0 },
  maxPayload: 256,
  write: { visible: 50, allocate: 0 },
  writeCache: 0,
};
export const MEMORY: MemoryControllerSpec = { latency: 100, bytesPerNanosecond: 1_000_000 };

export interface PathChanges {
  readonly device?: Partial<DmaDeviceSpec>;
  readonly root?: Partial<PathRootSpec>;
  readonly memory?: Partial<MemoryControllerSpec>;
}

/** Nanoseconds from one end of the link to the other. */
export const LINK_LATENCY = 200;
/** Picoseconds of a byte on a link of generation 3 with 8 lanes, 5.5 % of which DLLPs take: 1 / (8 GT/s · 8 · 128/130 · 0.945 / 8). */
export const BYTE = 134.3387;

export class PathBench implements Commander {
  readonly engine = new Engine();
  readonly path: DmaPath;
  /** When the last byte of each write was on the link, in picoseconds. */
  readonly sentAt: number[] = [];

  constructor({ device, root, memory }: PathChanges = {}) {
    const physical = new PhysicalMemory([[0, 2 ** 30]]);
    const controller = new MemoryController(this.engine, physical, { ...MEMORY, ...memory });
    const spec: PathSpec = {
      device: { ...DEVICE, ...device },
      link: { generation: 3, width: 8, latency: LINK_LATENCY },
      root: { ...ROOT, ...root },
    };
    this.path = new DmaPath(this.engine, spec, { controller, agent: null, requester: 0x100 }, this);
  }

  /** Reads, with nothing else under way: how long that takes, in picoseconds. */
  read(address: number, length: number): number {
    const from = this.engine.now;
    let end = -1;
    this.path.reads.start(0, address, length, ns(0), (delay) => {
      end = this.engine.now + delay;
    });
    this.engine.run();
    return end - from;
  }

  nextRead(): boolean {
    return false;
  }

  idle(): void {}

  sent(_: unknown, __: boolean, delay: number): void {
    this.sentAt.push(this.engine.now + delay);
  }
}
