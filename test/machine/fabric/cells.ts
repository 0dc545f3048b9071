/** AtomicOps on cells of host memory: whatever their order, each has happened once and has seen what the one before it left. */

import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { TlpKind } from '../../../hardware/pcie/index.ts';
import { CELLS } from './bench.ts';

const KINDS = [TlpKind.FETCH_ADD, TlpKind.SWAP, TlpKind.COMPARE_AND_SWAP];
const WIDTHS = [4, 8, 16];

export interface Cell {
  readonly kind: number;
  readonly width: number;
  readonly address: number;
}

/** One for each kind and width that there is. */
export const ALL_CELLS: readonly Cell[] = KINDS.flatMap((kind) =>
  WIDTHS.filter((width) => width < 16 || kind === TlpKind.COMPARE_AND_SWAP).map((width) => ({ kind, width })),
).map((cell, i) => ({ ...cell, address: CELLS + i * 16 }));

/** One that has ended: what it compared, what it put there, what it found. */
interface Done {
  readonly compare: number;
  readonly next: number;
  readonly found: number;
}

export class Cells {
  readonly #done = new Map<Cell, Done[]>();

  /** The operands of the next: it adds 1, or puts `value` there, if a compare-and-swap finds what was found last. */
  operands(cell: Cell, value: number): Uint8Array {
    const { kind, width } = cell;
    if (kind === TlpKind.FETCH_ADD) return little(1, width);
    if (kind === TlpKind.SWAP) return little(value, width);
    return Uint8Array.of(...little(this.#of(cell).at(-1)?.found ?? 0, width), ...little(value, width));
  }

  record(cell: Cell, operands: Uint8Array, found: Uint8Array): void {
    const compares = cell.kind === TlpKind.COMPARE_AND_SWAP;
    const next = numberOf(operands.subarray(compares ? cell.width : 0));
    this.#of(cell).push({ compare: numberOf(operands.subarray(0, cell.width)), next, found: numberOf(found) });
  }

  /** Follows each cell from 0 to what stands there now. */
  finish(memory: PhysicalMemory, complain: (what: string) => void): void {
    for (const [cell, done] of this.#done) {
      const left = numberOf(memory.read(cell.address, cell.width)!);
      if (!(cell.kind === TlpKind.FETCH_ADD ? counts(done, left) : follows(cell, done, left))) {
        complain(`the cell at 0x${cell.address.toString(16)} holds ${left} after ${JSON.stringify(done)}`);
      }
    }
  }

  #of(cell: Cell): Done[] {
    const done = this.#done.get(cell) ?? [];
    this.#done.set(cell, done);
    return done;
  }
}

function counts(done: readonly Done[], left: number): boolean {
  const found = done.map((one) => one.found).sort((a, b) => a - b);
  return left === done.length && found.every((value, i) => value === i);
}

/** Values are put there once each, so there is one order at most. */
function follows({ kind }: Cell, done: readonly Done[], left: number): boolean {
  const swaps = done.filter(({ compare, found }) => kind === TlpKind.SWAP || compare === found);
  const values = [0];
  for (const _ of swaps) values.push(swaps.find(({ found }) => found === values.at(-1))?.next ?? -1);
  return left === values.at(-1) && done.every(({ found }) => values.includes(found));
}

function little(value: number, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => (i < 4 ? value >>> (i * 8) : 0));
}

function numberOf(bytes: Uint8Array): number {
  return bytes.subarray(0, 4).reduce((sum, byte, i) => sum + byte * 2 ** (8 * i), 0);
}
