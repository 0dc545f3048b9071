/**
 * A workbench: reads of one device through an IOMMU of either vendor, whose caches and tables are as somebody wants them.
 *
 * Device, link, root complex and memory are those of the Broadwell server of pcie-bench, and so are the times of the IOMMU's
 * look-ups and of its way to memory, whichever the vendor; how its walks get in each other's way there is left out.
 */
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import {
  type DeviceTranslations,
  Milestone,
  type Shares,
  Streams,
  TranslatedReads,
} from '../../../hardware/path/index.ts';
import { Engine, Random } from '../../../hardware/sim/index.ts';
import { plainValues } from '../measured/parameter.ts';
import { memoryOf, pathOf } from '../measured/pcie-bench.ts';
import { fetchTime, parametersOf } from '../measured/pcie-bench-machines.ts';
import { WrittenTables } from '../measured/tables.ts';
import { amdUnit } from './amd.ts';
import type { CachesSpec } from './caches.ts';
import { intelUnit } from './intel.ts';
import { type Pattern, PatternTransfers } from './patterns.ts';
import { BUFFERS, pageBytes, REQUESTER, type Stages, TABLES } from './spaces.ts';

export interface WorkbenchSpec {
  readonly vendor: 'intel' | 'amd';
  readonly stages: Stages;
  readonly pageSize: '4K' | '2M';
  /** Of each requester. */
  readonly pages: number;
  /** Functions of the device, each with an address space of its own. */
  readonly requesters: number;
  readonly caches: CachesSpec;
  readonly walkers: number;
  readonly pattern: Pattern;
  /** Of a read. */
  readonly bytes: number;
  /** ATS: the device translates for itself. */
  readonly ats?: DeviceTranslations | null;
  readonly seed: number;
}

export interface WorkbenchReads {
  readonly gigabits: number;
  /** Per cent of the reads that the IOTLB answered; with ATS, for which the device had a translation. */
  readonly hitsPct: number;
  /** Accesses of memory for translations, for each read. */
  readonly walkReads: number;
  /** Nanoseconds of a read on its way, and of those the time that it waited for a walk. */
  readonly latency: number;
  readonly walk: number;
}

/** Requests that the IOMMU can hold: more than device and root complex let under way. */
const REQUESTS = 512;

/** Lets reads pass: some that fill the caches, and those that count. */
export function measureReads(
  spec: WorkbenchSpec,
  { warmUp, transfers }: { readonly warmUp: number; readonly transfers: number },
): WorkbenchReads {
  const { run, count, controller, shares } = build(spec);
  const from = run(warmUp);
  const [before, accesses] = [count(), controller.state.accesses];
  shares.reset();
  const picoseconds = run(transfers) - from;
  const after = count();
  const lookups = after.lookups - before.lookups;
  return {
    gigabits: (spec.bytes * 8 * transfers * 1000) / picoseconds,
    hitsPct: (100 * (after.hits - before.hits)) / lookups,
    walkReads: Math.max(controller.state.accesses - accesses - shares.requests, 0) / transfers,
    latency: shares.total / shares.requests / 1000,
    walk: shares.sums[Milestone.WALK]! / shares.requests / 1000,
  };
}

interface Built {
  readonly controller: MemoryController;
  readonly shares: Shares;
  run(count: number): number;
  count(): { readonly hits: number; readonly lookups: number };
}

function build(spec: WorkbenchSpec): Built {
  const { pages, requesters, pageSize, stages, vendor, walkers, pattern, bytes, caches, seed } = spec;
  const values = plainValues(parametersOf('bdw'));
  const engine = new Engine();
  const level = pageSize === '4K' ? 1 : 2;
  const size = pageBytes(level);
  const memory = new PhysicalMemory([
    [0, BUFFERS],
    [BUFFERS, requesters * pages * size],
  ]);
  const controller = new MemoryController(engine, memory, memoryOf(values, false));
  const tables = new WrittenTables(memory, TABLES);
  const makeUnit = vendor === 'intel' ? intelUnit : amdUnit;
  const unit = makeUnit(tables, { stages, requesters, pages, level }, caches);
  const agent = new TimedIommu(engine, unit, controller, {
    lookup: values.lookup,
    walkers,
    requests: REQUESTS,
    fetch: fetchTime(values),
    mergeMisses: true,
  });
  const transfers = new PatternTransfers({ pattern, pages, pageBytes: size, requesters, bytes }, new Random(seed));
  const parts = { controller, agent, requester: REQUESTER };
  if (spec.ats) {
    const reads = new TranslatedReads(engine, pathOf(values, false), parts, transfers, spec.ats);
    reads.start();
    const { shares } = reads.path;
    const { translator } = reads;
    const count = () => ({ hits: translator.hits, lookups: translator.lookups });
    return { controller, shares, run: (n) => reads.run(n), count };
  }
  const streams = new Streams(engine, pathOf(values, false), parts, 'read', transfers);
  streams.start();
  const { state } = agent;
  const count = () => ({ hits: state.hits, lookups: state.hits + state.misses });
  return { controller, shares: streams.path.shares, run: (n) => streams.run(n), count };
}
