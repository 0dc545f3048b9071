/** `ioasim path`: DMA on the timed path of a measured machine, without bytes and without a kernel. */
import { Command } from 'commander';
import {
  InputError,
  MEASURED_MACHINES,
  type MeasuredMachineName,
  PathRun,
  type PathTraffic,
  quote,
  suggest,
} from '../machine/index.ts';
import { Findings, type FindingsOptions, withFindings } from './findings.ts';
import { readWhole } from './moment/words.ts';
import type { Terminal } from './terminal.ts';
import { TraceFile } from './trace-file.ts';
import { type TraceOptions, withTrace } from './trace-options.ts';
import { WherePlot } from './where-plot.ts';

interface PathOptions extends TraceOptions, FindingsOptions {
  readonly traffic: string;
  readonly bytes: string;
  readonly window: string;
  readonly transfers: string;
  readonly iommu: string;
  readonly seed: string;
  readonly json?: true;
}

const MACHINES = Object.keys(MEASURED_MACHINES) as MeasuredMachineName[];
const TRAFFIC: readonly PathTraffic[] = ['read', 'write', 'readWrite'];
const IOMMU = ['4K', 'superpages', 'off'] as const;
const KIB = 1024;
/** Of the buffer that these machines have. */
const MOST_KIB = 65_536;

export function pathCommand(terminal: Terminal): Command {
  const command = new Command('path')
    .description('let DMA pass on the timed path of a measured machine, and measure it')
    .argument('[machine]', `one of ${MACHINES.join(', ')}`, 'bdw')
    .option('--traffic <kind>', `${TRAFFIC.join(', ')}`, 'read')
    .option('--bytes <number>', 'of each transfer', '64')
    .option('--window <KiB>', 'within which transfers are uniformly random', '1024')
    .option('--transfers <number>', 'how many', '1000')
    .option('--iommu <kind>', `${IOMMU.join(', ')}`, '4K')
    .option('--seed <number>', 'start of the random sequence', '1')
    .option('--json', 'one JSON object');
  return withTrace(withFindings(command)).action(async (machine: string, options: PathOptions) => {
    await measure(machine, options, terminal);
  });
}

async function measure(machine: string, options: PathOptions, terminal: Terminal): Promise<void> {
  const setUp = {
    machine: choice('machine', machine, MACHINES),
    iommu: choice('kind of translation', options.iommu, IOMMU),
    node: 'local',
    cache: 'warm',
    bytes: readWhole('--bytes', options.bytes, 1, 4096),
    window: readWhole('--window', options.window, 4, MOST_KIB) * KIB,
    offset: 0,
    seed: readWhole('--seed', options.seed, 0, 2 ** 32 - 1),
  } as const;
  const transfers = readWhole('--transfers', options.transfers, 1, 1e9);
  const run = new PathRun(setUp, choice('kind of traffic', options.traffic, TRAFFIC));
  const plot = await WherePlot.from(options.wherePlot);
  const trace = TraceFile.from(options);
  const { source } = run;
  trace?.follow(source);
  const findings = new Findings(source, run, options);
  const report = run.run(transfers);
  trace?.end();
  const notTraced = trace?.close();
  plot?.add(`${source.machine}, ${source.scenario}`, findings.kinds);
  await plot?.close();
  if (options.json) {
    terminal.out(JSON.stringify({ ...report, ...findings.data }));
  } else {
    const { picoseconds, gigabitsPerSecond, hits, misses } = report;
    const cached = hits === undefined ? '' : `, ${hits} hits and ${misses} misses of the IOTLB`;
    const speed = `${gigabitsPerSecond.toFixed(2)} Gb/s`;
    terminal.out(
      `${source.machine}, ${source.scenario}: ${transfers} in ${(picoseconds / 1e6).toFixed(6)} us, ${speed}${cached}`,
    );
    for (const line of findings.lines) terminal.out(line);
  }
  if (notTraced?.isWrong) throw new InputError(notTraced.sentence);
  if (notTraced !== undefined) terminal.err(notTraced.sentence);
}

function choice<T extends string>(what: string, given: string, all: readonly T[]): T {
  const found = all.find((one) => one === given);
  if (found !== undefined) return found;
  throw new InputError(`There is no ${what} ${quote(given)}; ${suggest(given, [...all])}`);
}
