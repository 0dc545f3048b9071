/** Tables in sparse memory, and streams of requests for them: what the cases of both vendors measure their units on. */
import type { PageTableFormat } from '../../hardware/formats/index.ts';
import { x86Paging } from '../../hardware/formats/index.ts';
import { Access, type IommuUnit, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Random } from '../../hardware/sim/index.ts';
import { WrittenTables } from '../../src/machine/measured/tables.ts';

/** Translations per call of a timed function. */
export const OPERATIONS = 100_000;
export const REQUESTER = 0x0018;
export const IOVA = 0x7f00_0000_0000;
const FRAMES = 0x4000_0000;
const START = 0x10_0000;
export const PAGE = 4096;

/** Tables in memory of their own. */
export class Tables extends WrittenTables {
  constructor() {
    super(new PhysicalMemory(), START);
  }

  /** Maps consecutive pages; gives the top table. */
  pages(format: PageTableFormat, count: number, top = this.table()): number {
    this.map(format, top, IOVA, FRAMES, count);
    return top;
  }
}

/** Tables in guest memory, with all flags set, which the host's tables map page by page to where they lie. */
export class GuestTables {
  readonly #tables: Tables;
  readonly #host: PageTableFormat;
  readonly #hostTop: number;
  readonly #guest = x86Paging({ levels: 4, superpages: [] });
  readonly #top: number;
  #next: number;

  constructor(tables: Tables, host: PageTableFormat, hostTop: number, top: number) {
    this.#tables = tables;
    this.#host = host;
    this.#hostTop = hostTop;
    this.#top = top;
    this.#next = top;
    this.back(top);
  }

  /** Maps consecutive pages, which lie in guest memory too. */
  pages(count: number): void {
    for (let n = 0; n < count; n++) this.#map(IOVA + n * PAGE, FRAMES + n * PAGE);
  }

  /** Lets the host map a page of guest memory. */
  back(address: number): void {
    this.#tables.map(this.#host, this.#hostTop, address, address, 1);
  }

  #map(address: number, frame: number): void {
    const { memory } = this.#tables;
    const page = Math.floor(address / PAGE);
    let at = this.#top;
    for (let level = 4; level > 1; level--) {
      const entry = at + this.#guest.indexOf(page, level) * 8;
      if (memory.read64(entry) === 0n)
        this.#tables.write(entry, this.#guest.table(level, this.#table()) | ACCESSED_DIRTY);
      at = Number(memory.read64(entry) & 0xf_ffff_ffff_f000n);
    }
    const leaf = this.#guest.leaf(1, frame, { read: true, write: true }) | ACCESSED_DIRTY;
    this.#tables.write(at + this.#guest.indexOf(page, 1) * 8, leaf);
    this.back(frame);
  }

  #table(): number {
    this.#next += PAGE;
    this.back(this.#next);
    return this.#next;
  }
}

/** A and D of an x86 entry. */
const ACCESSED_DIRTY = 0x60n;

/** Translates the pages of `stream` in turn. */
export function translating(unit: Pick<IommuUnit<never>, 'translate'>, stream: Int32Array): () => number {
  const t = new Translation<never>();
  const hi = Math.floor(IOVA / 2 ** 32);
  const mask = stream.length - 1;
  // Copied: constants of other modules, and exported ones, are loaded each time they are used.
  const [operations, requester, pasid, read, success] = [OPERATIONS, REQUESTER, NO_PASID, Access.READ, Status.SUCCESS];
  return () => {
    let sum = 0;
    for (let i = 0; i < operations; i++) {
      const offset = stream[i & mask]!;
      unit.translate(t.ask(requester, pasid, read, hi, offset));
      sum = (sum + t.hpaLo) | 0;
      if (t.status !== success || t.fault !== null) throw new Error(`page ${offset >>> 12} did not translate`);
    }
    return sum;
  };
}

const STREAM = 1 << 14;
/** Of a 256-entry IOTLB. */
export const IOTLB = { sets: 32, ways: 8 } as const;

/** Uniform over 128 pages: all in the IOTLB. */
export const UNIFORM_PAGES = 128;
export function uniform(): Int32Array {
  const random = new Random(1);
  return Int32Array.from({ length: STREAM }, () => random.below(UNIFORM_PAGES) * PAGE + random.below(1024) * 4);
}

/** Round and round over 1,024 pages: least recently used replacement misses every time. */
export const CYCLE_PAGES = 1024;
export const cycle = (): Int32Array => Int32Array.from({ length: STREAM }, (_, i) => (i % CYCLE_PAGES) * PAGE);
