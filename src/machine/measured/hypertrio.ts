/**
 * The machine of HyperTRIO (ISCA 2020), which exists as a simulator only: a device behind a bus of a fixed latency, and
 * memory whose every access takes the same. Units of VT-d stand in it, with the tables that they read.
 *
 * Inaccuracies: what a hit of a cache takes is the device's there, so that a look-up here costs nothing.
 */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { vtdSecondStage, x86Paging } from '../../../hardware/formats/index.ts';
import { TimedIommu } from '../../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Access, AddressType, TranslationRequest, TranslationStatus } from '../../../hardware/pcie/index.ts';
import { Engine, ns } from '../../../hardware/sim/index.ts';
import type { VtdSpec } from '../../../hardware/vtd/index.ts';
import {
  AddressWidth,
  FirstStagePagingMode,
  PasidTranslationType,
  TranslationType,
} from '../../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../capabilities.ts';
import { parameter } from './parameter.ts';
import { used, WrittenTables } from './tables.ts';
import { legacyRoot, type Root, ScalableRoot, startUnit, unitOf } from './units.ts';

const SOURCE = 'HyperSIO, the simulator of HyperTRIO (ISCA 2020): defines.h, sioperf_config.py';

export const HYPERTRIO = {
  oneWay: parameter(450, 'ns', 'from device to IOMMU or back', 'published', SOURCE),
  memory: parameter(50, 'ns', 'an access of memory', 'published', SOURCE),
  deviceTlbHit: parameter(2, 'ns', 'a hit in the device-TLB', 'published', SOURCE),
  prefetchHit: parameter(2, 'ns', 'a hit in the prefetch buffer', 'published', SOURCE),
  contextHit: parameter(1, 'ns', 'a hit in the context cache', 'published', SOURCE),
  pageHit: parameter(5, 'ns', 'a hit in a page cache', 'published', SOURCE),
  packet: parameter(1542, 'B', 'a packet on the wire', 'published', SOURCE),
  network: parameter(200, 'Gb/s', 'the network', 'published', SOURCE),
  translations: parameter(3, '1', 'translations of a packet', 'published', SOURCE),
  pending: parameter(1, '1', 'translations that a device may wait for, without HyperTRIO', 'published', SOURCE),
} as const;

/** Its caches. What was used longest ago gives way; of context entries, there, what was used least often. */
export const HYPERTRIO_CACHES = {
  deviceTlb: parameter({ sets: 8, ways: 8 }, 'entries', 'the device-TLB', 'published', SOURCE),
  context: parameter({ sets: 1, ways: 1536 }, 'entries', 'context entries', 'published', SOURCE),
  /** Of entries of level 2 and of level 3, of walks of all stages. */
  level2: parameter({ sets: 32, ways: 16 }, 'entries', 'entries of level 2', 'published', SOURCE),
  level3: parameter({ sets: 64, ways: 16 }, 'entries', 'entries of level 3', 'published', SOURCE),
} as const;

/** Levels of a walk: of the second stage alone, or of a first stage whose every address goes through it. */
export interface WalkDepth {
  readonly first: Levels | null;
  readonly second: Levels;
}
export type Levels = 4 | 5;

export interface Measured {
  readonly nanoseconds: number;
  /** Accesses of memory. */
  readonly reads: number;
}

const REQUESTER = 0x0300;
/** Far more than anything here asks for. */
const BYTES_PER_NANOSECOND = 1_000_000;
/** The second stage maps this much of the guest to where it lies: its tables, and its page. */
const GUEST_BYTES = 0x40_0000;
const [TABLES, PAGE] = [0x10_0000, 0x38_0000];
/** Two pages that have no table in common below the top one. */
const [NEAR, FAR] = [0x4000_0000, 0x1_0000_0000];
const WIDTHS = { 4: AddressWidth.BITS_48, 5: AddressWidth.BITS_57 } as const;

/** A device asks for a translation: its entries of context and PASID table are cached, and nothing of the walk is. */
export function coldTranslation(depth: WalkDepth): Measured {
  const machine = build();
  const { tables } = machine;
  return ask(machine, translationRoot(tables, depth), AddressType.TRANSLATION, [NEAR, FAR]);
}

/** The same with the way there and back, in nanoseconds. */
export function fullTranslation(depth: WalkDepth): number {
  return 2 * HYPERTRIO.oneWay.value + coldTranslation(depth).nanoseconds;
}

/** A request of which nothing is cached, and whose context entry of legacy mode lets it pass as it is. */
export function coldContextEntry(): Measured {
  const machine = build();
  const entry = { TT: TranslationType.PASS_THROUGH, AW: AddressWidth.BITS_57 };
  return ask(machine, legacyRoot(machine.tables, REQUESTER, entry), AddressType.UNTRANSLATED, [NEAR]);
}

interface Machine {
  readonly engine: Engine;
  readonly controller: MemoryController;
  readonly tables: WrittenTables;
}

function build(): Machine {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, GUEST_BYTES]]);
  const spec = { latency: HYPERTRIO.memory.value, bytesPerNanosecond: BYTES_PER_NANOSECOND };
  return { engine, controller: new MemoryController(engine, memory, spec), tables: new WrittenTables(memory, TABLES) };
}

function translationRoot(tables: WrittenTables, { first, second }: WalkDepth): Root {
  const format = vtdSecondStage({ levels: second, superpages: [] });
  const top = tables.table();
  const common = { SSPTPTR: top / PAGE_SIZE, AW: WIDTHS[second], DID: 1 };
  if (first === null) {
    for (const page of [NEAR, FAR]) tables.map(format, top, page, PAGE, 1);
    return new ScalableRoot(tables).add(REQUESTER, { ...common, PGTT: PasidTranslationType.SECOND_STAGE });
  }
  tables.map(format, top, 0, 0, GUEST_BYTES / PAGE_SIZE);
  const guest = tables.table();
  for (const page of [NEAR, FAR]) tables.map(used(x86Paging({ levels: first, superpages: [] })), guest, page, PAGE, 1);
  const FSPM = first === 5 ? FirstStagePagingMode.FIVE_LEVEL : FirstStagePagingMode.FOUR_LEVEL;
  const nested = { PGTT: PasidTranslationType.NESTED, FSPTPTR: guest / PAGE_SIZE, FSPM };
  return new ScalableRoot(tables).add(REQUESTER, { ...common, ...nested });
}

/** The device reads one of `pages` after the other; what the last one took at the IOMMU. */
function ask({ engine, controller }: Machine, root: Root, addressType: number, pages: readonly number[]): Measured {
  const spec: VtdSpec = {
    ...unitOf(intelCapabilities.modern),
    iotlb: null,
    contextCache: { sets: 1, ways: 1 },
    pasidCache: { sets: 1, ways: 1 },
  };
  const unit = startUnit(spec, controller.memory, root);
  const agent = new TimedIommu(engine, unit, controller, { lookup: 0, requests: 1, walkers: 1 });
  let answeredAt = -1;
  agent.answers = () => {
    answeredAt = engine.now;
  };
  const request = new TranslationRequest();
  Object.assign(request, { requester: REQUESTER, access: Access.READ, addressType, wanted: 1 });
  let [from, before] = [0, 0];
  for (const page of pages) {
    [from, before] = [engine.now, controller.state.accesses];
    request.addressHi = Math.floor(page / 2 ** 32);
    request.addressLo = page | 0;
    agent.accept(request, ns(0));
    engine.run();
    if (request.status !== TranslationStatus.SUCCESS) throw new Error('the tables do not translate');
  }
  return { nanoseconds: (answeredAt - from) / 1000, reads: controller.state.accesses - before };
}
