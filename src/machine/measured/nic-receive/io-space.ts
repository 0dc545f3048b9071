/**
 * What a driver lends to its device: I/O virtual pages, page by page, and how it takes them back. The addresses are those that the
 * kernel's allocator gives, tables and IOMMU the real ones; what a core spends on it is scripts.
 *
 * Inaccuracies: cores do not wait for each other, and no invalidation waits for requests under way; one cache of freed addresses serves all; every page leads to the same frame,
 * because nothing is written.
 */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../../../hardware/formats/index.ts';
import { type Engine, ns, type Script } from '../../../../hardware/sim/index.ts';
import type { VtdUnit } from '../../../../hardware/vtd/index.ts';
import { IotlbGranularity } from '../../../../hardware/vtd/spec/index.ts';
import { FlushQueue } from '../../../kernel/dma/flush-queue.ts';
import { IovaAllocator } from '../../../kernel/dma/iova-allocator.ts';
import type { WrittenTables } from '../tables.ts';
import { invalidate } from '../units.ts';
import type { Protection, ReceiveValues } from './values.ts';

/** Linux gives addresses below 4 GiB as long as there are some. */
const LAST = 2 ** 20 - 1;
/** Writes to these are interrupts. */
const MESSAGES = [0xfee00, 0xfeeff] as const;
const OPTIONS = { last: LAST as PageNumber, emptyCache: true } as const;
const FRAME = 0x1000_0000;
const HUGE_PAGES = 512;
const FORMAT = vtdSecondStage({ levels: 4, superpages: [2] });
const LEAF = FORMAT.leaf(1, FRAME, { read: true, write: true });
export const DOMAIN = 1;

/** The unit that translates, and the top of its tables. */
export interface Translating {
  readonly unit: VtdUnit;
  readonly tables: WrittenTables;
  readonly top: number;
}

export class IoSpace {
  /** Pages that were taken back. */
  unmapped = 0;
  readonly protection: Protection;
  readonly #values: ReceiveValues;
  readonly #addresses = new IovaAllocator({ last: LAST as PageNumber, reserved: [MESSAGES] });
  /** `null` where addresses are memory's own. */
  readonly #translating: Translating | null;
  readonly #queue: FlushQueue;
  /** By page: where its entry lies. */
  readonly #entries = new Map<PageNumber, number>();

  constructor(engine: Engine, protection: Protection, values: ReceiveValues, translating: Translating | null) {
    this.protection = protection;
    this.#values = values;
    this.#translating = translating;
    this.#queue = new FlushQueue(engine, () => this.#flush());
  }

  /** Addresses for `pages` pages that nobody uses. */
  take(pages = 1): PageNumber {
    const first = this.#addresses.allocate(pages, OPTIONS);
    if (first < 0) throw new Error('there are no I/O virtual addresses left');
    return first;
  }

  /** The same, mapped before the measurement. */
  reserve(pages = 1): PageNumber {
    const first = this.take(pages);
    this.#enter(first, pages);
    return first;
  }

  *map(pages = 1): Script<PageNumber> {
    if (this.#translating === null) return 0;
    yield ns(this.#values.map * pages);
    return this.reserve(pages);
  }

  /** Takes back `pages` pages that were mapped at once: the device reaches them until the IOMMU has forgotten them. */
  *unmap(first: PageNumber, pages = 1): Script {
    this.unmapped += pages;
    const { protection } = this;
    if (this.#translating === null) return;
    for (let page = first; page < first + pages; page++) this.#write(page, 0n);
    const released = (): void => this.#addresses.release(first, pages);
    if (protection === 'lazy') {
      const unmapped = { first, pages, mappings: [], tables: [], entries: pages };
      yield* this.#queue.add({ unmapped, released });
      return;
    }
    yield ns(this.#values.invalidate);
    this.#invalidate(first, pages, protection === 'fands');
    released();
  }

  /** Pages may stay mapped when they are given back. */
  get keeps(): boolean {
    return this.protection === 'persistent' || this.protection === 'huge' || this.#translating === null;
  }

  #enter(first: PageNumber, pages: number): void {
    if (this.#translating === null) return;
    const { tables, top } = this.#translating;
    if (this.protection === 'huge' && pages === HUGE_PAGES) {
      tables.map(FORMAT, top, first * 4096, FRAME, 1, 2);
      return;
    }
    for (let page = first; page < first + pages; page++) this.#write(page, LEAF);
  }

  #write(page: PageNumber, word: bigint): void {
    const { tables, top } = this.#translating!;
    let at = this.#entries.get(page);
    if (at === undefined) {
      at = tables.map(FORMAT, top, page * 4096, FRAME, 1);
      this.#entries.set(page, at);
    }
    tables.write(at, word);
  }

  *#flush(): Script<number> {
    yield ns(this.#values.invalidate);
    invalidate(this.#translating!.unit, { IIRG: IotlbGranularity.DOMAIN, DID: DOMAIN });
    return 0;
  }

  #invalidate(first: PageNumber, pages: number, leavesOnly: boolean): void {
    const range = { ADDR: first, AM: 31 - Math.clz32(pages), IH: leavesOnly ? 1 : 0 };
    invalidate(this.#translating!.unit, { IIRG: IotlbGranularity.PAGE, DID: DOMAIN }, range);
  }
}
