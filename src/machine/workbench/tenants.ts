/**
 * Many tenants of one network device, as in HyperTRIO (ISCA 2020): each is a guest with a virtual function, and the device asks for
 * the translations of its packets over a bus of a fixed latency. Values are those of that simulator: see measured/hypertrio.ts.
 */

import { highHalf, lowHalf } from '../../../hardware/bits/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { type Command, DeviceTranslator, type Transfers, TranslatedPackets } from '../../../hardware/path/index.ts';
import { Engine, ns } from '../../../hardware/sim/index.ts';
import { HYPERTRIO } from '../measured/hypertrio.ts';
import { WrittenTables } from '../measured/tables.ts';
import { amdUnit } from './amd.ts';
import type { CachesSpec } from './caches.ts';
import { intelUnit } from './intel.ts';
import { BUFFERS, IOVA, pageBytes, REQUESTER, TABLES } from './spaces.ts';

export interface TenantsSpec {
  readonly vendor: 'intel' | 'amd';
  readonly tenants: number;
  /** Packets of one tenant before those of the next. */
  readonly burst: number;
  /** Of data of each tenant, of 2 MiB, beside one for its ring and one for what it is told by. */
  readonly dataPages: number;
  readonly deviceTlb: { readonly sets: number; readonly ways: number };
  /** Translation requests under way. */
  readonly pending: number;
  readonly caches: CachesSpec;
}

export interface TenantsTraffic {
  /** Per cent of what the network brings. */
  readonly utilisationPct: number;
  /** Per cent of the translations that the device has. */
  readonly hitsPct: number;
  /** Accesses of memory for each packet. */
  readonly walkReads: number;
}

const RING = 0;
const MAILBOX = 1;
const DATA = 2;
const LEVEL = 2;
const PAGE = pageBytes(LEVEL);
/** Bytes of a buffer: so many packets go into one page. */
const BUFFER = 2048;
/** More than anybody asks for at a time. */
const BYTES_PER_NANOSECOND = 1_000_000;

/** Of each packet: the descriptor in the ring, the buffer, and where the driver is told; tenants take turns. */
class PacketTransfers implements Transfers {
  readonly #spec: TenantsSpec;
  readonly #packets: Float64Array;
  #tenant = 0;
  #inBurst = 0;
  #part = 0;

  constructor(spec: TenantsSpec) {
    this.#spec = spec;
    this.#packets = new Float64Array(spec.tenants);
  }

  fill(command: Command): void {
    const tenant = this.#tenant;
    const at = IOVA + this.#offset(this.#packets[tenant]!);
    command.requester = REQUESTER + tenant;
    command.hi = highHalf(at);
    command.lo = lowHalf(at);
    this.#part++;
    if (this.#part === HYPERTRIO.translations.value) this.#nextPacket();
  }

  #offset(packet: number): number {
    if (this.#part === 0) return RING * PAGE;
    if (this.#part === 2) return MAILBOX * PAGE;
    const perPage = PAGE / BUFFER;
    const page = Math.floor(packet / perPage) % this.#spec.dataPages;
    return (DATA + page) * PAGE + (packet % perPage) * BUFFER;
  }

  #nextPacket(): void {
    const { tenants, burst } = this.#spec;
    this.#part = 0;
    this.#packets[this.#tenant]!++;
    if (++this.#inBurst < burst) return;
    this.#inBurst = 0;
    this.#tenant = (this.#tenant + 1) % tenants;
  }
}

/** Lets packets pass: some that fill the caches, and those that count. */
export function measureTenants(
  spec: TenantsSpec,
  { warmUp, packets }: { readonly warmUp: number; readonly packets: number },
): TenantsTraffic {
  const { vendor, tenants, dataPages, caches, pending, deviceTlb } = spec;
  const engine = new Engine();
  const pages = DATA + dataPages;
  const memory = new PhysicalMemory([
    [0, BUFFERS],
    [BUFFERS, tenants * pages * PAGE],
  ]);
  const latency = HYPERTRIO.memory.value;
  const controller = new MemoryController(engine, memory, { latency, bytesPerNanosecond: BYTES_PER_NANOSECOND });
  const spaces = { stages: 'nested', requesters: tenants, pages, level: LEVEL } as const;
  const unit = (vendor === 'intel' ? intelUnit : amdUnit)(new WrittenTables(memory, TABLES), spaces, caches);
  const agent = new TimedIommu(engine, unit, controller, { lookup: 0, requests: pending, walkers: pending });
  const tlb = { ...deviceTlb, global: false };
  const translator = new DeviceTranslator(engine, agent, ns(HYPERTRIO.oneWay.value), { tlb, pending });
  const interval = (HYPERTRIO.packet.value * 8) / HYPERTRIO.network.value;
  const translations = HYPERTRIO.translations.value;
  const device = new TranslatedPackets(engine, { interval, translations }, translator, new PacketTransfers(spec));
  device.start();
  const from = device.run(warmUp);
  const [hits, lookups, accesses] = [translator.hits, translator.lookups, controller.state.accesses];
  const nanoseconds = (device.run(packets) - from) / 1000;
  return {
    utilisationPct: (100 * packets * interval) / nanoseconds,
    hitsPct: (100 * (translator.hits - hits)) / (translator.lookups - lookups),
    walkReads: (controller.state.accesses - accesses) / packets,
  };
}
