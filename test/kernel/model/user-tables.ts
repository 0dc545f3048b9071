/** First stages that a process keeps in its own memory, as the reference model walks them, and what hardware may remember of them. */
import type { Reached, RefSpace, Way } from './spaces.ts';

/** Where a first stage leads: a page of the parent. */
interface Led {
  readonly page: number;
  readonly write: boolean;
}

/** The space in which tables lie, and what depends on the machine. */
export interface Below {
  readonly parent: RefSpace;
  readonly levels: number;
  /** Reading a table counts as a write to the page where it is, while anybody tracks that (VT-d 3.8). */
  readonly writesTables: boolean;
}

const [PRESENT, WRITE] = [1n, 2n];
/** V of an entry of a GCR3 table. */
const VALID = 1n;
const FRAME = 0x000f_ffff_ffff_f000n;
const ENTRIES = 512;

export class RefFirstStage implements Way {
  readonly #below: Below;
  /** The page of its top table now; `null`: there is none. */
  readonly #root: () => number | null;
  /** Top tables since hardware was last told to forget which one it is. */
  readonly #roots = new Set<number>();
  /** What it has led to since hardware was last told to forget it, by page: that may still hold. */
  readonly #remembered = new Map<number, Led[]>();

  constructor(below: Below, root: () => number | null) {
    this.#below = below;
    this.#root = root;
  }

  at(page: number): Reached | null {
    const led = this.#led(this.#root(), page);
    return led === null ? null : this.#through(led);
  }

  wrote(page: number): void {
    this.#below.parent.wrote(this.#led(this.#root(), page)!.page);
  }

  walked(page: number): void {
    if (!this.#writesTables) return;
    const root = this.#root();
    for (const { at } of this.#walk(root, page)) this.#below.parent.noteAround(at);
  }

  stale(page: number): Reached[] {
    return (this.#remembered.get(page) ?? []).flatMap((led) => this.#through(led) ?? []);
  }

  isStale(page: number): boolean {
    const root = this.#root();
    const led = this.#led(root, page);
    const isOld = (one: Led) => one.page !== led?.page || one.write !== led.write;
    return [...this.#roots].some((one) => one !== root) || (this.#remembered.get(page) ?? []).some(isOld);
  }

  /** Notes where it leads now, also from the top tables that hardware may still take for its own. */
  remember(pages: Iterable<number>): void {
    const root = this.#root();
    if (root !== null) this.#roots.add(root);
    for (const page of pages) {
      const known = this.#remembered.get(page) ?? [];
      for (const one of this.#roots) {
        const led = this.#led(one, page);
        if (led === null || known.some(({ page: to, write }) => to === led.page && write === led.write)) continue;
        known.push(led);
      }
      if (known.length > 0) this.#remembered.set(page, known);
    }
  }

  forget(first: number, pages: number): void {
    for (const page of [...this.#remembered.keys()]) {
      if (first <= page && page < first + pages) this.#remembered.delete(page);
    }
  }

  forgetAll(): void {
    this.#remembered.clear();
    this.#roots.clear();
  }

  get #writesTables(): boolean {
    return this.#below.writesTables && this.#below.parent.isTracked;
  }

  #through({ page, write }: Led): Reached | null {
    const below = this.#below.parent.at(page);
    return below === null ? null : { ...below, write: write && below.write };
  }

  #led(root: number | null, page: number): Led | null {
    const steps = [...this.#walk(root, page)];
    const last = steps.at(-1);
    if (steps.length < this.#below.levels || last === undefined || (last.entry & PRESENT) === 0n) return null;
    return { page: frameOf(last.entry), write: steps.every(({ entry }) => (entry & WRITE) !== 0n) };
  }

  /** The entries of an x86 table, which lies in the parent space, on the way to a page, as far as it goes. */
  *#walk(root: number | null, page: number): Generator<{ readonly at: number; readonly entry: bigint }> {
    if (root === null) return;
    const { parent, levels } = this.#below;
    let at = root;
    for (let level = levels; level > 0; level--) {
      const table = parent.at(at);
      if (table?.read !== true || (this.#writesTables && !table.write)) return;
      const entry = table.cell.word(Math.floor(page / ENTRIES ** (level - 1)) % ENTRIES);
      yield { at, entry };
      if ((entry & PRESENT) === 0n) return;
      at = frameOf(entry);
    }
  }
}

/** The top table that a GCR3 table in a space has for a PASID; `null`: none. */
export function rootIn(parent: RefSpace, top: number, levels: number, pasid: number): number | null {
  if (pasid >= ENTRIES ** levels) return null;
  let at = top;
  for (let level = levels - 1; level >= 0; level--) {
    const table = parent.at(at);
    if (table?.read !== true) return null;
    const entry = table.cell.word(Math.floor(pasid / ENTRIES ** level) % ENTRIES);
    if ((entry & VALID) === 0n) return null;
    at = frameOf(entry);
  }
  return at;
}

function frameOf(entry: bigint): number {
  return Number((entry & FRAME) >> 12n);
}
