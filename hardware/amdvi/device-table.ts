/**
 * The device table: finds and decodes the entry that says how a device's requests are treated. An entry is checked once,
 * when it is fetched; what depends on the request is checked when the request comes.
 */
import { anySet, highHalf, lowHalf, type RegisterFile, reservedBits } from '../bits/index.ts';
import {
  EntryCache,
  type EntryCacheSpec,
  type Era,
  type IommuProbe,
  NO_DOMAIN,
  type PerformanceEvents,
  type Translation,
  type Walk,
  type Walker,
} from '../iommu/index.ts';
import type { Contexts } from './contexts.ts';
import type { Features } from './features.ts';
import {
  type AmdFault,
  CONTROL,
  CounterSource,
  DEVICE_TABLE_BASE,
  DEVICE_TABLE_SEGMENT,
  DTE,
  DTE_RESERVED_WITHOUT,
  FAULTS,
  GuestPagingMode,
  HostAccessedDirty,
  HostMode,
} from './spec/index.ts';

/** Top of a host table. */
export interface HostTable {
  readonly table: number;
  readonly tableHi: number;
  readonly tableLo: number;
  /** DTE.Mode. */
  readonly level: number;
  /** DTE.HAD: accessed flags are kept, and dirty flags too. */
  readonly accessed: boolean;
  readonly dirty: boolean;
  readonly domain: number;
  readonly context: number;
}

/** What leads to a device's guest tables. */
export interface GuestTables {
  readonly gcr3: number;
  /** Levels of the GCR3 table, and of the guest tables. */
  readonly gcr3Levels: number;
  readonly levels: 4 | 5;
  /** GIoV. */
  readonly forRequestsWithoutPasid: boolean;
}

export interface DeviceEntry {
  /** V, IV: which half counts. */
  readonly valid: boolean;
  readonly interruptsValid: boolean;
  /** What makes the memory half unusable, and the interrupt half. */
  readonly fault: AmdFault | null;
  readonly interruptFault: AmdFault | null;
  /** TV. */
  readonly translates: boolean;
  /** PLAIN and `rights`, or nothing: what a request may use that the IOTLB answers. */
  readonly grants: number;
  readonly domain: number;
  /** Tag of what is cached: see contexts.ts. */
  readonly context: number;
  /** IR and IW. */
  readonly rights: number;
  /** `null` when Mode is 0: guest physical addresses are system physical ones. */
  readonly host: HostTable | null;
  readonly guest: GuestTables | null;
  /** I. */
  readonly deviceTlb: boolean;
  /** SE and SA. */
  readonly logsOnce: boolean;
  readonly logsNone: boolean;
  /** EX. */
  readonly usesExclusion: boolean;
  /** PPR and GPRP. */
  readonly pageRequests: boolean;
  readonly respondsWithPasid: boolean;
  /** Mode0FC: accesses snoop where there is no host table. */
  readonly snoop: boolean;
  /** The entry as it was read, of which the interrupt remapper takes its half. */
  readonly words: Uint32Array;
  /** With SE: the first fault has been logged. */
  muted: boolean;
}

/** Who an entry is for: a request to memory, or an interrupt. */
export type DeviceRequest = Pick<Translation, 'requester' | 'pasid' | 'memory'> & Walker;

/** What is counted of look-ups. */
export const COUNTED = {
  memory: { hit: CounterSource.MEM_DTE_HIT, miss: CounterSource.MEM_DTE_MISS },
  interrupt: { hit: CounterSource.INT_DTE_HIT, miss: CounterSource.INT_DTE_MISS },
} as const;
type Counted = (typeof COUNTED)[keyof typeof COUNTED];

/** Nothing stands in the way of answers from the IOTLB but the rights. */
export const PLAIN = 1 << 2;
const ENTRY_WORDS = DTE.$.words;
const DEVICE_ID_BITS = 16;
const PAGE = 4096;
const WORDS_OF_HALF = ENTRY_WORDS / 2;

export class DeviceTable {
  readonly cache: EntryCache<DeviceEntry> | null;
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  readonly #features: Features;
  readonly #file: RegisterFile;
  readonly #era: Era;
  readonly #contexts: Contexts;
  readonly #reserved: Uint32Array;

  constructor(
    features: Features,
    file: RegisterFile,
    { cache, era, contexts }: { cache: EntryCacheSpec | null; era: Era; contexts: Contexts },
  ) {
    this.cache = cache === null ? null : new EntryCache(cache);
    this.#features = features;
    this.#file = file;
    this.#era = era;
    this.#contexts = contexts;
    this.#reserved = reservedBits(DTE, features, DTE_RESERVED_WITHOUT);
  }

  /** The entry of a device that is cached, or `null`. */
  cached(deviceId: number): DeviceEntry | null {
    return this.cache?.find(deviceId) ?? null;
  }

  /** The entry of the request's device, or the condition that keeps it from being found. */
  *find(t: DeviceRequest, counted: Counted = COUNTED.memory): Walk<DeviceEntry | AmdFault> {
    const { memory, requester } = t;
    const found = this.cache?.find(requester, !t.effects) ?? null;
    if (this.counters !== null && t.effects) {
      this.counters.count(found === null ? counted.miss : counted.hit, requester, NO_DOMAIN, t.pasid, 0);
    }
    if (this.probe !== null) this.probe.cache('device table cache', found !== null, `device ${requester}`);
    if (found !== null) return found;
    const at = this.locate(requester);
    if (at < 0) return FAULTS.DEVICE_ID;
    yield memory.read(at, ENTRY_WORDS);
    if (!memory.ok) return FAULTS.DTE_READ;
    if (this.probe !== null) this.probe.read(DTE.$.name, at, memory.words, ENTRY_WORDS);
    const entry = this.decode(memory.words.slice(0, ENTRY_WORDS), !t.effects);
    const isPresent = entry.valid || entry.interruptsValid;
    if (this.#era.mayFill(t) && (isPresent || this.#features.has('NpCache'))) this.cache?.insert(requester, entry);
    return entry;
  }

  /** Address of a device's entry, or -1 beyond the table. With segments the upper bits of the device id choose one. */
  locate(deviceId: number): number {
    const { words } = this.#file;
    const bits = DEVICE_ID_BITS - CONTROL.DevTblSegEn.get(words);
    const segment = deviceId >>> bits;
    const base = segment === 0 ? DEVICE_TABLE_BASE : DEVICE_TABLE_SEGMENT[segment - 1]!;
    const offset = (deviceId & (2 ** bits - 1)) * ENTRY_WORDS * 4;
    if (offset >= (base.Size.get(words) + 1) * PAGE) return -1;
    return base.DevTabBase.address(words) + offset;
  }

  /** `isQuestion`: nothing is kept of it. */
  decode(words: Uint32Array, isQuestion: boolean): DeviceEntry {
    const domain = DTE.DomainID.get(words);
    const had = DTE.HAD.get(words);
    const mode = DTE.Mode.get(words);
    const table = DTE.HostPTRoot.address(words);
    const guest = DTE.GV.isSet(words) ? guestOf(words) : null;
    const tables = guest === null ? [] : [guest.gcr3, guest.gcr3Levels, guest.levels];
    const context = this.#contexts.of(domain, [mode, table, ...tables], isQuestion);
    const valid = DTE.V.isSet(words);
    const interruptsValid = DTE.IV.isSet(words);
    const fault = valid ? this.#check(words, mode) : null;
    const translates = DTE.TV.isSet(words);
    const rights = (words[DTE.IR.word]! & GRANTS) >>> DTE.IR.shift;
    return {
      valid,
      interruptsValid,
      fault,
      interruptFault: interruptsValid ? this.#checkInterrupts(words) : null,
      translates,
      grants: valid && fault === null && translates ? PLAIN | rights : 0,
      domain,
      context,
      rights,
      host:
        mode === HostMode.NONE
          ? null
          : {
              table,
              tableHi: highHalf(table),
              tableLo: lowHalf(table),
              level: mode,
              accessed: had !== HostAccessedDirty.NONE && this.#features.has('HASup'),
              dirty: had === HostAccessedDirty.BOTH && this.#features.has('HDSup'),
              domain,
              context,
            },
      guest,
      deviceTlb: DTE.I.isSet(words),
      logsOnce: DTE.SE.isSet(words),
      logsNone: DTE.SA.isSet(words),
      usesExclusion: DTE.EX.isSet(words),
      pageRequests: DTE.PPR.isSet(words),
      respondsWithPasid: DTE.GPRP.isSet(words),
      snoop: DTE.AttrV.isSet(words) && DTE.Mode0FC.isSet(words),
      words,
      muted: false,
    };
  }

  #check(words: Uint32Array, mode: number): AmdFault | null {
    if (anySet(words, this.#reserved.subarray(0, WORDS_OF_HALF))) return FAULTS.DTE_RESERVED;
    if (mode > this.#features.hostLevels || DTE.IoCtl.get(words) === RESERVED_CODE) return FAULTS.DTE_ENCODING;
    if (DTE.HAD.get(words) === RESERVED_HAD) return FAULTS.DTE_ENCODING;
    if (!DTE.GV.isSet(words)) return null;
    const levels = DTE.GuestPagingMode.get(words);
    if (DTE.GLX.get(words) >= this.#features.gcr3Levels || levels > GuestPagingMode.FIVE_LEVEL)
      return FAULTS.DTE_ENCODING;
    return levels + FEWEST_GUEST_LEVELS > this.#features.guestLevels ? FAULTS.DTE_ENCODING : null;
  }

  #checkInterrupts(words: Uint32Array): AmdFault | null {
    if (anySet(words.subarray(WORDS_OF_HALF), this.#reserved.subarray(WORDS_OF_HALF))) return FAULTS.DTE_RESERVED;
    const tooLong = DTE.IntTabLen.get(words) > LONGEST_INTERRUPT_TABLE;
    return tooLong || DTE.IntCtl.get(words) === RESERVED_CODE ? FAULTS.DTE_ENCODING : null;
  }
}

/** IR and IW as they stand in their word. */
const GRANTS = DTE.IR.mask | DTE.IW.mask;
/** The value of a two-bit field that is reserved. */
const RESERVED_CODE = 0b11;
const RESERVED_HAD = 0b10;
const LONGEST_INTERRUPT_TABLE = 11;
const FEWEST_GUEST_LEVELS = 4;

function guestOf(words: Uint32Array): GuestTables {
  const gcr3 =
    DTE.GCR3_51_31.get(words) * 2 ** 31 + DTE.GCR3_30_15.get(words) * 2 ** 15 + DTE.GCR3_14_12.get(words) * 2 ** 12;
  return {
    gcr3,
    gcr3Levels: DTE.GLX.get(words) + 1,
    levels: DTE.GuestPagingMode.get(words) === GuestPagingMode.FIVE_LEVEL ? 5 : 4,
    forRequestsWithoutPasid: DTE.GIoV.isSet(words),
  };
}
