/** Software of an AMD-Vi unit for the contract, in literal bits (amd-vi.md sections 1 to 5 and 9). */
import { AmdViUnit } from '../../../hardware/amdvi/index.ts';
import { Access, NO_PASID } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import {
  type IommuDriver,
  type IommuSubject,
  type Page,
  REQUESTER,
  type Report,
  type Target,
} from '../../contracts/iommu-bench.ts';
import { Pages, put, Radix } from './radix.ts';

const REG = {
  DEVICE_TABLE: 0x0000,
  COMMANDS: 0x0008,
  EVENTS: 0x0010,
  CONTROL: 0x0018,
  REQUESTS: 0x0038,
  COMMAND_TAIL: 0x2008,
  EVENT_HEAD: 0x2010,
  EVENT_TAIL: 0x2018,
  REQUEST_HEAD: 0x2030,
  REQUEST_TAIL: 0x2038,
} as const;

const COMMANDS = 0x5000;
const INTERRUPTS = 0x6000;
const REQUESTS = 0x7000;
const EVENTS = 0x8000;
const GCR3 = 0x9000;
const DEVICES = 0x4_0000;
const TABLES = 0x10_0000;
/** Length 8: rings of 256 entries, 4 KiB. */
const RING = 0x0800_0000_0000_0000n;
const RING_BYTES = 4096n;
const PASID = 5;

/** PPRSup, GTSup, IASup, HATS 6 levels, GATS 5, GLXSup 3, PASMax 20 bits, GIoSup. */
const EFR = 0x0001_0013_0000_9852n;
/** IommuEn, EventLogEn, CmdBufEn, PPRLogEn, PPREn and GTEn. */
const ON = 0x1_b005n;

const HOST = {
  levels: 4,
  table: (level: number, at: bigint) => at | 0x6000_0000_0000_0001n | (BigInt(level - 1) << 9n),
  leaf: (_: number, at: bigint, rights: number) => at | (BigInt(rights) << 61n) | 1n,
};
/** P, RW, US, A and D; and PS above the first level. */
const GUEST = {
  levels: 4,
  table: (_: number, at: bigint) => at | 0x27n,
  leaf: (level: number, at: bigint, rights: number) =>
    at | (rights === Access.READ ? 0x65n : 0x67n) | (level > 1 ? 0x80n : 0n),
};

const MODES = {
  v1: { host: true, guest: false },
  v2: { host: false, guest: true },
  nested: { host: true, guest: true },
  'pass-through': { host: false, guest: false },
} as const;
type Mode = (typeof MODES)[keyof typeof MODES];

class AmdDriver implements IommuDriver {
  readonly unit: AmdViUnit;
  readonly #memory: PhysicalMemory;
  readonly #mode: Mode;
  #pages: Radix | null = null;
  #tail = 0;

  constructor(memory: PhysicalMemory, mode: Mode) {
    const small = { sets: 4, ways: 4 };
    this.unit = new AmdViUnit(
      {
        features: { efr: EFR },
        hostAddressWidth: 52,
        ...{ iotlb: small, deviceTableCache: small, gcr3Cache: small, interruptEntryCache: small },
        ...{ hostDirectoryCache: small, guestDirectoryCache: small },
      },
      { memory, raiseMsi: () => {} },
    );
    this.#memory = memory;
    this.#mode = mode;
  }

  enable(): void {
    const memory = this.#memory;
    const { host, guest } = this.#mode;
    for (const table of [INTERRUPTS, GCR3, DEVICES]) memory.write(table, new Uint8Array(4096));
    memory.write(TABLES, new Uint8Array(0x2_0000));
    const taken = new Pages(TABLES);
    const hosts = new Radix(memory, taken, HOST);
    const guests = new Radix(memory, taken, GUEST);
    if (host && guest) hosts.identity();
    this.#pages = guest ? guests : hosts;
    put(memory, GCR3 + PASID * 8, BigInt(guests.top) | 1n);
    // V, TV, IR and IW; Mode 4; GV and GCR3 bits 14:12, which are all there are.
    const tables = (host ? BigInt(hosts.top) | 0x800n : 0n) | (guest ? (1n << 55n) | (1n << 58n) : 0n);
    // Domain 1, GCR3 bits 30:15 and I; IV, 256 interrupts, IntCtl 10b.
    const second = 0x1_0000_0001n | (guest ? 1n << 16n : 0n);
    const interrupts = 0x2000_0000_0000_0011n | BigInt(INTERRUPTS);
    put(memory, DEVICES + REQUESTER * 32, 0x6000_0000_0000_0003n | tables, second, interrupts, 0n);
    // The other devices have V and TV, and no rights.
    for (let n = 0; n < 128; n++) if (n !== REQUESTER) put(memory, DEVICES + n * 32, 3n, 2n);
    const { unit } = this;
    unit.write(REG.DEVICE_TABLE, 8, BigInt(DEVICES));
    unit.write(REG.COMMANDS, 8, BigInt(COMMANDS) | RING);
    unit.write(REG.EVENTS, 8, BigInt(EVENTS) | RING);
    unit.write(REG.REQUESTS, 8, BigInt(REQUESTS) | RING);
    unit.write(REG.CONTROL, 8, ON);
    this.#tail = 0;
  }

  map({ iova, to, shift, rights }: Page): void {
    this.#pages!.map(iova, to, shift, rights);
  }

  route(index: number, target: Target | null): void {
    const entry = target === null ? 0 : 1 | (target.destination << 8) | (target.vector << 16);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, entry, true);
    this.#memory.write(INTERRUPTS + index * 4, bytes);
  }

  message(index: number): readonly [number, number] {
    return [0xfee0_0000, index];
  }

  /** The device's entry, its interrupts, and its domain's translations without PASID and with. */
  invalidate(): void {
    const all = 0x7fff_ffff_ffff_f003n;
    this.#submit(0x2000_0000_0000_0000n | BigInt(REQUESTER), 0n);
    this.#submit(0x5000_0000_0000_0000n | BigInt(REQUESTER), 0n);
    this.#submit(0x3000_0001_0000_0000n, all);
    this.#submit(0x3000_0001_0000_0000n | BigInt(PASID), all | 4n);
  }

  reports(): Report[] {
    const found: Report[] = [];
    this.#drain(EVENTS, REG.EVENT_HEAD, REG.EVENT_TAIL, (lo, hi) => {
      const isInterrupt = ((lo >> 51n) & 1n) !== 0n;
      const hasPasid = ((lo >> 48n) & 1n) !== 0n;
      found.push({
        kind: isInterrupt ? 'interrupt' : ((lo >> 53n) & 1n) !== 0n ? 'write' : 'read',
        requester: Number(lo & 0xffffn),
        pasid: hasPasid ? Number(((lo >> 32n) & 0xffffn) | (lo & 0xf_0000n)) : NO_PASID,
        page: Number(hi & ~0xfffn),
      });
    });
    return found;
  }

  answerPageRequests(): void {
    this.#drain(REQUESTS, REG.REQUEST_HEAD, REG.REQUEST_TAIL, (lo) => {
      const isLast = ((lo >> 41n) & 1n) !== 0n;
      const hasPasid = ((lo >> 56n) & 1n) !== 0n;
      const pasid = ((lo >> 16n) & 0xffffn) | (((lo >> 42n) & 0xfn) << 16n);
      if (!isLast) return;
      this.#submit(
        0x7000_0000_0000_0000n | (pasid << 32n) | (lo & 0xffffn),
        (lo & 0x1ff_0000_0000n) | (hasPasid ? 4n : 0n),
      );
    });
  }

  #drain(ring: number, headAt: number, tailAt: number, take: (lo: bigint, hi: bigint) => void): void {
    const { unit } = this;
    let head = unit.read(headAt, 8);
    for (; head !== unit.read(tailAt, 8); head = (head + 16n) % RING_BYTES) {
      const at = ring + Number(head);
      take(this.#memory.read64(at)!, this.#memory.read64(at + 8)!);
    }
    unit.write(headAt, 8, head);
  }

  #submit(lo: bigint, hi: bigint): void {
    put(this.#memory, COMMANDS + this.#tail, lo, hi);
    this.#tail = (this.#tail + 16) % Number(RING_BYTES);
    this.unit.write(REG.COMMAND_TAIL, 8, BigInt(this.#tail));
  }
}

export const AMD: readonly IommuSubject[] = Object.entries(MODES).map(([name, mode]) => ({
  name: `AMD-Vi, ${name}`,
  pasid: mode.guest ? PASID : NO_PASID,
  passes: !mode.host && !mode.guest,
  registerBytes: 0x4000,
  drive: (memory) => new AmdDriver(memory, mode),
}));
