/**
 * Writes the tables and registers of an AMD-Vi unit with literal bit arithmetic, from the fact sheet (amd-vi.md sections 1
 * to 5) and not from the layouts under test, and drives a rig with them.
 */
import type { DeviceMessage, DmaRequest, DmaResult, HostMemory, Rig, TranslateRequest } from '../../hardware/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { type AmdCaches, amdUnit } from '../../hardware/rig/amd.ts';
import { UnitRig } from '../../hardware/rig/unit-rig.ts';
import { type DeviceFields, deviceEntry } from './device-entry.ts';
import { ALL_2, ALL as EVERYTHING } from './parts.ts';

/** Byte offsets of registers (section 1.4). */
export const REG = {
  DEVICE_TABLE: 0x0000,
  COMMAND_BASE: 0x0008,
  EVENT_BASE: 0x0010,
  CONTROL: 0x0018,
  EXCLUSION_BASE: 0x0020,
  EXCLUSION_LIMIT: 0x0028,
  PPR_BASE: 0x0038,
  SEGMENT_1: 0x0100,
  COMMAND_HEAD: 0x2000,
  COMMAND_TAIL: 0x2008,
  EVENT_HEAD: 0x2010,
  EVENT_TAIL: 0x2018,
  STATUS: 0x2020,
  PPR_HEAD: 0x2030,
  PPR_TAIL: 0x2038,
  AUTO_RESPONSE: 0x2080,
} as const;

/** Bits of Control (section 1.5). */
export const IOMMU_EN = 1n << 0n;
export const EVENT_LOG_EN = 1n << 2n;
export const COMMANDS_EN = 1n << 12n;
export const PPR_LOG_EN = 1n << 13n;
export const PPR_EN = 1n << 15n;
export const GT_EN = 1n << 16n;
export const EPH_EN = 1n << 45n;
export const GD_UPDATE_DIS = 1n << 48n;
export const GA_UPDATE_DIS = 1n << 54n;
export const GCR3_TRP = 1n << 58n;
/** Bits of Status (section 1.7). */
export const EVENT_RUN = 1n << 3n;
export const COMMANDS_RUN = 1n << 4n;

/** Every feature but SNP, which gives the exclusion range another meaning, and counters, which need a larger page. */
export const ALL = EVERYTHING & ~(1n << 63n) & ~(1n << 9n);

/** Where everything lies; all of it in the first 4 MiB. */
export const COMMANDS = 0x1_0000n;
export const EVENTS = 0x1_1000n;
export const REQUESTS = 0x1_2000n;
export const STORE = 0x1_3000n;
/** One table per level: the table of level n is n pages behind. */
export const HOST = 0x2_0000n;
export const GUEST = 0x3_0000n;
export const GCR3 = 0x4_0000n;
export const DATA = 0x10_0000n;
export const DEVICE_TABLE = 0x20_0000n;
export const RAM = 0x40_0000n;

/** 256 entries of 16 bytes. */
const SHORTEST = 0x0800_0000_0000_0000n;
const RING_BYTES = 4096n;

/** The device of most tests: bus 1, device 1, function 0. */
export const DEVICE = 0x0108;
export const DOMAIN = 5;
export const PASID = 0x21;

/** Bits of a host entry (section 3.1): PR with IR, IW or both. */
export const PR = 1n;
export const IR = 1n << 61n;
export const IW = 1n << 62n;
export const RW = PR | IR | IW;
export const level = (next: number): bigint => BigInt(next) << 9n;
/** Bits of a guest entry (section 3.4): P, RW, US. */
export const USER_PAGE = 7n;
export const ACCESSED = 1n << 5n;
export const DIRTY = 1n << 6n;
export const PS = 1n << 7n;
export const NX = 1n << 63n;

export const hostAt = (n: number): bigint => HOST + BigInt(n) * 4096n;
export const guestAt = (n: number): bigint => GUEST + BigInt(n) * 4096n;
export const gcr3At = (n: number): bigint => GCR3 + BigInt(n) * 4096n;

export const NO_CACHES: AmdCaches = { iotlb: null, deviceTableCache: null };
export const ALL_CACHES: AmdCaches = {
  iotlb: { sets: 16, ways: 4 },
  deviceTableCache: { sets: 4, ways: 4 },
  gcr3Cache: { sets: 4, ways: 4 },
  hostDirectoryCache: { sets: 16, ways: 4 },
  guestDirectoryCache: { sets: 16, ways: 4 },
  interruptEntryCache: { sets: 4, ways: 4 },
};

export interface BenchOptions {
  readonly efr?: bigint;
  readonly efr2?: bigint;
  readonly capHeader?: bigint;
  readonly caches?: AmdCaches;
  readonly ram?: bigint;
  /** Devices complete invalidations when the test says so. */
  readonly awaits?: boolean;
}

/** An access of the unit to memory; `exchange` is the atomic update of flags. */
export interface MemoryAccess {
  readonly kind: 'read' | 'write' | 'exchange';
  readonly address: bigint;
  readonly length: number;
}

/** INVALIDATE_IOMMU_ALL. */
export const INVALIDATE_ALL: Pair = [0x8000_0000_0000_0000n, 0n];

export type Pair = readonly [lo: bigint, hi: bigint];

export class Bench {
  readonly rig: Rig;
  readonly memory: PhysicalMemory;
  readonly messages: { readonly address: bigint; readonly data: number }[] = [];
  /** What the unit sent to devices. */
  readonly sent: DeviceMessage[] = [];
  /** Accesses to memory by the unit, and by devices that it lets through. */
  readonly accesses: MemoryAccess[] = [];
  /** Told before an atomic update, which software may beat. */
  meanwhile: (address: bigint) => void = () => {};
  #tail = 0n;

  constructor({
    efr = ALL,
    efr2 = ALL_2,
    capHeader,
    caches = NO_CACHES,
    ram = RAM,
    awaits = false,
  }: BenchOptions = {}) {
    this.memory = new PhysicalMemory([[0, Number(ram)]]);
    const capabilities = { efr, efr2, ...(capHeader === undefined ? {} : { capHeader }) };
    const options = {
      vendor: 'amd' as const,
      capabilities,
      memory: this.#watched(),
      onMsi: (address: bigint, data: number) => this.messages.push({ address, data }),
      onDeviceMessage: (message: DeviceMessage) => this.sent.push(message),
      awaitInvalidations: awaits,
    };
    this.rig = new UnitRig(options, amdUnit(options, capabilities, caches));
    this.set(REG.DEVICE_TABLE, DEVICE_TABLE | 0x1ffn);
    this.set(REG.COMMAND_BASE, SHORTEST | COMMANDS);
    this.set(REG.EVENT_BASE, SHORTEST | EVENTS);
    this.set(REG.PPR_BASE, SHORTEST | REQUESTS);
  }

  write64(address: bigint, ...values: readonly bigint[]): this {
    values.forEach((value, i) => {
      this.memory.write64(Number(address) + i * 8, value);
    });
    return this;
  }

  read64(address: bigint): bigint {
    return this.memory.read64(Number(address))!;
  }

  set(offset: number, value: bigint, size = 8): this {
    this.rig.writeRegister(offset, size, value);
    return this;
  }

  get(offset: number, size = 8): bigint {
    return this.rig.readRegister(offset, size);
  }

  /** Switches the unit on, with its rings. */
  enable(control = GT_EN): this {
    return this.set(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN | COMMANDS_EN | control);
  }

  device(fields: DeviceFields = {}, deviceId = DEVICE): this {
    return this.write64(
      DEVICE_TABLE + BigInt(deviceId) * 32n,
      ...deviceEntry({ domain: DOMAIN, root: hostAt(fields.mode ?? 0), ...fields }),
    );
  }

  /** One entry of the standing table of a level. */
  host(n: number, index: number, value: bigint): this {
    return this.write64(hostAt(n) + BigInt(index) * 8n, value);
  }

  guest(n: number, index: number, value: bigint): this {
    return this.write64(guestAt(n) + BigInt(index) * 8n, value);
  }

  /** A device with host tables that all point down at index 0; the leaf maps DATA. */
  usual(fields: DeviceFields = {}, leaf = DATA | RW): this {
    const { mode = 4 } = fields;
    for (let n = mode; n > 1; n--) this.host(n, 0, hostAt(n - 1) | RW | level(n - 1));
    return this.device({ mode, ...fields }).host(1, 0, leaf);
  }

  /** A device without host tables, whose PASID has guest tables that all point down at index 0; the leaf maps DATA. */
  guests(fields: DeviceFields = {}, leaf = DATA | USER_PAGE): this {
    this.device({ mode: 0, gcr3: GCR3, ...fields });
    const top = fields.fiveLevels === true ? 5 : 4;
    this.write64(GCR3 + BigInt(PASID) * 8n, guestAt(top) | 1n);
    for (let n = top; n > 1; n--) this.guest(n, 0, guestAt(n - 1) | USER_PAGE);
    return this.guest(1, 0, leaf);
  }

  /** Host tables that lead every guest address below 2 MiB to itself, page by page. */
  identity(fields: DeviceFields = {}): this {
    this.usual({ mode: 3, ...fields });
    for (let page = 0; page < 512; page++) this.host(1, page, (BigInt(page) << 12n) | RW);
    return this;
  }

  /** Writes commands at the tail and moves it past them. */
  submit(...commands: readonly Pair[]): this {
    for (const pair of commands) {
      this.write64(COMMANDS + this.#tail, ...pair);
      this.#tail = (this.#tail + 16n) % RING_BYTES;
    }
    return this.set(REG.COMMAND_TAIL, this.#tail);
  }

  /** The events since the last call. */
  events(): readonly Pair[] {
    const events: Pair[] = [];
    const tail = this.get(REG.EVENT_TAIL);
    for (let at = this.get(REG.EVENT_HEAD); at !== tail; at = (at + 16n) % RING_BYTES) {
      events.push([this.read64(EVENTS + at), this.read64(EVENTS + at + 8n)]);
    }
    this.set(REG.EVENT_HEAD, tail);
    return events;
  }

  /** The page requests in the log. */
  requests(): readonly Pair[] {
    const count = Number(this.get(REG.PPR_TAIL) - this.get(REG.PPR_HEAD)) / 16;
    const first = REQUESTS + this.get(REG.PPR_HEAD);
    return Array.from({ length: count }, (_, i) => {
      const at = first + BigInt(i) * 16n;
      return [this.read64(at), this.read64(at + 8n)];
    });
  }

  read(address: bigint, more: Partial<DmaRequest> = {}): DmaResult {
    return this.rig.dma({ requester: DEVICE, address, length: 4, write: false, ...more });
  }

  write(address: bigint, more: Partial<DmaRequest> = {}): DmaResult {
    return this.rig.dma({ requester: DEVICE, address, data: new Uint8Array(4), write: true, ...more });
  }

  /** An access that is only translated, and not done. */
  ask(address: bigint, more: Partial<TranslateRequest> = {}): DmaResult {
    return this.rig.translate({ requester: DEVICE, address, write: false, ...more });
  }

  /** The reads of tables since the last call, without the device table entry's. */
  tableReads(): number {
    const reads = this.accesses.filter(({ kind, length }) => kind === 'read' && length === 8).length;
    this.accesses.length = 0;
    return reads;
  }

  #watched(): HostMemory {
    const { memory, accesses } = this;
    const note = (kind: MemoryAccess['kind'], address: bigint, length: number): void => {
      accesses.push({ kind, address, length });
    };
    return {
      read: (address, length) => {
        note('read', address, length);
        return memory.read(Number(address), length) ?? new Uint8Array(0);
      },
      write: (address, bytes) => {
        note('write', address, bytes.length);
        if (!memory.write(Number(address), bytes)) throw new Error('nothing is there');
      },
      compareExchange64: (address, expected, next) => {
        note('exchange', address, 8);
        this.meanwhile(address);
        const found = memory.read64(Number(address))!;
        if (found === expected) memory.write64(Number(address), next);
        return found;
      },
    };
  }
}

/** Physical address of the first byte, the condition's name, or the status. */
export function outcome(result: DmaResult): bigint | string {
  if (result.ok) return result.segments[0]?.address ?? 'no segment';
  return result.fault?.name ?? result.status;
}
