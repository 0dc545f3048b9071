/** What each command asks for (fact sheet 4.1 to 4.3), by its opcode. A unit has the commands that its features allow. */
import { highOf, joinHalves, lowOf, PAGE_SIZE, type RegisterFile, reservedBits } from '../bits/index.ts';
import {
  Access,
  type DeviceMessages,
  NO_PASID,
  type PerformanceEvents,
  Translation,
  type Walk,
} from '../iommu/index.ts';
import type { MemoryOperation } from '../memory/index.ts';
import { CommandEnd } from './command-processor.ts';
import type { DeviceInvalidations } from './device-invalidations.ts';
import type { Features } from './features.ts';
import type { Invalidator } from './invalidation.ts';
import {
  type AmdFault,
  COMMANDS,
  COMPLETE_PPR_REQUEST,
  COMPLETION_WAIT,
  type CommandName,
  INVALIDATE_DEVTAB_ENTRY,
  INVALIDATE_INTERRUPT_TABLE,
  INVALIDATE_IOMMU_PAGES,
  PprResponseCode,
  PREFETCH_IOMMU_PAGES,
} from './spec/index.ts';
import type { Translator } from './translator.ts';

/** Pages that one command reads ahead at most: a full ring of them must not occupy the unit for long. */
const MAX_PREFETCHED_PAGES = 16;

/** Carries the command at address `at` out; only one that touches memory is a walk. Gives a CommandEnd. */
export type Run = (words: Uint32Array, at: number) => number | Walk<number>;

export interface Command {
  readonly reserved: Uint32Array;
  readonly run: Run;
}

/** The interrupt tables' cache. */
export interface InterruptTables {
  /** Forgets what was cached for a device. */
  invalidate(deviceId: number): void;
  everything(): void;
}

export interface CommandSurroundings {
  readonly file: RegisterFile;
  readonly features: Features;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptTables;
  readonly devices: DeviceMessages;
  readonly deviceInvalidations: DeviceInvalidations;
  /** Whom to tell of performance events; `null` while nobody counts. */
  readonly counters: () => PerformanceEvents | null;
  /** Carries the unit's work out. */
  readonly start: (walk: Walk) => void;
  /** Writes an entry into the event log. */
  readonly log: (entry: Uint32Array) => void;
  /** Sets ComWaitInt. */
  readonly waitCompleted: () => void;
}

export class Commands {
  readonly #unit: CommandSurroundings;
  readonly #memory: MemoryOperation;
  readonly #translation = new Translation<AmdFault>();
  readonly #commands: ReadonlyMap<number, Command>;

  constructor(unit: CommandSurroundings, memory: MemoryOperation) {
    const { features, invalidator, interrupts } = unit;
    this.#unit = unit;
    this.#memory = memory;
    const runs: Readonly<Record<CommandName, Run | null>> = {
      COMPLETION_WAIT: (words) => this.#wait(words),
      INVALIDATE_DEVTAB_ENTRY: (words) => done(() => invalidator.device(INVALIDATE_DEVTAB_ENTRY.DeviceID.get(words))),
      INVALIDATE_IOMMU_PAGES: (words) => this.#invalidatePages(words),
      INVALIDATE_IOTLB_PAGES: (words, at) =>
        unit.deviceInvalidations.run(words, at) ? CommandEnd.DONE : CommandEnd.WAIT,
      INVALIDATE_INTERRUPT_TABLE: (words) =>
        done(() => interrupts.invalidate(INVALIDATE_INTERRUPT_TABLE.DeviceID.get(words))),
      PREFETCH_IOMMU_PAGES: (words) => this.#prefetch(words),
      COMPLETE_PPR_REQUEST: (words) => this.#respond(words),
      INVALIDATE_IOMMU_ALL: () =>
        done(() => {
          invalidator.everything();
          interrupts.everything();
        }),
      INSERT_GUEST_EVENT: null,
      RESET_VMMIO: null,
    };
    const present = COMMANDS.filter(({ needs }) => needs.every((feature) => features.has(feature)));
    this.#commands = new Map(
      present.map(({ code, name, layout, reservedWithout }) => {
        return [code, { reserved: reservedBits(layout, features, reservedWithout), run: runs[name]! }];
      }),
    );
  }

  /** What an opcode means; `undefined` where it is illegal. */
  find(opcode: number): Command | undefined {
    return this.#commands.get(opcode);
  }

  /**
   * Everything before has completed by now except invalidations of device-TLBs, for which the command is fetched again, and
   * requests in flight; the barrier waits for those.
   */
  *#wait(words: Uint32Array): Walk<number> {
    const { S, I, StoreAddress, StoreData } = COMPLETION_WAIT;
    const { deviceInvalidations } = this.#unit;
    const memory = this.#memory;
    if (!deviceInvalidations.isOver(deviceInvalidations.sent)) return CommandEnd.WAIT;
    yield memory.barrier();
    if (S.isSet(words)) {
      const data = StoreData.big(words);
      memory.words[0] = lowOf(data);
      memory.words[1] = highOf(data);
      yield memory.write(StoreAddress.address(words), 2);
      if (!memory.ok) return CommandEnd.HARDWARE_ERROR;
    }
    if (I.isSet(words)) this.#unit.waitCompleted();
    return CommandEnd.DONE;
  }

  #invalidatePages(words: Uint32Array): number {
    const { PASID, DomainID, S, PDE, GN, Address } = INVALIDATE_IOMMU_PAGES;
    this.#unit.invalidator.pages({
      domain: DomainID.get(words),
      pasid: GN.isSet(words) ? PASID.get(words) : null,
      hi: words[3]! | 0,
      lo: words[2]! & Address.mask,
      isRange: S.isSet(words),
      directories: PDE.isSet(words),
    });
    return CommandEnd.DONE;
  }

  /** Fills the caches ahead of requests. What does not translate is no event: the device has asked for nothing. */
  *#prefetch(words: Uint32Array): Walk<number> {
    const { DeviceID, PFCount, PASID, S, GN, Inval, Address } = PREFETCH_IOMMU_PAGES;
    const { translator, invalidator } = this.#unit;
    const t = this.#translation;
    const pasid = GN.isSet(words) ? PASID.get(words) : NO_PASID;
    const [hi, lo] = [words[3]! | 0, words[2]! & Address.mask];
    const first = joinHalves(hi, lo);
    if (Inval.isSet(words)) {
      const device = yield* translator.devices.find(t.ask(DeviceID.get(words), pasid, Access.READ, hi, lo));
      if ('code' in device) return CommandEnd.DONE;
      const gn = pasid === NO_PASID ? null : pasid;
      invalidator.pages({ domain: device.domain, pasid: gn, hi, lo, isRange: S.isSet(words), directories: false });
    }
    const pages = Math.min(PFCount.get(words), MAX_PREFETCHED_PAGES);
    for (let n = 0; n < pages; n++) {
      const address = BigInt.asUintN(64, first + BigInt(n * PAGE_SIZE));
      yield* translator.walk(t.ask(DeviceID.get(words), pasid, Access.READ, highOf(address), lowOf(address)));
      if (t.fault !== null) break;
    }
    return CommandEnd.DONE;
  }

  #respond(words: Uint32Array): number {
    const { DeviceID, PASID, GN, PRGIndex, ResponseCode } = COMPLETE_PPR_REQUEST;
    const code = ResponseCode.get(words);
    this.#unit.devices.respond({
      requester: DeviceID.get(words),
      pasid: GN.isSet(words) ? PASID.get(words) : undefined,
      group: PRGIndex.get(words),
      // Codes that PCIe does not define mean failure.
      code:
        code === PprResponseCode.SUCCESS || code === PprResponseCode.INVALID_REQUEST ? code : PprResponseCode.FAILURE,
    });
    return CommandEnd.DONE;
  }
}

function done(act: () => void): number {
  act();
  return CommandEnd.DONE;
}
