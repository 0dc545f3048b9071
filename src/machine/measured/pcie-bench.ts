/** The experiments of pcie-bench, simulated: a measured machine, its buffer, and the transfers of one benchmark. */
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, type MemoryControllerSpec, PhysicalMemory } from '../../../hardware/memory/index.ts';
import {
  LooselyTimedPath,
  type LoosePathParts,
  LooseStreams,
  type PathParts,
  type PathSpec,
  RandomTransfers,
  SingleTransfers,
  Streams,
  type Traffic,
} from '../../../hardware/path/index.ts';
import { Engine, Random } from '../../../hardware/sim/index.ts';
import { AddressWidth } from '../../../hardware/vtd/spec/index.ts';
import { plainValues } from './parameter.ts';
import {
  fetchTime,
  type MachineName,
  MEASURED_MACHINES,
  type PathValues,
  parametersOf,
} from './pcie-bench-machines.ts';
import { WrittenTables } from './tables.ts';
import { legacyRoot, startUnit, unitOf } from './units.ts';

export interface BenchSetUp {
  readonly machine: MachineName;
  readonly iommu: 'off' | '4K' | 'superpages';
  readonly node: 'local' | 'remote';
  readonly bytes: number;
  readonly window: number;
  readonly offset: number;
  readonly cache: 'warm' | 'cold';
  readonly seed: number;
}

/** Values in place of the machine's, to see what they matter. */
export type BenchChanges = Partial<PathValues>;

const MIB = 2 ** 20;
const PAGE = 4096;
const LINE = 64;
/** The buffer is mapped to where it lies. */
const BUFFER = 2 ** 32;
const BUFFER_BYTES = 64 * MIB;
const TABLES = 0x10_0000;
const REQUESTER = 0x0300;
/** Requests that the IOMMU can hold: more than device and root complex let under way. */
const REQUESTS = 256;
const CACHES = { contextCache: { sets: 16, ways: 4 }, secondStageCache: { sets: 1, ways: 128 } } as const;

/** Endless transfers of one kind. */
export function benchStreams(setUp: BenchSetUp, traffic: Traffic, changes: BenchChanges = {}): Streams {
  const { engine, spec, parts, transfers } = build(setUp, changes);
  return new Streams(engine, spec, parts, traffic, transfers);
}

/** The same, loosely timed. */
export function looseStreams(setUp: BenchSetUp, traffic: Traffic, changes: BenchChanges = {}): LooseStreams {
  const { spec, parts, iommu, transfers } = build(setUp, changes);
  return new LooseStreams(new LooselyTimedPath(spec, { ...parts, iommu }), traffic, transfers);
}

/** Nanoseconds of a tick of the device's clock. */
export const TICK = parametersOf('bdw').timer.value;
/** Between two transfers, so that nothing of one is left when the next begins; random, so that none meets the same refresh. */
const PAUSE = { pause: 300, randomPause: 8000 } as const;

/** Transfers one at a time. */
export function benchSingles(
  setUp: BenchSetUp,
  kind: 'read' | 'writeRead',
  engineName: 'dma' | 'command',
  changes: BenchChanges = {},
): SingleTransfers {
  const { engine, spec, parts, transfers, random } = build(setUp, changes);
  const single = { kind, engine: engineName, tick: TICK, ...PAUSE };
  const singles = new SingleTransfers(engine, spec, parts, single, transfers, random);
  if (setUp.cache === 'warm') singles.path.root.warm(BUFFER, setUp.window);
  return singles;
}

interface Built {
  readonly engine: Engine;
  readonly spec: PathSpec;
  readonly parts: PathParts;
  readonly iommu: LoosePathParts['iommu'];
  readonly transfers: RandomTransfers;
  readonly random: Random;
}

function build(setUp: BenchSetUp, changes: BenchChanges): Built {
  const { machine, node, bytes, window, offset, cache, seed } = setUp;
  const values = { ...plainValues(parametersOf(machine)), ...changes };
  const engine = new Engine();
  const random = new Random(seed);
  const isRemote = node === 'remote';
  const memory = new PhysicalMemory([
    [0, BUFFER],
    [BUFFER, BUFFER_BYTES],
  ]);
  const controller = new MemoryController(engine, memory, memoryOf(values, isRemote));
  if (cache === 'warm') controller.warm(BUFFER, window);
  const unit = Math.ceil((bytes + offset) / LINE) * LINE;
  const iommu = iommuOf(setUp, values, controller);
  const agent = iommu === null ? null : new TimedIommu(engine, iommu.unit, controller, iommu.spec);
  return {
    engine,
    random,
    spec: pathOf(values, isRemote),
    parts: { controller, agent, requester: REQUESTER },
    iommu,
    transfers: new RandomTransfers(random, { start: BUFFER, bytes: window, unit, offset, length: bytes }),
  };
}

/** The memory of the device's own socket or of the other. */
export function memoryOf(values: PathValues, isRemote: boolean): MemoryControllerSpec {
  return {
    latency: values.cacheLatency + values.dram + (isRemote ? values.remote : 0),
    bytesPerNanosecond: values.bandwidth,
    // What lies at the other socket is never found in this one's cache.
    cache: isRemote ? null : { bytes: values.cache * MIB, latency: values.cacheLatency },
    slices: values.slices,
    refresh: { interval: values.refreshInterval, duration: values.refresh },
    lineBusy: values.lineBusy,
  };
}

/** The device and its way to the memory of its own socket or of the other. */
export function pathOf(values: PathValues, isRemote: boolean): PathSpec {
  return {
    device: {
      tags: values.tags,
      readIssue: values.readIssue,
      landing: { command: values.landingCommand, line: values.landingLine, burstByte: values.landingBurst },
      write: { command: values.writeCommand, block: values.writeBlock },
      writeFifo: values.writeFifo,
      turnaround: values.turnaround,
      maxPayload: 256,
      maxReadRequest: 512,
      overhead: { dma: values.overheadDma, command: values.overheadCommand },
    },
    link: { generation: 3, width: 8, dllp: 'measured', latency: values.link },
    root: {
      postedLines: values.postedLines,
      read: { request: values.readRequest, byte: values.readByte },
      maxPayload: 256,
      write: { visible: values.writeVisible + (isRemote ? values.remote : 0), allocate: values.writeAllocate },
      writeCache: values.writeCache * MIB,
    },
  };
}

/** What stands around a unit there. */
export function agentOf(values: PathValues) {
  const { lookup, walkers, walkRegion, readHold } = values;
  return { lookup, walkers, walkRegion, readHold, requests: REQUESTS, fetch: fetchTime(values), mergeMisses: true };
}

/** The machine's VT-d unit in legacy mode with the window mapped; nothing when translation is off. */
function iommuOf(setUp: BenchSetUp, values: PathValues, controller: MemoryController): LoosePathParts['iommu'] {
  if (setUp.iommu === 'off') return null;
  const tables = new WrittenTables(controller.memory, TABLES);
  const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48 });
  const level = setUp.iommu === 'superpages' && values.superpages === 1 ? 2 : 1;
  const pages = Math.ceil(setUp.window / (PAGE * 512 ** (level - 1)));
  tables.map(vtdSecondStage({ levels: 4, superpages: [2] }), root.top, BUFFER, BUFFER, pages, level);
  const unitSpec = {
    ...unitOf(MEASURED_MACHINES[setUp.machine].unit),
    iotlb: { sets: 1, ways: values.entries },
    ...CACHES,
  };
  const unit = startUnit(unitSpec, controller.memory, root);
  const { fetch, ...spec } = agentOf(values);
  // The tables lie at the unit's own socket.
  return { unit, spec: { ...spec, fetch: fetch - (setUp.node === 'remote' ? values.remote : 0) } };
}
