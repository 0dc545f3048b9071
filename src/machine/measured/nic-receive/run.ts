/** Receiving, simulated: a machine's values, how it is protected, and what comes of it. */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import { TimedIommu } from '../../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../../hardware/memory/index.ts';
import { OrderedPort } from '../../../../hardware/path/index.ts';
import { Engine, Random } from '../../../../hardware/sim/index.ts';
import { AddressWidth, TranslationType } from '../../../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../../capabilities.ts';
import { WrittenTables } from '../tables.ts';
import { legacyRoot, startUnit, unitOf } from '../units.ts';
import { ReceivingCore } from './core.ts';
import { DOMAIN, IoSpace, type Translating } from './io-space.ts';
import { type Flow, ReceiveNic } from './nic.ts';
import { fillRings } from './ring.ts';
import { Senders } from './senders.ts';
import { PacketGeometry, type ReceiveSetUp, type ReceiveValues } from './values.ts';

/** Per 4 KiB of data: requests that were not in the IOTLB, walks that lacked a table of each level too, and reads of memory. */
export interface Received4K {
  readonly iotlb: number;
  readonly level1: number;
  readonly level2: number;
  readonly level3: number;
  readonly reads: number;
  readonly acknowledgements: number;
  readonly unmapped: number;
}

export interface Receiving {
  /** Data that readers got, per second. */
  readonly gigabits: number;
  /** Packets that were sent and lost, for want of a descriptor or otherwise. */
  readonly lostPct: number;
  /** Share of the time for which cores had something to do. */
  readonly busy: number;
  /** Packets for which no descriptor was posted, of those that came. */
  readonly starved: number;
  /** Requests that the IOMMU refused. */
  readonly faults: number;
  readonly per4K: Received4K;
}

const REQUESTER = 0x0300;
const [TABLES, END] = [0x10_0000, 0x2000_0000];
const REQUESTS = 4;
/** Packets that come first, and those that count. */
const [WARM_UP, MEASURED] = [40_000, 50_000];

/** What is counted, from the beginning. */
type Counts = readonly number[];

export class ReceiveRun {
  readonly engine = new Engine();
  readonly port: OrderedPort;
  readonly space: IoSpace;
  readonly nic: ReceiveNic;
  readonly cores: readonly ReceivingCore[];
  readonly #geometry: PacketGeometry;
  readonly #senders: Senders;

  constructor(values: ReceiveValues, setUp: ReceiveSetUp) {
    const { engine } = this;
    const random = new Random(setUp.seed);
    const geometry = new PacketGeometry(setUp);
    const controller = new MemoryController(engine, new PhysicalMemory([[0, END]]), {
      latency: values.dram,
      bytesPerNanosecond: 1000,
    });
    const translating = translatingUnit(values, setUp, controller);
    const agent =
      translating === null
        ? null
        : new TimedIommu(engine, translating.unit, controller, {
            lookup: values.lookup,
            requests: REQUESTS,
            walkers: 1,
            fetch: values.read - values.dram,
          });
    const port = new OrderedPort(
      engine,
      {
        link: { generation: 3, width: 16, dllp: 'measured', latency: 0 },
        maxPayload: 256,
        waiting: values.waitingTlps,
        visible: values.visible,
      },
      { controller, agent, requester: REQUESTER },
    );
    const isMapped = translating !== null && setUp.protection !== 'pass-through';
    const space = new IoSpace(engine, setUp.protection, values, isMapped ? translating : null);
    const controls = Array.from({ length: values.channels }, () => controlPages(space, values.control));
    const rings = fillRings(space, geometry, { channels: values.channels, active: values.cores, random });
    const flows: Flow[] = Array.from({ length: setUp.flows }, (_, i) => ({ core: i % values.cores, outstanding: 0 }));
    const senders = new Senders(engine, values, geometry, flows, random);
    const ends = {
      acknowledged: ({ since }: { since: number }) => senders.acknowledged(since),
      moved: () => senders.wake.notify(),
    };
    this.#geometry = geometry;
    this.#senders = senders;
    this.port = port;
    this.space = space;
    this.cores = rings.flatMap((ring, index) => {
      const own = flows.filter(({ core }) => core === index);
      const parts = { engine, values, geometry, space, ring, port, flows: own, control: controls[index]! };
      return own.length === 0 ? [] : [new ReceivingCore(parts, index / values.cores, ends)];
    });
    this.nic = new ReceiveNic(engine, port, rings, Math.floor(values.nicBuffer / geometry.frame), {
      received: (packet) => this.cores[packet.flow.core]!.complete(packet),
      room: () => senders.wake.notify(),
    });
    senders.onLoss = ({ core }) => this.cores[core]!.miss();
    for (const core of this.cores) engine.spawn(core.run(), 'a core');
    engine.spawn(senders.send(this.nic), 'senders');
    engine.spawn(senders.watch(this.nic), 'windows');
  }

  /** Lets `packets` more be read, and counts. */
  measure(packets: number): Receiving {
    const [from, before] = [this.engine.now, this.#counts()];
    const end = before[0]! + packets;
    while (this.#read < end) if (!this.engine.step()) throw new Error('nobody receives any more');
    const passed = this.engine.now - from;
    const counts = this.#counts().map((count, i) => count - before[i]!);
    const [read = 0, sent = 0, lost = 0, idle = 0, starved = 0, faults = 0, ...rest] = counts;
    const data = read * this.#geometry.payload;
    const [acknowledgements = 0, unmapped = 0, iotlb = 0, level3 = 0, level2 = 0, level1 = 0, reads = 0] = rest.map(
      (count) => (count * 4096) / data,
    );
    return {
      gigabits: (data * 8 * 1000) / passed,
      lostPct: (100 * (lost + starved)) / sent,
      busy: 1 - idle / passed / this.cores.length,
      starved: starved / sent,
      faults,
      per4K: { iotlb, level1, level2, level3, reads, acknowledgements, unmapped },
    };
  }

  get #read(): number {
    return this.cores.reduce((sum, { read }) => sum + read, 0);
  }

  #counts(): Counts {
    const { cores, port, nic, space } = this;
    const { sent, lost } = this.#senders;
    const sum = (of: (core: ReceivingCore) => number): number => cores.reduce((all, core) => all + of(core), 0);
    const walks = (least: number): number => port.walks.slice(least).reduce((all, count) => all + count, 0);
    const reads = port.walks.reduce((all, count, length) => all + count * length, 0);
    const walked = [1, 2, 3, 4].map(walks);
    const idle = sum((core) => core.idle);
    const acknowledgements = sum((core) => core.acknowledgements);
    return [this.#read, sent, lost, idle, nic.starved, port.faults, acknowledgements, space.unmapped, ...walked, reads];
  }
}

/** One measurement. */
export function receive(values: ReceiveValues, setUp: ReceiveSetUp): Receiving {
  const run = new ReceiveRun(values, setUp);
  run.measure(WARM_UP);
  return run.measure(MEASURED);
}

function controlPages(space: IoSpace, count: number): PageNumber[] {
  return Array.from({ length: count }, () => space.reserve());
}

function translatingUnit(
  { iotlb, structures }: ReceiveValues,
  { protection }: ReceiveSetUp,
  { memory }: MemoryController,
): Translating | null {
  if (protection === 'off') return null;
  const tables = new WrittenTables(memory, TABLES);
  const TT = protection === 'pass-through' ? TranslationType.PASS_THROUGH : TranslationType.UNTRANSLATED_ONLY;
  const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48, DID: DOMAIN, TT });
  const spec = {
    ...unitOf(intelCapabilities['broadwell-ep']),
    iotlb: { sets: 1, ways: iotlb },
    contextCache: { sets: 16, ways: 4 },
    secondStageCache: { sets: 1, ways: structures },
    forgetsWholeStructures: true,
  };
  return { unit: startUnit(spec, memory, root), tables, top: root.top };
}
