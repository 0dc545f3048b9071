/**
 * Functional translation through a whole VT-d unit with every check on: IOTLB, context cache, 4-level
 * second stage in sparse memory, rights, reserved bits, interrupt range; and nested in scalable mode.
 */

import { type PageTableFormat, vtdSecondStage, x86Paging } from '../../hardware/formats/index.ts';
import { Access, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Random } from '../../hardware/sim/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';
import type { BenchCase } from '../case.ts';

const OPERATIONS = 100_000;
const REQUESTER = 0x0018;
const IOVA = 0x7f00_0000_0000;
const PAGE = 4096;

/** Registers of the recorded machine `legacy48`: 48-bit, 2M and 1G pages, queued invalidation. */
const LEGACY = { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an };
/** The same with scalable mode, both stages, nesting, 20-bit PASIDs and snooped walks. */
const SCALABLE = { ...LEGACY, ecap: 0x1_c998_04f0_0f4an };
const CACHES = {
  iotlb: { sets: 32, ways: 8 },
  contextCache: { sets: 16, ways: 4 },
  pasidCache: { sets: 16, ways: 4 },
};

/** A unit over empty memory in which tables are taken one after the other. */
class Bench {
  readonly memory = new PhysicalMemory();
  readonly unit: VtdUnit;
  #next = 0x10_0000;

  constructor(capabilities: typeof LEGACY) {
    const spec = { capabilities, hostAddressWidth: 48, faultCompression: true, ...CACHES };
    this.unit = new VtdUnit(spec, { memory: this.memory, raiseMsi: () => {} });
  }

  table(): number {
    this.#next += PAGE;
    return this.#next;
  }

  write(at: number, ...words: readonly bigint[]): void {
    words.forEach((word, i) => {
      this.memory.write64(at + i * 8, word);
    });
  }

  /** Maps one page; `flags` are set in every entry. */
  map(format: PageTableFormat, top: number, address: number, frame: number, flags: bigint): void {
    const page = Math.floor(address / PAGE);
    let at = top;
    for (let level = format.levels; level > 1; level--) {
      const entry = at + format.indexOf(page, level) * 8;
      if (this.memory.read64(entry) === 0n) this.write(entry, format.table(level, this.table()) | flags);
      const found = format.decode(level, this.memory.read64(entry));
      if (found.kind !== 'table') throw new Error(`no table at level ${level}`);
      at = found.address;
    }
    const rights = { read: true, write: true };
    this.write(at + format.indexOf(page, 1) * 8, format.leaf(1, frame, rights) | flags);
  }

  enable(rtaddr: number): VtdUnit {
    this.unit.write(0x20, 8, BigInt(rtaddr));
    this.unit.write(0x18, 4, 0x4000_0000n);
    this.unit.write(0x18, 4, 0x8000_0000n);
    return this.unit;
  }
}

/** Legacy mode: consecutive pages of one requester. */
function legacyUnit(pages: number): VtdUnit {
  const bench = new Bench(LEGACY);
  const [root, contexts, top] = [bench.table(), bench.table(), bench.table()];
  const format = vtdSecondStage({ levels: 4, superpages: [] });
  bench.write(root, BigInt(contexts) | 1n);
  bench.write(contexts + REQUESTER * 16, BigInt(top) | 1n, 0x0102n);
  for (let n = 0; n < pages; n++) bench.map(format, top, IOVA + n * PAGE, FRAMES + n * PAGE, 0n);
  return bench.enable(root);
}

/** Scalable mode, nested: four levels over four, all flags set. */
function nestedUnit(pages: number): VtdUnit {
  const bench = new Bench(SCALABLE);
  const [root, contexts, directory, pasids] = [bench.table(), bench.table(), bench.table(), bench.table()];
  const [second, first] = [bench.table(), 0x1_0000_0000];
  bench.write(root, BigInt(contexts) | 1n);
  bench.write(contexts + REQUESTER * 32, BigInt(directory) | 1n);
  bench.write(directory, BigInt(pasids) | 1n);
  // PGTT=nested, AW=48 bits; DID 1 and PWSNP; the first stage's top table.
  bench.write(pasids, BigInt(second) | 0xc9n, 0x80_0001n, BigInt(first));
  const guest = new GuestTables(bench, vtdSecondStage({ levels: 4, superpages: [] }), second, first);
  for (let n = 0; n < pages; n++) guest.map(IOVA + n * PAGE, FRAMES + n * PAGE);
  return bench.enable(root | 0x400);
}

/** First-stage tables in guest memory, which the second stage maps page by page to where it lies. */
class GuestTables {
  readonly #bench: Bench;
  readonly #second: PageTableFormat;
  readonly #secondTop: number;
  readonly #first = x86Paging({ levels: 4, superpages: [] });
  readonly #firstTop: number;
  #next: number;

  constructor(bench: Bench, second: PageTableFormat, secondTop: number, firstTop: number) {
    this.#bench = bench;
    this.#second = second;
    this.#secondTop = secondTop;
    this.#firstTop = firstTop;
    this.#next = firstTop;
    this.#back(firstTop);
  }

  map(address: number, frame: number): void {
    const { memory } = this.#bench;
    const page = Math.floor(address / PAGE);
    let at = this.#firstTop;
    for (let level = 4; level > 1; level--) {
      const entry = at + this.#first.indexOf(page, level) * 8;
      if (memory.read64(entry) === 0n)
        this.#bench.write(entry, this.#first.table(level, this.#table()) | ACCESSED_DIRTY);
      at = Number(memory.read64(entry) & 0xf_ffff_ffff_f000n);
    }
    const leaf = this.#first.leaf(1, frame, { read: true, write: true }) | ACCESSED_DIRTY;
    this.#bench.write(at + this.#first.indexOf(page, 1) * 8, leaf);
    this.#back(frame);
  }

  #table(): number {
    this.#next += PAGE;
    this.#back(this.#next);
    return this.#next;
  }

  #back(address: number): void {
    this.#bench.map(this.#second, this.#secondTop, address, address, 0n);
  }
}

/** First-stage A and D. */
const ACCESSED_DIRTY = 0x60n;
const FRAMES = 0x4000_0000;

/** Translates the pages of `stream` in turn. */
function translating(unit: VtdUnit, stream: Int32Array): () => number {
  const t = new Translation<never>();
  const hi = Math.floor(IOVA / 2 ** 32);
  const mask = stream.length - 1;
  return () => {
    let sum = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const offset = stream[i & mask]!;
      unit.translate(t.ask(REQUESTER, NO_PASID, Access.READ, hi, offset));
      sum = (sum + t.hpaLo) | 0;
      if (t.status !== Status.SUCCESS || t.fault !== null) throw new Error(`page ${offset >>> 12} did not translate`);
    }
    return sum;
  };
}

const STREAM = 1 << 14;
/** Round and round over 1,024 pages: least recently used replacement misses every time. */
const CYCLE = Int32Array.from({ length: STREAM }, (_, i) => (i % 1024) * PAGE);

/** Uniform over 128 pages: all in a 256-entry IOTLB. */
export const hit: BenchCase = {
  name: 'hit',
  operation: 'translation that hits the IOTLB',
  goalNsPerOp: 20,
  operations: OPERATIONS,
  make() {
    const random = new Random(1);
    return translating(
      legacyUnit(128),
      Int32Array.from({ length: STREAM }, () => random.below(128) * PAGE + random.below(1024) * 4),
    );
  },
};

export const miss4: BenchCase = {
  name: 'miss4',
  operation: 'translation that misses and walks 4 levels',
  goalNsPerOp: 100,
  operations: OPERATIONS,
  make: () => translating(legacyUnit(1024), CYCLE),
};

export const nested: BenchCase = {
  name: 'nested',
  operation: 'translation that misses and walks 4 levels nested in 4',
  goalNsPerOp: 300,
  operations: OPERATIONS,
  make: () => translating(nestedUnit(1024), CYCLE),
};
