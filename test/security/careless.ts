/**
 * Machines of both vendors with a kernel that can be made to leave a step out: what its driver submits is looked at before
 * the unit reads it, and commands of some kinds give way to ones that do nothing. Everything else is as it always is, so
 * whatever is different afterwards comes of the missing step.
 */
import { expect } from 'vitest';
import { PAGE_SIZE, type PageNumber } from '../../hardware/bits/index.ts';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { AmdDomain } from '../../src/kernel/amd/domain.ts';
import type { DomainOptions } from '../../src/kernel/iommu/driver.ts';
import type { VtdDomain } from '../../src/kernel/vtd/domain.ts';
import type { DmaEngineDriver, KernelDriver } from '../../src/machine/index.ts';
import { AmdBench, GUEST_EFR } from '../kernel/amd-bench.ts';
import { Bench } from '../kernel/bench.ts';
import { taken } from '../kernel/dma-bench.ts';
import type { MachineBench, MachineOptions } from '../kernel/machine-bench.ts';
import { SCALABLE, sure } from '../kernel/scalable-bench.ts';

/** What a kernel may forget to have forgotten: entries that lead to a domain, translations and tables, those of devices. */
export type Step = 'device entries' | 'translations' | 'device TLBs' | 'interrupt entries';

/** Registers and encodings of a unit's queue of invalidations. */
interface Queue {
  readonly tail: number;
  readonly base: number;
  entryBytes(base: bigint): number;
  ringBytes(base: bigint): number;
  /** What the low word says that it is. */
  kindOf(low: bigint): number;
  readonly kinds: Readonly<Record<Step, readonly number[]>>;
  /** The low word of a command that does nothing: a wait that tells nobody. */
  readonly nothing: bigint;
}

// VT-d 6.5.2: the type is in bits 3:0 of all that is looked for here; IQA says how many pages and how wide.
const VTD_QUEUE: Queue = {
  tail: 0x88,
  base: 0x90,
  entryBytes: (base) => ((base >> 11n) & 1n ? 32 : 16),
  ringBytes: (base) => PAGE_SIZE * 2 ** Number(base & 7n),
  kindOf: (low) => Number(low & 0xfn),
  kinds: { 'device entries': [1, 7], translations: [2, 6], 'device TLBs': [3, 8], 'interrupt entries': [4] },
  nothing: 0x5n,
};

// amd-vi.md 4: the opcode is in bits 63:60; the base register says how many entries, as a power of two.
const AMD_QUEUE: Queue = {
  tail: 0x2008,
  base: 0x08,
  entryBytes: () => 16,
  ringBytes: (base) => 16 * 2 ** Number((base >> 56n) & 0xfn),
  kindOf: (low) => Number(low >> 60n),
  kinds: { 'device entries': [2], translations: [3, 8], 'device TLBs': [4], 'interrupt entries': [5] },
  nothing: 1n << 60n,
};

const ADDRESS = 0xf_ffff_ffff_f000n;

const queueOf = (bench: MachineBench): Queue => (bench instanceof AmdBench ? AMD_QUEUE : VTD_QUEUE);

/** From now on the unit hears of no invalidation of these kinds, and the kernel's driver counts them as done. */
function leaveOut(bench: MachineBench, ...steps: readonly Step[]): void {
  const queue = queueOf(bench);
  const { unit, memory } = bench;
  const { ring, size, entry, unheard } = { ...ringOf(bench), unheard: steps.flatMap((step) => queue.kinds[step]) };
  let at = Number(unit.read(queue.tail, 8));
  bench.tap = (offset, value) => {
    if (offset !== queue.tail) return true;
    for (; at !== Number(value); at = (at + entry) % size) {
      if (!unheard.includes(queue.kindOf(memory.read64(ring + at)))) continue;
      for (let byte = 0; byte < entry; byte += 8) memory.write64(ring + at + byte, byte === 0 ? queue.nothing : 0n);
    }
    return true;
  };
}

/** Where the queue is, and bytes of all of it and of an entry. */
function ringOf(bench: MachineBench): { readonly ring: number; readonly size: number; readonly entry: number } {
  const queue = queueOf(bench);
  const base = bench.unit.read(queue.base, 8);
  return { ring: Number(base & ADDRESS), size: queue.ringBytes(base), entry: queue.entryBytes(base) };
}

/** Submits commands past the kernel's driver, which must not be used any more. */
export function submitByHand(bench: MachineBench, commands: readonly (readonly bigint[])[]): void {
  const { unit, memory } = bench;
  const { tail } = queueOf(bench);
  const { ring, size, entry } = ringOf(bench);
  let at = Number(unit.read(tail, 8));
  for (const words of commands) {
    for (let i = 0; i < entry / 8; i++) memory.write64(ring + at + i * 8, words[i] ?? 0n);
    at = (at + entry) % size;
  }
  unit.write(tail, 8, BigInt(at));
}

const STRUCTURES = { sets: 4, ways: 4 };
const AMD_CACHES = { hostDirectoryCache: STRUCTURES, guestDirectoryCache: STRUCTURES };
const VTD_CACHES = { firstStageCache: STRUCTURES, secondStageCache: STRUCTURES };

export interface Subject {
  readonly name: string;
  readonly make: (options?: MachineOptions) => MachineBench;
  /** The unit can serve devices that keep translations. */
  readonly ats: boolean;
}

/** Units with caches for everything that can be cached. */
export const SUBJECTS: readonly Subject[] = [
  { name: 'VT-d in legacy mode', make: (options) => new Bench({ ...options, caches: VTD_CACHES }), ats: false },
  {
    name: 'VT-d in scalable mode',
    make: (options) => new Bench({ ...options, ...SCALABLE, caches: VTD_CACHES }),
    ats: true,
  },
  { name: 'AMD-Vi with host tables', make: (options) => new AmdBench({ ...options, caches: AMD_CACHES }), ats: false },
  {
    name: 'AMD-Vi with guest tables',
    make: (options) => new AmdBench({ ...options, caches: AMD_CACHES, efr: GUEST_EFR, header: { IotlbSup: 1 } }),
    ats: true,
  },
];

/** A device that keeps translations, beside the two that do not. */
export const keeper: Pick<MachineOptions, 'more' | 'deviceTlbs'> = {
  deviceTlbs: true,
  more: (engine) => [
    new DmaEngine(engine, { ...DMA_ENGINE, name: 'keeper', requester: 0x0020, deviceTlb: { sets: 16, ways: 4 } }),
  ],
};

/** A driver inside the kernel, and what knows its device's registers. */
export interface Drive {
  readonly driver: KernelDriver;
  readonly dma: DmaEngineDriver;
}

/** Takes a device, which may do DMA then. */
export function* drive(bench: MachineBench, device = 'dev0'): Script<Drive> {
  const both = taken(bench.kernel, device);
  yield* both.driver.setBusMaster(true);
  return both;
}

/** A domain with a table of its own, as each vendor's driver makes it. */
export type OwnDomain = VtdDomain | AmdDomain;

/** An empty domain for a driver's device. */
export function* domainOf({ driver }: Drive, options?: DomainOptions): Script<OwnDomain> {
  return (yield* sure(driver.domain(options))) as OwnDomain;
}

/** A deed, and what it leaves: by a kernel that leaves out `steps` as soon as it is told to be careless, and by ours. */
export type Deed<T> = (bench: MachineBench, careless: () => void) => Script<T>;

export function both<T>(
  { make }: Subject,
  steps: readonly Step[],
  deed: Deed<T>,
  options?: MachineOptions,
): { readonly careless: T; readonly ours: T } {
  const once = (isCareless: boolean): T => {
    const bench = make(options).boot();
    return bench.run(deed(bench, () => void (isCareless && leaveOut(bench, ...steps))));
  };
  return { careless: once(true), ours: once(false) };
}

/** What must not be an errno. */
export function ok<T>(value: T | number): T {
  if (typeof value === 'number' && value < 0) throw new Error(`errno ${value}`);
  return value as T;
}

export const SECRET = 0x5e;
export const POISON = 0xbd;

/** Who asks for a page next gets this one, which has just been given back. Gives the pages that were in its way. */
export function makeNext({ kernel: { allocator } }: MachineBench, frame: PageNumber): PageNumber[] {
  const others: PageNumber[] = [];
  let isNext = false;
  for (let got = allocator.allocate('others'); !(got === frame && isNext); got = allocator.allocate('others')) {
    if (got < 0) throw new Error('the frame was not given back');
    isNext = got === frame;
    if (isNext) allocator.release(frame);
    else others.push(got);
  }
  allocator.release(frame);
  return others;
}

/** Somebody else gets exactly this frame, which has just been given back, and keeps a secret in it. */
export function victimOf(bench: MachineBench, frame: PageNumber): void {
  const { allocator } = bench.kernel;
  const others = makeNext(bench, frame);
  expect(allocator.allocate('victim')).toBe(frame);
  for (const other of others) allocator.release(other);
  bench.memory.write(frame * PAGE_SIZE, Uint8Array.of(SECRET));
}

/** The first byte of a frame. */
export function byteOf({ memory }: MachineBench, frame: PageNumber): number {
  return memory.read(frame * PAGE_SIZE, 1)![0]!;
}

/** What a device gets at an address: a byte, or nothing. */
export function* reads({ dma }: Drive, iova: number): Script<number | 'refused'> {
  const read = yield* dma.read(BigInt(iova), 1);
  return read.ok ? read.data[0]! : 'refused';
}

/** A device writes its poison; whether it arrives is another question. */
export function* poisons({ dma }: Drive, iova: number): Script {
  yield* dma.write(BigInt(iova), Uint8Array.of(POISON));
}

/** Where the context entry of a device is in legacy mode. RTADDR_REG is at 20h (VT-d 11.4.5). */
export function contextEntryOf({ unit, memory }: MachineBench, { driver: { device } }: Drive): number {
  const root = Number(unit.read(0x20, 8) & ADDRESS);
  return Number(memory.read64(root + (device.rid >>> 8) * 16) & ADDRESS) + (device.rid & 0xff) * 16;
}

/** Where the device table entry of a device is; the base register is at 0. */
export function deviceEntryOf({ unit }: MachineBench, { driver: { device } }: Drive): number {
  return Number(unit.read(0, 8) & ADDRESS) + device.rid * 32;
}
