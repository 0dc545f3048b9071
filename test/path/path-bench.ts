/** A path with round figures, so that every expectation can be computed by hand. */
import { TIMED_IOMMU, TimedIommu } from '../../hardware/iommu/index.ts';
import { MemoryController, type MemoryControllerSpec, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  type Commander,
  type DmaDeviceSpec,
  DmaPath,
  LooselyTimedPath,
  type LoosePathParts,
  type PathRootSpec,
  type PathSpec,
} from '../../hardware/path/index.ts';
import { Engine, ns } from '../../hardware/sim/index.ts';
import { TranslationTableMode } from '../../hardware/vtd/spec/index.ts';
import { startUnit } from '../../src/machine/measured/units.ts';

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

const CACHES = { iotlb: { sets: 1, ways: 4 }, contextCache: { sets: 1, ways: 4 } } as const;
/** Registers of the recorded machine `legacy48`. */
const UNIT = { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an };

export interface PathChanges {
  readonly device?: Partial<DmaDeviceSpec>;
  readonly root?: Partial<PathRootSpec>;
  readonly memory?: Partial<MemoryControllerSpec>;
  /** Behind an IOMMU whose root table is empty. */
  readonly blocked?: boolean;
}

/** Nanoseconds that an IOMMU takes to find nothing in its IOTLB. */
export const LOOKUP = 10;
/** Nanoseconds from one end of the link to the other. */
export const LINK_LATENCY = 200;
/** Picoseconds of a byte on a link of generation 3 with 8 lanes, 5.5 % of which DLLPs take: 1 / (8 GT/s · 8 · 128/130 · 0.945 / 8). */
export const BYTE = 134.3387;

export class PathBench implements Commander {
  readonly engine = new Engine();
  readonly path: DmaPath;
  /** When the last byte of each write was on the link, in picoseconds. */
  readonly sentAt: number[] = [];

  constructor(changes: PathChanges = {}) {
    const { spec, controller, iommu } = partsOf(changes, this.engine);
    const agent = iommu === null ? null : new TimedIommu(this.engine, iommu.unit, controller, iommu.spec);
    this.path = new DmaPath(this.engine, spec, { controller, agent, requester: REQUESTER }, this);
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

/** The same path, loosely timed. */
export function loosePath(changes: PathChanges = {}): LooselyTimedPath {
  const { spec, ...parts } = partsOf(changes, new Engine());
  return new LooselyTimedPath(spec, { ...parts, requester: REQUESTER });
}

const REQUESTER = 0x100;

function partsOf({ device, root, memory, blocked = false }: PathChanges, engine: Engine) {
  const controller = new MemoryController(engine, new PhysicalMemory([[0, 2 ** 30]]), { ...MEMORY, ...memory });
  const spec: PathSpec = {
    device: { ...DEVICE, ...device },
    link: { generation: 3, width: 8, dllp: 'measured', latency: LINK_LATENCY },
    root: { ...ROOT, ...root },
  };
  return { spec, controller, iommu: blocked ? emptyIommu(controller) : null };
}

function emptyIommu({ memory }: MemoryController): NonNullable<LoosePathParts['iommu']> {
  const spec = { capabilities: UNIT, hostAddressWidth: 39, faultCompression: true, ...CACHES };
  const unit = startUnit(spec, memory, { table: 0x10_0000, mode: TranslationTableMode.LEGACY });
  return { unit, spec: { ...TIMED_IOMMU, lookup: LOOKUP } };
}
