/** What processes have, as the reference model sees it: pages with what stands in them, and descriptors. */
import type { RefFile } from './files.ts';

/** Entries of a page table take the first half of a page; a mark that tells pages apart stands behind them. */
export const MARK_AT = 0x800;
export const MARK_INDEX = MARK_AT / 8;

export function bytesOf(mark: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, mark, true);
  return bytes;
}

export function markOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** One page of memory: what two processes share after a fork is two cells from the first write on, so it is two at once. */
export class Cell {
  mark: number;
  readonly writable: boolean;
  /** Words of 64 bits by their index. */
  readonly words: Map<number, bigint>;

  constructor(writable: boolean, mark = 0, words: ReadonlyMap<number, bigint> = new Map()) {
    this.writable = writable;
    this.mark = mark;
    this.words = new Map(words);
  }

  word(index: number): bigint {
    return index === MARK_INDEX ? BigInt(this.mark) : (this.words.get(index) ?? 0n);
  }

  copy(): Cell {
    return new Cell(this.writable, this.mark, this.words);
  }
}

export interface Area {
  readonly first: number;
  readonly pages: number;
}

export class RefProcess {
  readonly name: string;
  readonly pages = new Map<number, Cell>();
  /** As they were mapped: places where something may be. */
  readonly areas: Area[] = [];
  readonly files = new Map<number, RefFile>();

  constructor(name: string) {
    this.name = name;
  }

  /** The cells of a range, `undefined` when the process does not have all of them, or may not write them and is to. */
  range(first: number, pages: number, write: boolean): Cell[] | undefined {
    const cells: Cell[] = [];
    for (let page = first; page < first + pages; page++) {
      const cell = this.pages.get(page);
      if (cell === undefined || (write && !cell.writable)) return undefined;
      cells.push(cell);
    }
    return cells;
  }

  get lowestFree(): number {
    let fd = 0;
    while (this.files.has(fd)) fd++;
    return fd;
  }
}
