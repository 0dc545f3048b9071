/** A program of version 2 whose space can be tracked, on units that track writes. */
import { expect } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { IOMMU_GET_DIRTY_BITMAP, IOMMU_SET_DIRTY_TRACKING } from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { named } from './bench.ts';
import { type MachineBench, PAGE } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { Version2 } from './v2-bench.ts';

const K4 = BigInt(PAGE);
/** IommuIoasidFlag.DIRTY_TRACKING. */
export const DIRTY = 16;
const ENABLE = 1;
export const NO_CLEAR = 1;

export const TRACKING: readonly (readonly [name: string, up: () => MachineBench])[] = [
  ['VT-d with SSADS', () => scalableBench({ ecap: { SSADS: 1 } })],
  ['AMD-Vi with HDSup', () => AmdBench.up({ efr: { ...GUEST_EFR, HASup: 1, HDSup: 1 }, efr2: { GCR3TRPModeSup: 1 } })],
];

/** Where the space has 16 pages of the process's memory. */
export const IOVA = 0x10_0000n;
export const PAGES = 16;

export class Tracker extends Version2 {
  root = -1;
  buffer = 0n;
  /** Of bitmaps: a page, cleared before each use. */
  bitmap = 0n;

  override *begin(...devices: readonly number[]): Script<this> {
    yield* super.begin(0, ...devices);
    this.bitmap = yield* this.program.mmap(PAGE);
    this.buffer = yield* this.program.mmap(PAGES * PAGE);
    this.root = yield* this.alloc({ flags: DIRTY });
    expect(this.root).toBeGreaterThan(0);
    expect(yield* this.map(this.root, IOVA, this.buffer, BigInt(PAGES) * K4)).toBe(0);
    return this;
  }

  set(ioasid: number, on: boolean): Script<number> {
    return this.program.ioctl(this.iommuFd, IOMMU_SET_DIRTY_TRACKING, { ioasid, flags: on ? ENABLE : 0 });
  }

  get(values: object = {}): Script<number> {
    const range = { iova: IOVA, length: BigInt(PAGES) * K4, page_size: K4, data: this.bitmap };
    return this.program.ioctl(this.iommuFd, IOMMU_GET_DIRTY_BITMAP, { ioasid: this.root, ...range, ...values });
  }

  /** The numbers of the bits that are set in a bitmap of zeros. */
  *bits(values: object = {}): Script<number[] | string> {
    this.program.write(this.bitmap, new Uint8Array(PAGE));
    const result = yield* named(this.get(values));
    return result === '0' ? this.bitsAt(this.bitmap) : result;
  }

  bitsAt(address: bigint, bytes = 128): number[] {
    const bits: number[] = [];
    for (const [i, byte] of this.program.read(address, bytes).entries()) {
      for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) bits.push(i * 8 + bit);
    }
    return bits;
  }
}

/** A device writes to some pages of a space; the read behind comes back when the writes have arrived. */
export function* writes(engine: DmaEngineDriver, pages: readonly number[], at: bigint = IOVA, pasid?: number): Script {
  const options = pasid === undefined ? {} : { pasid };
  for (const page of pages) {
    expect(yield* engine.write(at + BigInt(page) * K4, Uint8Array.of(1), options)).toMatchObject({ ok: true });
    expect(yield* engine.read(at + BigInt(page) * K4, 1, options)).toMatchObject({ ok: true });
  }
}

type Body = (s: Tracker, engine: DmaEngineDriver, bench: MachineBench) => Script;

/** Lets a body run with device 0 attached and nothing tracked yet. */
export function withTracker(bench: MachineBench, body: Body): void {
  bench.run(
    (function* () {
      const s = yield* new Tracker(bench).begin();
      expect(yield* s.attach(0, s.root)).toBe(0);
      yield* body(s, yield* s.engine(0), bench);
      yield* s.program.exit();
    })(),
  );
  expect(bench.kernel.pages.pinned).toBe(0);
  expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('I/O page table');
}
