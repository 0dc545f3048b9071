/**
 * Programs that end while their devices are busy: two devices with DMA under way, one of which asks for pages, in a space and in
 * one that is nested on it. What must not happen is looked for: something is left, a device writes into memory that is not its
 * program's any more, a page request is answered twice or never.
 */
import { expect } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { DeviceMessage } from '../../hardware/iommu/index.ts';
import type { Link } from '../../hardware/pcie/index.ts';
import { type Script, type Task, us } from '../../hardware/sim/index.ts';
import { NO_PASID } from '../../src/kernel/iommu/attachments.ts';
import type { DomainIds } from '../../src/kernel/iommu/domain-ids.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import type { Process } from '../../src/kernel/process.ts';
import type { Program } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { held } from './fault-points-bench.ts';
import { askerAt, DEVICE, pciDevice } from './fault-queue-bench.ts';
import { DEV, type MachineBench, PAGE, PORT_RID, RIDS } from './machine-bench.ts';
import { requestsUnder } from './page-request-bench.ts';
import { ask, behind, scalableBench } from './scalable-bench.ts';
import type { Personality } from './teardown-personalities.ts';

const K4 = BigInt(PAGE);
const PAGES = 8;
/** Where the root has the program's memory, and where the nested space has the root. */
export const GPA = 0x10_0000n;
export const GIOVA = 0x80_0000n;
/** Where nothing is mapped. */
export const NOWHERE = 0x4000_0000;

const TRUSTING = { slot: askerAt, deviceTlbs: true, kernel: { trustDevices: true } } as const;
/** Until the port's interrupt has been handled: registers of the port are read and written. */
const HEARD = us(5);
/** Of the port. */
const SLOT_CONTROL = 0x58;
/** Presence Detect Changed Enable, Hot-Plug Interrupt Enable, Data Link Layer State Changed Enable. */
const ALL_EVENTS = 0x1028;

export const VENDORS: readonly (readonly [vendor: string, make: () => MachineBench])[] = [
  ['VT-d', () => scalableBench(TRUSTING)],
  ['AMD-Vi', () => AmdBench.up({ efr: GUEST_EFR, ...TRUSTING })],
];

export class Busy {
  readonly bench: MachineBench;
  readonly program: Program;
  readonly api: Personality;
  /** Responses on the wire, by the device's number for the group. */
  readonly answers = new Map<number, number>();
  /** Writes of hardware to memory: how many, and to which pages that nobody has. */
  readonly writes = { count: 0, strays: [] as string[] };
  readonly threads: Task<unknown>[] = [];
  fd = -1;
  plainFd = -1;
  askerFd = -1;
  root = -1;
  child = -1;
  memory = -1n;
  readonly asker: PciDevice;
  #asked = 0;
  readonly #before: object;

  constructor(bench: MachineBench, api: Personality) {
    this.bench = bench;
    this.api = api;
    this.#before = this.#state();
    this.program = bench.program();
    this.asker = pciDevice(bench);
    const { devices } = bench.unit;
    const carry = devices.taker!;
    devices.taker = (message: DeviceMessage) => {
      if (message.kind === 'page group response') {
        this.answers.set(message.group, (this.answers.get(message.group) ?? 0) + 1);
      }
      carry(message);
    };
    watchMemory(bench, this.writes);
  }

  /** The asker in the root, the plain device in the nested space, and both at work; `idle`: they only wait for pages. */
  *start({ idle = false } = {}): Script<this> {
    const { program, api } = this;
    this.memory = yield* program.mmap(PAGES * PAGE, { populate: true });
    this.fd = yield* program.open(api.path);
    this.plainFd = yield* program.open(DEV[0]);
    this.askerFd = yield* program.open(DEVICE);
    for (const [i, fd] of [this.plainFd, this.askerFd].entries()) {
      expect(yield* api.bind(program, fd, this.fd, BigInt(i))).toBe(0);
    }
    this.root = yield* api.alloc(program, this.fd);
    for (const fd of [this.plainFd, this.askerFd]) {
      expect(yield* api.attach(program, fd, this.fd, this.root)).toBe(0);
    }
    const { root } = this;
    const size = BigInt(PAGES) * K4;
    expect(yield* api.map(program, this.fd, { ioasid: root, iova: GPA, vaddr: this.memory, size })).toBe(0);
    this.child = yield* api.nest(program, this.fd, root);
    expect(yield* api.attach(program, this.plainFd, this.fd, this.child)).toBe(0);
    const nested = { ioasid: this.child, iova: GIOVA, vaddr: GPA, size };
    expect(yield* api.map(program, this.fd, nested)).toBe(0);
    this.askForPages(2);
    if (idle) return this;
    this.work(program, this.plainFd, GIOVA);
    this.work(program, this.askerFd, GPA);
    return this;
  }

  /** A thread of a program whose device writes again and again, until the program has it no longer. */
  work(program: Program, fd: number, iova: bigint): void {
    const { api, bench } = this;
    this.threads.push(bench.engine.spawn(api.writing(program, fd, iova, PAGES * PAGE), `the work of ${program.name}`));
  }

  /** A thread that may find that its process has ended under it. */
  thread(body: () => Script<unknown>): void {
    this.threads.push(this.bench.engine.spawn(mortal(body), 'a thread'));
  }

  /** Somebody pulls the asking device out, and the kernel hears of it from the port. */
  *pullOut(): Script {
    this.#slot.unplug();
    yield HEARD;
    expect(this.bench.kernel.devices.map(({ rid }) => rid)).toEqual([...RIDS]);
  }

  /** The same, but the port does not tell. */
  *pullOutSilently(): Script {
    yield* this.bench.bus.configWrite(PORT_RID, SLOT_CONTROL, 2, 0);
    this.#slot.unplug();
    yield HEARD;
    expect(this.bench.kernel.devices).toContain(this.asker);
  }

  /** The port may tell again, and what has happened in between was an event. */
  letPortTell(): Script {
    return this.bench.bus.configWrite(PORT_RID, SLOT_CONTROL, 2, ALL_EVENTS);
  }

  /** Page requests of the device, each a group of its own. */
  askForPages(count: number): void {
    const device = this.asker;
    for (let i = 0; i < count; i++) {
      const group = ++this.#asked;
      requestsUnder(NO_PASID)(this.bench, device, { address: NOWHERE + group * PAGE, group });
    }
  }

  /** After everything has ended: nothing is left, nothing has gone astray, and every page request was answered once. */
  expectNothingLeft(): void {
    expect(this.threads.every(({ ended }) => ended)).toBe(true);
    expect((this.program.system as Process).files.descriptors).toEqual([]);
    expect(this.#state()).toEqual(this.#before);
    expect(this.bench.kernel.log.toString()).not.toContain('never used again');
    expect(this.writes.strays).toEqual([]);
    if (this.threads.length > 0) expect(this.writes.count).toBeGreaterThan(PAGES);
    const asked = Array.from({ length: this.#asked }, (_, i) => [i + 1, 1] as const);
    if (this.#slot.isOccupied) expect([...this.answers].sort(([a], [b]) => a - b)).toEqual(asked);
    for (const rid of [RIDS[0], this.asker.rid]) {
      for (const iova of [GPA, GIOVA]) expect(typeof ask(this.bench, rid, NO_PASID, Number(iova))).toBe('string');
    }
  }

  get #slot(): Link {
    return this.bench.slot!;
  }

  #state(): object {
    const { kernel } = this.bench;
    const { domainIds, attachments } = behind(this.bench).driver as unknown as {
      domainIds: DomainIds;
      attachments: { uses(device: object): boolean };
    };
    const used = behind(this.bench).devices.filter((device) => attachments.uses(device));
    return { ...held(kernel), ids: [...domainIds.used], used: used.map(({ address }) => address) };
  }
}

/** What a thread does until its process ends. */
function* mortal(body: () => Script<unknown>): Script {
  try {
    yield* body();
  } catch (cause) {
    if (!(cause instanceof Error && cause.message.startsWith('segmentation fault'))) throw cause;
  }
}

/** Notes each write to RAM that is neither the kernel's nor to memory that somebody has. */
function watchMemory({ bus, memory, kernel }: MachineBench, writes: Busy['writes']): void {
  const released = new Set<number>();
  const { allocator } = kernel;
  const { allocate, release } = allocator;
  allocator.allocate = (purpose, order = 0) => {
    const frame = allocate.call(allocator, purpose, order);
    for (let i = 0; i < 2 ** order; i++) released.delete(frame + i);
    return frame;
  };
  allocator.release = (frame) => {
    released.add(frame);
    release.call(allocator, frame);
  };
  let isKernel = false;
  const cpu = bus.memory as { write: (address: number, bytes: Uint8Array) => void };
  const { write } = cpu;
  cpu.write = (address, bytes) => {
    isKernel = true;
    write(address, bytes);
    isKernel = false;
  };
  const raw = memory.write.bind(memory);
  memory.write = (address, bytes) => {
    const frame = Math.floor(address / PAGE_SIZE);
    if (!isKernel) writes.count++;
    if (!isKernel && released.has(frame)) writes.strays.push(`page ${frame.toString(16)}`);
    return raw(address, bytes);
  };
}
