/**
 * Tables that a process builds in its own memory. Its first pages are a page table, from the top of five levels to the lowest, then
 * comes data; behind it a page that is all levels of another table at once, since it leads to itself, and a GCR3 table.
 */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { GUEST, remember } from './dma.ts';
import type { Draw } from './draw.ts';
import { NONE } from './facts.ts';
import type { Cell, RefProcess } from './memory.ts';
import type { Live, World } from './world.ts';

const TABLES = 5;
const LOWEST = TABLES - 1;
/** Where the table is that leads to itself. */
const ITSELF = 9;
/** GCR3 tables of one level, and of two. */
const [GCR3, UPPER_GCR3] = [10, 11];
/** Entries of the lowest table that are ever used. */
const ENTRIES = 4;
/** Present, user, accessed and dirty: hardware has nothing to note. */
const [OPEN, WRITE] = [0x65n, 2n];
/** V of a GCR3 entry. */
const VALID = 1n;

/** Pages of a parent space where tables begin: of a page table of so many levels, and of a PASID table for so many bits. */
export const tableOfLevels = (levels: 4 | 5): number => GUEST + TABLES - levels;
export const tableOfPasids = (bits: number): number => GUEST + (bits <= 9 ? GCR3 : UPPER_GCR3);

/** Writes the tables into a process's first pages, as they are seen where guest memory begins. */
export function buildTables(live: Live): void {
  for (let level = 0; level < LOWEST; level++) write(live, level, [0, entry(level + 1, true)]);
  for (let i = 0; i < ENTRIES; i++) write(live, LOWEST, [i, entry(TABLES + i, true)]);
  write(live, ITSELF, [0, entry(ITSELF, true)]);
  for (let i = 1; i < ENTRIES; i++) write(live, ITSELF, [i, entry(TABLES + i, true)]);
  write(live, UPPER_GCR3, [0, root(GCR3)]);
  for (const [pasid, top] of [
    [0, ITSELF],
    [3, 1],
    [5, ITSELF],
  ] as const) {
    write(live, GCR3, [pasid, root(top)]);
  }
}

/** What a device has used: a page, by a PASID table or not. */
export interface Used {
  readonly pasid: number;
  readonly page: number;
  readonly isByPasid: boolean;
}

/** The entry of a GCR3 table that a request uses. */
export function entryOf({ pasid }: Used): number {
  return pasid === NONE ? 0 : pasid;
}

function isLedToItself({ ref }: Live, use: Used): boolean {
  const gcr3 = ref.pages.get(ref.areas[0]!.first + GCR3);
  return gcr3?.words.get(entryOf(use)) === root(ITSELF);
}

/** A page is the first of a process's memory, where its tables are. */
export function keeps({ areas, pages }: RefProcess, cell: Cell | undefined): boolean {
  return cell !== undefined && pages.get(areas[0]?.first ?? -1) === cell;
}

/** Leads a page elsewhere, or nowhere, without telling anybody; mostly one that a device has just used. */
// biome-ignore lint/correctness/useYield: stores take no time
export function* lead(world: World, live: Live, draw: Draw, use?: Used): Script {
  const used = use?.page ?? ENTRIES;
  const isItself = use?.isByPasid === true ? isLedToItself(live, use) : draw.rarely(10);
  // What leads to itself goes on doing so, and the rest to no table: then it does not matter that entries may be of any level.
  const first = isItself ? 1 : 0;
  const isUsed = first <= used && used < ENTRIES && !draw.rarely(4);
  const index = isUsed ? used : first + draw.below(ENTRIES - first);
  const target = TABLES + draw.below(ITSELF - TABLES);
  const value = draw.rarely(4) ? 0n : entry(target, !draw.rarely(4));
  change(world, live, isItself ? ITSELF : LOWEST, [index, value]);
}

/** Leads a PASID to another page table, or to none, without telling anybody. */
// biome-ignore lint/correctness/useYield: stores take no time
export function* leadPasid(world: World, live: Live, draw: Draw, use: Used): Script {
  const value = draw.rarely(4) ? 0n : root(draw.of([0, 1, ITSELF, ITSELF]));
  change(world, live, GCR3, [draw.rarely(4) ? draw.of([0, 3, 5]) : entryOf(use), value]);
}

function entry(page: number, mayWrite: boolean): bigint {
  return BigInt((GUEST + page) * PAGE_SIZE) | OPEN | (mayWrite ? WRITE : 0n);
}

function root(page: number): bigint {
  return BigInt((GUEST + page) * PAGE_SIZE) | VALID;
}

function change(world: World, live: Live, table: number, [index, value]: readonly [number, bigint]): void {
  const first = live.ref.areas[0]?.first ?? -1;
  if (live.ref.pages.get(first + table)?.writable !== true) return;
  // Hardware may have walked it before.
  remember(world);
  write(live, table, [index, value]);
  world.story.push(`${live.ref.name}: entry ${index} of its own table ${table} is 0x${value.toString(16)}`);
}

function write({ ref, program }: Live, table: number, [index, value]: readonly [number, bigint]): void {
  const page = ref.areas[0]!.first + table;
  ref.pages.get(page)!.words.set(index, value);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  program.write(BigInt(page * PAGE_SIZE + index * 8), bytes);
}
