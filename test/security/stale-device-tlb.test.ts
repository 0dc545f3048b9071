/**
 * Lost or ignored invalidations, at the device-TLB and through the fabric: every kind of device-TLB invalidation of both
 * vendors, with every granularity, against a brute-force account of what it names. The pages have moved before: what the
 * device still holds it reads at the old place, which is what an invalidation that is lost would look like.
 */
import { describe, expect, it } from 'vitest';
import { Access } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController } from '../../hardware/memory/index.ts';
import { DmaStatus, dmaTarget, LINK, NO_PASID, ROOT_COMPLEX, RootComplex } from '../../hardware/pcie/index.ts';
import { AtsDevice } from '../ats/bench.ts';
import { type IommuSubject, REQUESTER } from '../contracts/iommu-bench.ts';
import { AgentBench } from '../iommu/agent-bench.ts';
import { AMD } from '../iommu/contract/amd.ts';
import { VTD } from '../iommu/contract/vtd.ts';

/** A page under test: the second address of `frames` is where it has moved to. */
interface Place {
  readonly iova: number;
  readonly shift: number;
  readonly frames: readonly [before: number, after: number];
}

const FOUR_KIB = 12;
const TWO_MIB = 21;
const small = (iova: number, n: number): Place => {
  return { iova, shift: FOUR_KIB, frames: [0x1_0000_0000 + n * 4096, 0x2_0000_0000 + n * 4096] };
};
const PLACES: readonly Place[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => small(0x4000_0000 + n * 4096, n)),
  // Behind the first 2 MiB, in a 2 MiB page, and at an address that differs from the first in its high bits only.
  small(0x4020_0000, 8),
  { iova: 0x4060_0000, shift: TWO_MIB, frames: [0x3_0000_0000, 0x3_4000_0000] },
  small(0x100_4000_0000, 9),
  small(0x4000_4000_0000, 10),
];

/** Ranges in the encoding of PCIe ATS that both vendors use: with S = 1 the lowest 0 bit from bit 12 on is half the size. */
const RANGES = [
  { size: '4 KiB', address: 0x4000_3000, s: 0, first: 0x4000_3000, last: 0x4000_3fff },
  { size: '8 KiB', address: 0x4000_2000, s: 1, first: 0x4000_2000, last: 0x4000_3fff },
  { size: '16 KiB', address: 0x4000_5000, s: 1, first: 0x4000_4000, last: 0x4000_7fff },
  { size: '2 MiB', address: 0x400f_f000, s: 1, first: 0x4000_0000, last: 0x401f_ffff },
  { size: '4 KiB of a 2 MiB page', address: 0x4071_2000, s: 0, first: 0x4071_2000, last: 0x4071_2fff },
  { size: '4 KiB beyond 2^40', address: 0x100_4000_0000, s: 0, first: 0x100_4000_0000, last: 0x100_4000_0fff },
  { size: 'all', address: 0x7fff_ffff_ffff_f000n, s: 1, first: 0, last: Number.MAX_SAFE_INTEGER },
] as const;
type Range = (typeof RANGES)[number];

const [PASID, OTHER] = [5, 6];

/** A kind of command: whom it names, and its bits for a range. */
interface Kind {
  readonly name: string;
  /** `true`: every entry of this space in the range; `null`: the device may drop it or keep it. */
  names(pasid: number, isInRange: boolean): boolean | null;
  encode(range: Range): readonly bigint[];
}

const operand = ({ address, s }: Range): bigint => BigInt(address) | BigInt(s);

/** PCIe ATS: without a PASID the range is that of all entries. A device may drop more than that. */
const named = {
  withoutPasid: (pasid: number, isInRange: boolean) => isInRange || (pasid === NO_PASID ? false : null),
  one: (pasid: number, isInRange: boolean) => pasid === PASID && isInRange,
  all: (pasid: number, isInRange: boolean) => pasid !== NO_PASID && isInRange,
};

// dev_tlb_inv_dsc and p_dev_tlb_inv_dsc of requester 18h (VT-d 6.5.2.5, 6.5.2.6), 256 bits each.
const VTD_KINDS: readonly Kind[] = [
  {
    name: 'dev_tlb_inv_dsc',
    names: named.withoutPasid,
    encode: (range) => [0x0000_0018_0000_0003n, operand(range), 0n, 0n],
  },
  {
    name: 'p_dev_tlb_inv_dsc of PASID 5',
    names: named.one,
    encode: (range) => [0x0000_0005_0018_0008n, encodeS(range), 0n, 0n],
  },
  {
    name: 'p_dev_tlb_inv_dsc with GI',
    names: named.all,
    encode: (range) => [0x0000_0000_0018_0008n, encodeS(range) | 1n, 0n, 0n],
  },
];

/** S stands in bit 11 of the second half. */
const encodeS = ({ address, s }: Range): bigint => BigInt(address) | (BigInt(s) << 11n);

// INVALIDATE_IOTLB_PAGES of device 18h, 32 pending (amd-vi.md 4.1).
const AMD_KINDS: readonly Kind[] = [
  {
    name: 'INVALIDATE_IOTLB_PAGES',
    names: named.withoutPasid,
    encode: (range) => [0x4000_0018_2000_0018n, operand(range)],
  },
  {
    name: 'INVALIDATE_IOTLB_PAGES of PASID 5',
    names: named.one,
    encode: (range) => [0x4005_0018_2000_0018n, operand(range) | 4n],
  },
];

const INVALIDATE_IOMMU_ALL = [0x8000_0000_0000_0000n, 0n];

/** A device with ATS on a root complex with a timed IOMMU, which serves it under several PASIDs from the same tables. */
class Machine {
  readonly bench: AgentBench;
  readonly device: AtsDevice;
  readonly spaces: readonly number[];
  readonly #isVtd: boolean;

  constructor(subject: IommuSubject) {
    this.bench = new AgentBench(subject);
    this.#isVtd = subject.name.startsWith('VT-d');
    const { engine, memory, agent } = this.bench;
    this.spaces = this.#openSpaces(subject);
    const rootComplex = new RootComplex(engine, new MemoryController(engine, memory, MEMORY_CONTROLLER), ROOT_COMPLEX);
    rootComplex.attach(agent);
    const tlb = { sets: 1, ways: 64, policy: 'lru', global: true } as const;
    this.device = new AtsDevice(engine, REQUESTER, { ats: { tlb } });
    rootComplex.connect(LINK, [this.device.function]);
    this.device.enable();
    for (const { iova, shift, frames } of PLACES) {
      memory.write(frames[0], Uint8Array.of(0xaa));
      memory.write(frames[1], Uint8Array.of(0xbb));
      this.bench.map({ iova, to: frames[0], shift, rights: Access.READ | Access.WRITE });
    }
  }

  /** Where the device reads a page now. */
  read(pasid: number, { iova }: Place): 'old' | 'new' {
    const { engine } = this.bench;
    const target = dmaTarget(iova, pasid === NO_PASID ? {} : { pasid });
    const { status, data } = engine.runUntilDone(engine.spawn(this.device.dma.read(target, 1)));
    expect(status).toBe(DmaStatus.SUCCESS);
    return data[0] === 0xaa ? 'old' : 'new';
  }

  /** What the device reads of every page, by PASID. */
  readAll(): string[][] {
    return this.spaces.map((pasid) => PLACES.map((place) => this.read(pasid, place)));
  }

  /** Everything moves, and the IOMMU forgets all that it has cached; the device does not. */
  move(): void {
    const { bench } = this;
    for (const { iova, shift, frames } of PLACES) bench.map({ iova, to: frames[1], shift, rights: 3 });
    bench.driver.invalidate();
    if (!this.#isVtd) bench.submit(INVALIDATE_IOMMU_ALL);
    bench.engine.run();
  }

  invalidate(command: readonly bigint[]): void {
    const { bench } = this;
    bench.submit(command, bench.software.wait);
    bench.engine.run();
    expect(bench.isDone).toBe(true);
  }

  /** PASID 6, and on VT-d requests without one (whose context entry gets RID_PASID = 0), get what PASID 5 has. */
  #openSpaces({ pasid }: IommuSubject): readonly number[] {
    if (pasid === NO_PASID) return [NO_PASID];
    const { memory } = this.bench;
    const [table, bytes] = this.#isVtd ? [0x4000, 64] : [0x9000, 8];
    const entry = memory.read(table + PASID * bytes, bytes)!;
    memory.write(table + OTHER * bytes, entry);
    if (this.#isVtd) {
      memory.write(table, entry);
      memory.write64(0x2000 + REQUESTER * 32 + 8, 0n);
    }
    return this.#isVtd ? [NO_PASID, PASID, OTHER] : [PASID, OTHER];
  }
}

const SUBJECTS = [...VTD, ...AMD].filter(({ name, passes }) => !passes && name !== 'VT-d, legacy');

describe.each(SUBJECTS)('A device-TLB under $name', (subject) => {
  it('goes on using what it holds when the IOMMU alone forgets: that is why it has to be told', () => {
    const machine = new Machine(subject);
    const before = machine.readAll();
    machine.move();
    expect(machine.readAll()).toEqual(before);
    expect(before.flat().every((where) => where === 'old')).toBe(true);
  });

  const kinds = subject.name.startsWith('VT-d') ? VTD_KINDS : AMD_KINDS;
  const able = kinds.filter((_, i) => subject.pasid !== NO_PASID || i === 0);
  const cases = able.flatMap((kind) => RANGES.map((range) => ({ kind, range, command: kind.name, size: range.size })));

  it.each(cases)('drops what $command of $size names, and nothing that it must keep', ({ kind, range }) => {
    const machine = new Machine(subject);
    machine.readAll();
    machine.move();
    machine.invalidate(kind.encode(range));
    const found = machine.readAll();
    const expected = machine.spaces.map((pasid, space) =>
      PLACES.map(({ iova, shift }, n) => {
        const isInRange = iova <= range.last && iova + 2 ** shift > range.first;
        const isNamed = kind.names(pasid, isInRange);
        return isNamed === null ? found[space]![n] : isNamed ? 'new' : 'old';
      }),
    );
    expect(found).toEqual(expected);
  });
});
