/** A real machine around the kernel under test, with a tap on the IOMMU's register page so that hardware can be made to fail. */
import { numberOf } from '../../hardware/bits/index.ts';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { type IommuUnit, TIMED_IOMMU, TimedIommu } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  Bridge,
  bridgeConfig,
  ConfigSpace,
  type Device,
  Endpoint,
  LINK,
  type Link,
  ROOT_COMPLEX,
  RootComplex,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { type Bus, DEFAULT_COSTS, Kernel, type KernelOptions } from '../../src/kernel/index.ts';
import { buildRsdp, buildXsdt } from '../../src/machine/firmware/table.ts';
import {
  formatResult,
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, Program } from '../../src/user/index.ts';

export const MIB = 2 ** 20;
export const PAGE = 4096;
const RAM_BYTES = 64 * MIB;
export const RIDS = [0x0010, 0x0018] as const;
export const DEV = ['/dev/vfio/devices/dev0', '/dev/vfio/devices/dev1'] as const;
/** A root port with a slot, and the device in it, if there is one. */
export const PORT_RID = 0x00e0;
export const SLOT_RID = 0x0100;
export const RW = IoasidMapFlag.READ | IoasidMapFlag.WRITE;

/** Where the tables of `chainTo` are. */
export const RSDP = 0xe_0000;
export const XSDT = 0xe_0040;
export const UNIT_TABLE = 0xe_1000;
/** RAM that firmware keeps. */
const TABLES = [RSDP, 0x2_0000] as const;

/** What firmware leaves in memory, by address. */
export type Tables = readonly (readonly [at: number, bytes: readonly number[]])[];

/** A chain of tables that ends with this one, which describes the unit. */
export function chainTo(table: readonly number[]): Tables {
  return [
    [RSDP, buildRsdp(XSDT)],
    [XSDT, buildXsdt([UNIT_TABLE])],
    [UNIT_TABLE, table],
  ];
}

export interface MachineOptions {
  readonly tables?: Tables;
  readonly ramBytes?: number;
  readonly kernel?: Partial<KernelOptions>;
  /** Devices beside the two DMA engines. */
  readonly more?: (engine: Engine) => readonly Device[];
  /** A device in the slot of a root port. */
  readonly slot?: (engine: Engine, requester: number) => Device;
  /** Devices have device-TLBs, and answer what the unit tells them. */
  readonly deviceTlbs?: true;
}

/** The unit in the machine, and where its registers are. */
export interface Mounted<Unit> {
  readonly unit: Unit;
  readonly base: number;
  readonly bytes: number;
  readonly tables: Tables;
}

export type RaiseMsi = (hi: number, lo: number, data: number) => void;

export class MachineBench<Unit extends IommuUnit = IommuUnit> {
  readonly engine = new Engine();
  readonly memory: PhysicalMemory;
  readonly unit: Unit;
  readonly devices: readonly DmaEngine[];
  /** In the order of the devices. */
  readonly links: readonly Link[];
  /** The link to the device in the slot. */
  readonly slot: Link | null;
  readonly kernel: Kernel;
  /** Sees each write to the unit's registers before it happens; when it says false, the write is lost. */
  tap: ((offset: number, value: bigint) => boolean) | null = null;
  /** Replaces what a read of the unit's registers gives. */
  readTap: ((offset: number, value: bigint) => bigint) | null = null;
  /** What the kernel reaches of the hardware. */
  readonly bus: Bus;
  protected readonly rootComplex: RootComplex;

  constructor(
    mount: (memory: PhysicalMemory, raiseMsi: RaiseMsi) => Mounted<Unit>,
    { ramBytes = RAM_BYTES, tables, kernel, more, slot, deviceTlbs }: MachineOptions,
  ) {
    const { engine } = this;
    this.memory = new PhysicalMemory([[0, ramBytes]]);
    const controller = new MemoryController(engine, this.memory, MEMORY_CONTROLLER);
    this.rootComplex = new RootComplex(engine, controller, ROOT_COMPLEX);
    const mounted = mount(this.memory, (hi, lo, data) => this.kernel.interrupt(numberOf(hi, lo), data));
    this.unit = mounted.unit;
    this.rootComplex.onInterrupt = (address, data) => this.kernel.interrupt(address, data);
    this.rootComplex.attach(new TimedIommu(engine, this.unit, controller, TIMED_IOMMU));
    // Without device-TLBs what the unit tells devices is for the test, and complete unless the test says no.
    if (deviceTlbs === undefined) Object.assign(this.unit.devices, { taker: null, awaitsCompletions: false });
    this.rootComplex.claimMmio(mounted.base, mounted.bytes, {
      read: (offset, size) => {
        const value = this.unit.read(offset, size);
        return this.readTap === null ? value : this.readTap(offset, value);
      },
      write: (offset, size, value) => {
        if (this.tap === null || this.tap(offset, value)) this.unit.write(offset, size, value);
      },
    });
    this.devices = RIDS.map((requester, i) => new DmaEngine(engine, { ...DMA_ENGINE, name: `dev${i}`, requester }));
    const onBus0: readonly Device[] = [...this.devices, ...(more?.(engine) ?? [])];
    this.links = onBus0.map(({ functions }) => this.rootComplex.connect(LINK, functions));
    const inSlot = slot?.(engine, SLOT_RID);
    this.slot = inSlot === undefined ? null : this.#slot(inSlot);
    const all = inSlot === undefined ? onBus0 : [...onBus0, inSlot];
    for (const [at, bytes] of tables ?? mounted.tables) this.memory.write(at, Uint8Array.from(bytes));
    const firmware = {
      memory: [[MIB, ramBytes - MIB]] as const,
      mmio: [0xe000_0000, 0x1000_0000] as const,
      reserved: [TABLES],
      rsdp: RSDP,
      pciBuses: [0],
    };
    const deviceNames = Object.fromEntries(all.map(({ name, functions }) => [functions[0]!.requester, name]));
    this.bus = this.#bus();
    this.kernel = new Kernel(engine, this.bus, firmware, { deviceNames, ...kernel });
  }

  /** Boots the kernel. */
  boot(): this {
    this.run(this.kernel.boot());
    return this;
  }

  /** Runs a script to its end and lets everything that it started end too. */
  run<T>(script: Script<T>): T {
    const task = this.engine.spawn(script);
    this.engine.run();
    return task.result;
  }

  program(name = 'program'): Program {
    return new Program(this.kernel.process(name));
  }

  #slot({ name, functions }: Device): Link {
    const bridge = new Bridge('port', new ConfigSpace(bridgeConfig('root port', { slot: 1 })), PORT_RID);
    const link = this.rootComplex.link(LINK, name);
    this.rootComplex.addPort(PORT_RID, bridge, link);
    new Endpoint(this.engine, link.bottom, functions);
    bridge.number(0, SLOT_RID >>> 8, SLOT_RID >>> 8);
    return link;
  }

  #bus(): Bus {
    const root = this.rootComplex;
    const { memory } = this;
    return {
      cost: DEFAULT_COSTS,
      memory: {
        read: (address, length) => memory.read(address, length)!,
        write: (address, bytes) => void memory.write(address, bytes),
        read64: (address) => memory.read64(inRam(memory, address)),
        write64: (address, value) => void memory.write64(inRam(memory, address), value),
      },
      configRead: (rid, offset, size) => root.configRead(rid, offset, size),
      configWrite: (rid, offset, size, value) => root.configWrite(rid, offset, size, value),
      mmioRead: (address, size) => root.mmioRead(address, size),
      mmioWrite: (address, size, value) => root.mmioWrite(address, size, value),
      directStore: (address, bytes) => root.directStore(address, bytes),
      deferrableWrite: (address, bytes) => root.deferrableWrite(address, bytes),
    };
  }
}

/** What the kernel has given out. */
export interface Held {
  readonly free: number;
  readonly inUse: Readonly<Record<string, number>>;
}

export function held({ kernel }: MachineBench): Held {
  return { free: kernel.allocator.free, inUse: kernel.allocator.inUse };
}

/** As on a machine, an access to nothing is a bug of the kernel. */
function inRam(memory: PhysicalMemory, address: number): number {
  if (memory.read(address, 8) === undefined) throw new Error(`the kernel accesses ${address}, where there is no RAM`);
  return address;
}

/** A program with one device bound and attached to one ioasid, and some memory. */
export interface Setup {
  readonly program: Program;
  readonly ioasidFd: number;
  readonly deviceFd: number;
  readonly ioasid: number;
  readonly memory: bigint;
}

export function* setUp(bench: MachineBench, bytes = 16 * PAGE, device: string = DEV[0]): Script<Setup> {
  const program = bench.program();
  const memory = yield* program.mmap(bytes);
  const ioasidFd = yield* program.open('/dev/ioasid');
  const deviceFd = yield* program.open(device);
  yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd });
  const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
  yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid });
  return { program, ioasidFd, deviceFd, ioasid, memory };
}

/** A program that binds and attaches a device and maps two ranges of two pages: what each call gave. It has not ended yet. */
export function* tryEverything(
  bench: MachineBench,
  device: string,
  iovas: readonly bigint[],
): Script<{ readonly program: Program; readonly results: readonly number[] }> {
  const program = bench.program();
  const memory = yield* program.mmap(4 * PAGE);
  const results = [Number(memory < 0n ? memory : 0n)];
  const ioasidFd = yield* program.open('/dev/ioasid');
  const deviceFd = yield* program.open(device);
  results.push(Math.min(ioasidFd, 0), Math.min(deviceFd, 0));
  results.push(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd }));
  const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
  results.push(Math.min(ioasid, 0));
  results.push(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid }));
  if (results.every((result) => result >= 0)) {
    const s = { program, ioasidFd, deviceFd, ioasid, memory };
    for (const [i, iova] of iovas.entries()) {
      results.push(yield* map(s, iova, memory + BigInt(i * PAGE), BigInt(2 * PAGE)));
    }
  }
  return { program, results };
}

export function map(s: Setup, iova: bigint, vaddr: bigint, size: bigint, flags: number = RW): Script<number> {
  return s.program.ioctl(s.ioasidFd, IOASID_MAP_DMA, { ioasid: s.ioasid, flags, iova, vaddr, size });
}

export function unmap(s: Setup, iova: bigint, size: bigint): Script<{ result: number; size: bigint }> {
  return (function* () {
    const argument = { ioasid: s.ioasid, iova, size };
    const { result, value } = yield* s.program.exchange(s.ioasidFd, IOASID_UNMAP_DMA, argument);
    return { result, size: value.size };
  })();
}

export function* engineOf(s: Setup): Script<DmaEngineDriver> {
  const driver = yield* DmaEngineDriver.open(s.program, s.deviceFd);
  if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
  return driver;
}

/** The result by name, so that a failing test can be read. */
export function* named(script: Script<number>): Script<string> {
  return formatResult(yield* script);
}
