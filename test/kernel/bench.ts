/** A real machine around the kernel under test, with a tap on the IOMMU's register page so that hardware can be made to fail. */
import { encode, joinHalves, numberOf, type Values } from '../../hardware/bits/index.ts';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { TIMED_IOMMU, TimedIommu } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { LINK, ROOT_COMPLEX, RootComplex } from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';
import type { DmarTable } from '../../hardware/vtd/spec/dmar.ts';
import { CAP, ECAP, VER } from '../../hardware/vtd/spec/index.ts';
import { type Bus, DEFAULT_COSTS, Kernel, type KernelOptions } from '../../src/kernel/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
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
export const UNIT_BASE = 0xfed9_0000;
const RAM_BYTES = 64 * MIB;
export const RIDS = [0x0010, 0x0018] as const;
export const DEV = ['/dev/vfio/devices/dev0', '/dev/vfio/devices/dev1'] as const;
export const RW = IoasidMapFlag.READ | IoasidMapFlag.WRITE;

/** A unit with everything that legacy mode offers and room for faults. */
const FULL_CAP: Values<typeof CAP> = {
  ND: 6,
  SAGAW: 0b00110,
  MGAW: 47,
  ZLR: 1,
  FRO: 0x22,
  SSLPS: 0b11,
  PSI: 1,
  NFR: 3,
  MAMV: 18,
  DWD: 1,
  DRD: 1,
};
const FULL_ECAP: Values<typeof ECAP> = { C: 1, QI: 1, SC: 1, IRO: 0xf0 / 16 };

const SCALABLE_CACHES = {
  pasidCache: { sets: 4, ways: 4 },
  firstStageCache: { sets: 4, ways: 4 },
  secondStageCache: { sets: 4, ways: 4 },
};

/** Where the tables of `chainTo` are. */
export const RSDP = 0xe_0000;
export const XSDT = 0xe_0040;
export const DMAR = 0xe_1000;
/** RAM that firmware keeps. */
const TABLES = [RSDP, 0x2_0000] as const;
export const ONE_UNIT: DmarTable = {
  hostAddressWidth: 46,
  interruptRemapping: false,
  x2apicOptOut: false,
  dmaControlOptIn: false,
  structures: [{ type: 'DRHD', includePciAll: true, size: 0, segment: 0, base: BigInt(UNIT_BASE), scope: [] }],
};

/** What firmware leaves in memory, by address. */
export type Tables = readonly (readonly [at: number, bytes: readonly number[]])[];

/** A chain of tables that ends with this DMAR table. */
export function chainTo(dmar: readonly number[]): Tables {
  return [
    [RSDP, buildRsdp(XSDT)],
    [XSDT, buildXsdt([DMAR])],
    [DMAR, dmar],
  ];
}

export interface BenchOptions {
  readonly tables?: Tables;
  readonly cap?: Values<typeof CAP>;
  readonly ecap?: Values<typeof ECAP>;
  readonly version?: number;
  readonly ramBytes?: number;
  readonly kernel?: Partial<KernelOptions>;
}

const quad = (words: Uint32Array): bigint => joinHalves(words[1]!, words[0]!);

export class Bench {
  readonly engine = new Engine();
  readonly memory: PhysicalMemory;
  readonly unit: VtdUnit;
  readonly devices: readonly DmaEngine[];
  readonly kernel: Kernel;
  /** Sees each write to the unit's registers before it happens; when it says false, the write is lost. */
  tap: ((offset: number, value: bigint) => boolean) | null = null;
  /** Replaces what a read of the unit's registers gives. */
  readTap: ((offset: number, value: bigint) => bigint) | null = null;
  /** What the kernel reaches of the hardware. */
  readonly bus: Bus;
  readonly #rootComplex: RootComplex;

  constructor({
    cap,
    ecap,
    version = 4,
    ramBytes = RAM_BYTES,
    tables = chainTo(buildDmar(ONE_UNIT)),
    kernel,
  }: BenchOptions = {}) {
    const { engine } = this;
    this.memory = new PhysicalMemory([[0, ramBytes]]);
    const controller = new MemoryController(engine, this.memory, MEMORY_CONTROLLER);
    this.#rootComplex = new RootComplex(engine, controller, ROOT_COMPLEX);
    const capabilities = {
      ver: BigInt(encode(VER, { MAX: version })[0]!),
      cap: quad(encode(CAP, { ...FULL_CAP, ...cap })),
      ecap: quad(encode(ECAP, { ...FULL_ECAP, ...ecap })),
    };
    this.unit = new VtdUnit(
      {
        capabilities,
        hostAddressWidth: 46,
        faultCompression: false,
        iotlb: { sets: 16, ways: 4 },
        contextCache: { sets: 4, ways: 4 },
        ...(ecap?.SMTS === 1 && SCALABLE_CACHES),
      },
      { memory: this.memory, raiseMsi: (hi, lo, data) => this.kernel.interrupt(numberOf(hi, lo), data) },
    );
    this.#rootComplex.onInterrupt = (address, data) => this.kernel.interrupt(address, data);
    this.#rootComplex.attach(new TimedIommu(engine, this.unit, controller, TIMED_IOMMU));
    this.#rootComplex.claimMmio(UNIT_BASE, PAGE, {
      read: (offset, size) => {
        const value = this.unit.read(offset, size);
        return this.readTap === null ? value : this.readTap(offset, value);
      },
      write: (offset, size, value) => {
        if (this.tap === null || this.tap(offset, value)) this.unit.write(offset, size, value);
      },
    });
    this.devices = RIDS.map((requester, i) => new DmaEngine(engine, { ...DMA_ENGINE, name: `dev${i}`, requester }));
    for (const device of this.devices) this.#rootComplex.connect(LINK, [device.function]);
    for (const [at, bytes] of tables) this.memory.write(at, Uint8Array.from(bytes));
    const firmware = {
      memory: [[MIB, ramBytes - MIB]] as const,
      mmio: [0xe000_0000, 0x1000_0000] as const,
      reserved: [TABLES],
      rsdp: RSDP,
      pciBuses: [0],
    };
    const deviceNames = Object.fromEntries(RIDS.map((rid, i) => [rid, `dev${i}`]));
    this.bus = this.#bus();
    this.kernel = new Kernel(engine, this.bus, firmware, { deviceNames, ...kernel });
  }

  /** A machine whose kernel is up. */
  static up(options?: BenchOptions): Bench {
    const bench = new Bench(options);
    bench.run(bench.kernel.boot());
    return bench;
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

  #bus(): Bus {
    const root = this.#rootComplex;
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
    };
  }
}

/** What the kernel has given out. */
export interface Held {
  readonly free: number;
  readonly inUse: Readonly<Record<string, number>>;
}

export function held({ kernel }: Bench): Held {
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

export function* setUp(bench: Bench, bytes = 16 * PAGE, device: string = DEV[0]): Script<Setup> {
  const program = bench.program();
  const memory = yield* program.mmap(bytes);
  const ioasidFd = yield* program.open('/dev/ioasid');
  const deviceFd = yield* program.open(device);
  yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd });
  const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
  yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid });
  return { program, ioasidFd, deviceFd, ioasid, memory };
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

/** Runs a body on a machine with one program, one device attached, 16 pages of memory. */
export function withSetup(body: (s: Setup, bench: Bench) => Script, options?: BenchOptions): void {
  const bench = Bench.up(options);
  bench.run(
    (function* () {
      yield* body(yield* setUp(bench), bench);
    })(),
  );
}

/** The result by name, so that a failing test can be read. */
export function* named(script: Script<number>): Script<string> {
  return formatResult(yield* script);
}
