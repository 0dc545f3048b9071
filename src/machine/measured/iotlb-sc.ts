/**
 * The set-up of IOTLB-SC (Tiemann et al., ASIACCS 2023): an FPGA card that reads one line at a time and counts the cycles, in a
 * host of which little is published. Its IOMMU is that of Broadwell: so are its IOTLB and the times of its walks.
 */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Access, TranslationRequest, TranslationStatus } from '../../../hardware/pcie/index.ts';
import { Engine, ns } from '../../../hardware/sim/index.ts';
import type { VtdUnit } from '../../../hardware/vtd/index.ts';
import { AddressWidth, IotlbGranularity } from '../../../hardware/vtd/spec/index.ts';
import { inherited, parameter, plainValues } from './parameter.ts';
import { entryTime, MEASURED_MACHINES, parametersOf } from './pcie-bench-machines.ts';
import { WrittenTables } from './tables.ts';
import { invalidate, legacyRoot, startUnit, unitOf } from './units.ts';

const SOURCE = 'Tiemann et al., "IOTLB-SC" (ASIACCS 2023)';
const BROADWELL = parametersOf('bdw');

export const IOTLB_SC = {
  clock: parameter(200, 'MHz', 'the clock that counts', 'published', SOURCE),
  read: parameter(862.5, 'ns', 'a read without a translation', 'fitted', `${SOURCE}: 160 to 185 cycles`),
  entries: inherited(BROADWELL.entries, 'Broadwell'),
  lookup: inherited(BROADWELL.lookup, 'Broadwell'),
  walk: inherited(BROADWELL.walk, 'Broadwell'),
} as const;

const REQUESTER = 0x0300;
const TABLES = 0x10_0000;
/** Pages that can be read: the pool of the attack. */
export const POOL = 4096;
const BUFFER = 2 ** 32;

/** A card that reads pages and tells by the time whether the IOTLB had them. */
export class IotlbProber {
  readonly #engine = new Engine();
  readonly #unit: VtdUnit;
  readonly #agent: TimedIommu;
  readonly #request = new TranslationRequest();

  /** An IOTLB of so many usable entries. */
  constructor(entries: number = IOTLB_SC.entries.value) {
    const memory = new PhysicalMemory([
      [0, BUFFER],
      [BUFFER, (POOL + 1) * PAGE_SIZE],
    ]);
    const values = plainValues(BROADWELL);
    const latency = entryTime(values);
    const controller = new MemoryController(this.#engine, memory, { latency, bytesPerNanosecond: values.bandwidth });
    const tables = new WrittenTables(memory, TABLES);
    const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48 });
    tables.map(vtdSecondStage({ levels: 4, superpages: [] }), root.top, BUFFER, BUFFER, POOL + 1);
    const unitSpec = {
      ...unitOf(MEASURED_MACHINES.bdw.unit),
      iotlb: { sets: 1, ways: entries },
      contextCache: { sets: 1, ways: 1 },
      secondStageCache: { sets: 1, ways: 128 },
    };
    this.#unit = startUnit(unitSpec, memory, root);
    const { lookup, walk } = IOTLB_SC;
    const spec = { lookup: lookup.value, requests: 1, walkers: 1, fetch: walk.value - latency };
    this.#agent = new TimedIommu(this.#engine, this.#unit, controller, spec);
    this.#agent.answers = () => {};
    Object.assign(this.#request, { requester: REQUESTER, access: Access.READ, length: 64 });
  }

  /** Nanoseconds of a read of the page `index` of the pool, or of the one behind it. */
  read(index: number): number {
    const request = this.#request;
    const address = BUFFER + index * PAGE_SIZE;
    const from = this.#engine.now;
    request.addressHi = Math.floor(address / 2 ** 32);
    request.addressLo = address | 0;
    this.#agent.accept(request, ns(0));
    this.#engine.run();
    if (request.status !== TranslationStatus.SUCCESS) throw new Error('the tables do not translate');
    return IOTLB_SC.read.value + (this.#engine.now - from) / 1000;
  }

  /** The core lets the IOTLB forget everything. */
  flush(): void {
    invalidate(this.#unit, { IIRG: IotlbGranularity.GLOBAL });
    this.#engine.run();
  }
}

/** The first access of a page whose tables, but for the last entry, others have used. */
export function firstAccess(): number {
  const prober = new IotlbProber();
  prober.read(0);
  return prober.read(1);
}

/** An access of a page again. */
export function nextAccess(): number {
  const prober = new IotlbProber();
  prober.read(0);
  return prober.read(0);
}

/**
 * How many other pages, read one after the other behind a target, make the IOTLB forget it: the smallest number for which the target
 * takes longer than midway between a hit and a miss. Nothing when the whole pool does not.
 */
export function smallestEvictionSet(entries?: number): number | undefined {
  const prober = new IotlbProber(entries);
  const threshold = (nextAccess() + firstAccess()) / 2;
  for (let size = 1; size < POOL; size++) {
    prober.flush();
    prober.read(POOL);
    for (let page = 0; page < size; page++) prober.read(page);
    if (prober.read(POOL) > threshold) return size;
  }
  return undefined;
}
