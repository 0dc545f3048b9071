/**
 * The host of "Understanding the host network" (Vuppalapati et al., SIGCOMM 2024): a Xeon Gold 6234 (Cascade Lake) with two channels
 * of DDR4-2933. Its domains are each a number of credits and the time for which one is held.
 *
 * Writes of devices are run on the timed path of a DMA. The domain of these begins in the root complex (the IIO), so that the
 * link in front of it is wider and nearer here than any that exists.
 */
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Milestone, type PathSpec, RandomTransfers, Streams } from '../../../hardware/path/index.ts';
import { Engine, Random } from '../../../hardware/sim/index.ts';
import { parameter } from './parameter.ts';

const SOURCE = 'Vuppalapati et al., "Understanding the host network" (SIGCOMM 2024)';
const HOST_CC = 'Terabit-Ethernet/hostCC, src/README.md';
const LINE = 64;

export const HOST_NETWORK = {
  coreRead: parameter(70, 'ns', 'a read of a core, from its line fill buffer to DRAM and back', 'published', SOURCE),
  coreWrite: parameter(10, 'ns', 'a write of a core until its line fill buffer is free', 'published', SOURCE),
  deviceWrite: parameter(300, 'ns', 'a write of a device, from root complex to memory', 'published', SOURCE),
  coreLines: parameter(12, 'lines', 'line fill buffers of a core: 10 to 12', 'published', SOURCE),
  writeLines: parameter(92, 'lines', 'writes of devices under way', 'published', SOURCE),
  readLines: parameter(164, 'lines', 'reads of devices under way, at least', 'published', SOURCE),
  bank: parameter(45, 'ns', 'a bank changes its row', 'published', SOURCE),
  banks: parameter(32, '1', 'banks', 'published', SOURCE),
  line: parameter(2.73, 'ns', 'a line on a channel', 'published', SOURCE),
  writeThreshold: parameter(70, 'lines', 'writes under way above which the host is congested', 'published', HOST_CC),
} as const;

/** More than any device needs, so that nothing but the domain holds a write up. */
const WIDE = { generation: 6, width: 16, dllp: 'measured', latency: 0 } as const;
const BUFFER_BYTES = 2 ** 20;
/** Writes that come first, and those that count. */
const [WARM_UP, MEASURED] = [2000, 20_000];

export interface WriteDomain {
  /** Bytes per nanosecond. */
  readonly rate: number;
  /** On the average. */
  readonly credits: number;
}

/** Writes of lines, one after the other: as many as the device makes, `rate` bytes per nanosecond, or as the credits allow. */
export function deviceWrites(rate: number): WriteDomain {
  const engine = new Engine();
  const random = new Random(1);
  const controller = new MemoryController(engine, new PhysicalMemory([[0, BUFFER_BYTES]]));
  const window = { start: 0, bytes: BUFFER_BYTES, unit: LINE, offset: 0, length: LINE };
  const parts = { controller, agent: null, requester: 0 };
  const streams = new Streams(engine, pathOf(rate), parts, 'write', new RandomTransfers(random, window));
  streams.start();
  const from = streams.run(WARM_UP);
  const before = heldFor(streams);
  const passed = streams.run(MEASURED) - from;
  return { rate: (MEASURED * LINE * 1000) / passed, credits: (heldFor(streams) - before) / passed };
}

/** Picoseconds for which writes have held their credits, of all together. */
function heldFor({ path: { shares } }: Streams): number {
  const { LINK_UP, ORDER, MEMORY } = Milestone;
  return [LINK_UP, ORDER, MEMORY].reduce((sum, milestone) => sum + shares.sums[milestone]!, 0);
}

function pathOf(rate: number): PathSpec {
  return {
    device: {
      tags: 1,
      readIssue: 0,
      landing: { command: 0, line: 0, burstByte: 0 },
      write: { command: 0, block: LINE / rate },
      writeFifo: HOST_NETWORK.writeLines.value,
      turnaround: 0,
      maxPayload: 128,
      maxReadRequest: 128,
      overhead: { dma: 0, command: 0 },
    },
    link: WIDE,
    root: {
      postedLines: HOST_NETWORK.writeLines.value,
      read: { request: 0, byte: 0 },
      maxPayload: 128,
      write: { visible: HOST_NETWORK.deviceWrite.value, allocate: 0 },
      writeCache: 0,
    },
  };
}
