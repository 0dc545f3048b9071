/** A process's own I/O page table: its first pages are tables, from the top of five levels to the lowest, then comes data. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { GUEST, GUEST_PAGES } from './dma.ts';
import type { Draw } from './draw.ts';
import type { Live, World } from './world.ts';

const TABLES = 5;
const LOWEST = TABLES - 1;
/** Entries of the lowest table that are ever used. */
const ENTRIES = 4;
/** Present, user, accessed and dirty: hardware has nothing to note. */
const [OPEN, WRITE] = [0x65n, 2n];

/** Writes the tables into a process's first pages, as they are seen where guest memory begins. */
export function buildTables(live: Live): void {
  for (let level = 0; level < LOWEST; level++) write(live, level, [0, entry(level + 1, true)]);
  for (let i = 0; i < ENTRIES; i++) write(live, LOWEST, [i, entry(TABLES + i, true)]);
}

/** Leads a page elsewhere, or nowhere, without telling anybody. */
// biome-ignore lint/correctness/useYield: stores take no time
export function* lead(world: World, live: Live, draw: Draw): Script {
  const first = live.ref.areas[0]?.first ?? -1;
  if (live.ref.pages.get(first + LOWEST)?.writable !== true) return;
  const [index, target] = [draw.below(ENTRIES), TABLES + draw.below(GUEST_PAGES - TABLES)];
  const value = draw.rarely(4) ? 0n : entry(target, !draw.rarely(4));
  write(live, LOWEST, [index, value]);
  world.story.push(`${live.ref.name}: entry ${index} of its own table is 0x${value.toString(16)}`);
}

function entry(page: number, mayWrite: boolean): bigint {
  return BigInt((GUEST + page) * PAGE_SIZE) | OPEN | (mayWrite ? WRITE : 0n);
}

function write({ ref, program }: Live, table: number, [index, value]: readonly [number, bigint]): void {
  const page = ref.areas[0]!.first + table;
  ref.pages.get(page)!.words.set(index, value);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  program.write(BigInt(page * PAGE_SIZE + index * 8), bytes);
}
