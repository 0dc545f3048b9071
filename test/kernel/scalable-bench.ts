/** A bench whose unit has scalable mode, with what tests of it need: DMA under a PASID, questions to the unit, a tap on memory. */
import { encode, highOf, lowOf, PAGE_SIZE } from '../../hardware/bits/index.ts';
import {
  ADDRESS,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  ErrorCode,
  LENGTH,
  PASID,
  STATUS,
} from '../../hardware/devices/dma-engine/spec.ts';
import { Access, Translation } from '../../hardware/iommu/index.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import type { IommuDomain, IommuDriver } from '../../src/kernel/iommu/driver.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { Bench, type BenchOptions } from './bench.ts';
import type { MachineBench } from './machine-bench.ts';

/** Everything that the driver uses. */
export const SCALABLE: Required<Pick<BenchOptions, 'cap' | 'ecap'>> = {
  cap: { SAGAW: 0b01100, MGAW: 47, FS1GP: 1, FS5LP: 1 },
  ecap: {
    SMTS: 1,
    SSTS: 1,
    FSTS: 1,
    NEST: 1,
    PT: 1,
    PASID: 1,
    PSS: 19,
    SMPWCS: 1,
    DT: 1,
    DIT: 1,
    PRS: 1,
    PDS: 1,
  },
};

export function scalableBench({ cap, ecap, ...rest }: BenchOptions = {}): Bench {
  return Bench.up({ ...rest, cap: { ...SCALABLE.cap, ...cap }, ecap: { ...SCALABLE.ecap, ...ecap } });
}

/** The unit's driver and the devices behind it. */
export function behind({ kernel }: MachineBench): { driver: IommuDriver; devices: PciDevice[] } {
  const { groups } = kernel.iommu;
  return { driver: groups[0]!.driver, devices: groups.flatMap(({ devices }) => [...devices]) };
}

/** What a script gives that must not fail. */
export function* sure<T>(script: Script<T | number>): Script<T> {
  const result = yield* script;
  if (typeof result === 'number') throw new Error(`it failed: ${result}`);
  return result;
}

/** Maps one page to a new frame that holds `mark`, and gives the frame. */
export function* mapPage(bench: MachineBench, domain: IommuDomain, page: number, mark: number): Script<number> {
  const frame = bench.kernel.allocator.allocate('test');
  bench.memory.write(frame * PAGE_SIZE, Uint8Array.of(mark));
  const rights = { read: true, write: true };
  const result = yield* bench.kernel.iommu.map(domain, page, Float64Array.of(frame), rights);
  if (result < 0) throw new Error(`the page was not mapped: ${result}`);
  return frame;
}

export function* unmapPage(bench: MachineBench, domain: IommuDomain, page: number, frame: number): Script<number> {
  const result = yield* bench.kernel.iommu.unmap(domain, page, 1);
  bench.kernel.allocator.release(frame);
  return result;
}

export interface Dma {
  readonly address: number;
  readonly pasid?: number;
}

/** Lets a DMA engine read one byte: the byte, or the name of the device's error. */
export function dmaRead(bench: MachineBench, device: PciDevice, dma: Dma): Script<number | string> {
  return oneByte(bench, device, dma, 0);
}

/** Lets a DMA engine write one byte, a 0: 0, or the name of the device's error. */
export function dmaWrite(bench: MachineBench, device: PciDevice, dma: Dma): Script<number | string> {
  return oneByte(bench, device, dma, 1);
}

function* oneByte(
  bench: MachineBench,
  device: PciDevice,
  { address, pasid }: Dma,
  WRITE: number,
): Script<number | string> {
  const { bus } = bench;
  const base = device.bars.get(DMA_ENGINE_BAR)!.address;
  const set = (register: { readonly $: { readonly offset: number | undefined } }, words: Uint32Array): Script =>
    bus.mmioWrite(
      base + register.$.offset!,
      (words.length * 4) as 4 | 8,
      words.length === 1 ? BigInt(words[0]!) : BigInt(words[0]!) | (BigInt(words[1]!) << 32n),
    );
  yield* bus.configWrite(device.rid, 4, 2, 6);
  yield* set(ADDRESS, encode(ADDRESS, { ADDRESS: BigInt(address) }));
  yield* set(LENGTH, encode(LENGTH, { LENGTH: 1 }));
  yield* set(PASID, encode(PASID, pasid === undefined ? {} : { PASID: pasid, VALID: 1 }));
  yield* set(COMMAND, encode(COMMAND, { START: 1, WRITE }));
  for (let polls = 0; polls < 1000; polls++) {
    const status = new Uint32Array(STATUS.$.offset! / 4 + 1);
    status[STATUS.$.offset! / 4] = Number(yield* bus.mmioRead(base + STATUS.$.offset!, 4));
    if (STATUS.DONE.isSet(status)) {
      if (!STATUS.ERROR.isSet(status)) return Number(yield* bus.mmioRead(base + BUFFER_OFFSET, 4)) & 0xff;
      return Object.entries(ErrorCode).find(([, code]) => code === STATUS.ERROR_CODE.get(status))?.[0] ?? 'unknown';
    }
    yield ns(100);
  }
  return 'never done';
}

/** What the unit would answer now, without changing it: a host address or the name of the fault. */
export function ask(bench: MachineBench, requester: number, pasid: number, address: number): number | string {
  const t = new Translation();
  t.effects = false;
  t.requester = requester;
  t.pasid = pasid;
  t.access = Access.READ;
  t.hi = highOf(BigInt(address)) | 0;
  t.lo = lowOf(BigInt(address)) | 0;
  bench.unit.translate(t);
  return t.fault === null ? (t.hpaHi >>> 0) * 2 ** 32 + (t.hpaLo >>> 0) : t.fault.name;
}

/** Sees each write of 64 bits that the kernel does to memory, before it happens. */
export function tapMemory({ bus }: MachineBench, see: (address: number, value: bigint) => void): void {
  const memory = bus.memory as { write64: (address: number, value: bigint) => void };
  const write = memory.write64;
  memory.write64 = (address, value) => {
    see(address, value);
    write(address, value);
  };
}

/** Everything in the unit's caches that has to do with translation. */
export function cached({ unit }: Bench): Record<string, number> {
  const { iotlb, scalable, firstStage, secondStage } = unit.translator;
  return {
    iotlb: iotlb!.entries().length,
    contexts: scalable.contexts!.entries().length,
    pasids: scalable.pasids!.entries().length,
    firstStage: firstStage.structures!.entries().length,
    secondStage: secondStage.structures!.entries().length,
  };
}
