/** First-stage tables and GCR3 tables that somebody else keeps, in pages of a domain below. */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { IommuDomain } from '../../src/kernel/iommu/driver.ts';
import type { MachineBench } from './machine-bench.ts';
import { mapPage, unmapPage } from './scalable-bench.ts';

/** Present, writable, user. */
const OPEN = 7n;

export class ForeignTables {
  readonly #bench: MachineBench;
  readonly #parent: IommuDomain;
  readonly #frames = new Map<number, number>();

  constructor(bench: MachineBench, parent: IommuDomain) {
    this.#bench = bench;
    this.#parent = parent;
  }

  /** Maps pages below, each with a byte in it. */
  *map(mark: number, ...pages: number[]): Script {
    for (const page of pages) this.#frames.set(page, yield* mapPage(this.#bench, this.#parent, page, mark));
  }

  *unmap(page: number): Script<number> {
    const result = yield* unmapPage(this.#bench, this.#parent, page, this.#frames.get(page)!);
    this.#frames.delete(page);
    return result;
  }

  *unmapAll(): Script {
    for (const page of [...this.#frames.keys()]) yield* this.unmap(page);
  }

  /** True when an address is in one of the pages. */
  holds(address: number): boolean {
    return [...this.#frames.values()].includes(Math.floor(address / PAGE_SIZE));
  }

  /** Writes an entry of a table in one of the pages. */
  write(page: number, index: number, entry: bigint): void {
    this.#bench.memory.write64(this.#frames.get(page)! * PAGE_SIZE + index * 8, entry);
  }

  /** Four levels of tables in pages that are mapped, the top table in the first, which lead address 0 to a page. */
  lead([top, ...lower]: readonly number[], data: number): void {
    let at = top!;
    for (const next of [...lower, data]) {
      this.write(at, 0, BigInt(next * PAGE_SIZE) | OPEN);
      at = next;
    }
  }
}
