/** System calls on both sides: descriptors, memory, and processes themselves. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBADF, EINVAL, EMFILE, ENOENT } from '../../../src/uapi/index.ts';
import { unbind } from './devices.ts';
import { RefContext, type RefFile } from './files.ts';
import { bytesOf, Cell, MARK_AT, type RefProcess } from './memory.ts';
import type { Live, World } from './world.ts';

export const VERSIONS: Readonly<Record<string, 1 | 2>> = { '/dev/ioasid': 1, '/dev/iommu': 2 };

export function* open(world: World, { ref, program }: Live, path: string): Script {
  const version = VERSIONS[path];
  const device = world.devices[world.paths.indexOf(path)];
  const context = version === undefined ? undefined : new RefContext(version, world.machine.facts);
  const target = context ?? device;
  const fd = ref.lowestFree;
  const wanted = target === undefined ? -ENOENT : fd < world.rules.limits.files ? fd : -EMFILE;
  world.same(`${ref.name}: open(${path})`, yield* program.open(path), wanted);
  if (wanted < 0 || target === undefined) return;
  if (context !== undefined) world.rules.contexts.add(context);
  ref.files.set(fd, { target, references: 1 });
}

export function* close(world: World, { ref, program }: Live, fd: number): Script {
  const file = ref.files.get(fd);
  world.same(`${ref.name}: close(${fd})`, yield* program.close(fd), file === undefined ? -EBADF : 0);
  if (file === undefined) return;
  ref.files.delete(fd);
  drop(world, file);
}

/** A child with copies of all pages and the same open files. */
export function* fork(world: World, parent: Live): Script {
  const name = world.nextName;
  const child = yield* parent.program.fork(name);
  world.same(`${parent.ref.name}: fork(${name})`, typeof child === 'number' ? child : 0, 0);
  if (typeof child !== 'number') world.adopt(parent, child);
}

export function* exit(world: World, live: Live): Script {
  const { ref, program } = live;
  world.same(`${ref.name}: exit()`, yield* program.exit(), 0);
  world.live.splice(world.live.indexOf(live), 1);
  for (const file of ref.files.values()) drop(world, file);
  ref.files.clear();
  ref.pages.clear();
}

/** Memory in which every page has a mark of its own. */
export function* mmap(world: World, live: Live, pages: number, writable: boolean): Script {
  const { ref, program } = live;
  const address = yield* program.mmap(pages * PAGE_SIZE, { writable });
  const first = Number(address) / PAGE_SIZE;
  const isNew = Number.isInteger(first) && first > 0 && !isTaken(ref, first, pages);
  world.same(`${ref.name}: mmap(${pages} pages${writable ? '' : ', to read'})`, isNew ? 0 : address, 0);
  ref.areas.push({ first, pages });
  for (let i = 0; i < pages; i++) ref.pages.set(first + i, new Cell(writable));
  if (writable) for (let i = 0; i < Math.min(pages, 16); i++) store(world, live, first + i);
}

export function* munmap(world: World, { ref, program }: Live, page: number, pages: number): Script {
  const result = yield* program.munmap(BigInt(page * PAGE_SIZE), pages * PAGE_SIZE);
  world.same(`${ref.name}: munmap(page ${page}, ${pages} pages)`, result, pages > 0 ? 0 : -EINVAL);
  for (let i = 0; i < pages; i++) ref.pages.delete(page + i);
}

/** The process gives a page another mark. */
export function store(world: World, { ref, program }: Live, page: number): void {
  const cell = ref.pages.get(page)!;
  cell.mark = world.mark();
  program.write(BigInt(page * PAGE_SIZE + MARK_AT), bytesOf(cell.mark));
  world.story.push(`${ref.name}: page ${page} holds ${cell.mark}`);
}

function isTaken(ref: RefProcess, first: number, pages: number): boolean {
  return [...ref.pages.keys()].some((page) => first <= page && page < first + pages);
}

/** One descriptor less. */
function drop({ rules }: World, file: RefFile): void {
  file.references--;
  if (file.references > 0) return;
  const { target } = file;
  if (!(target instanceof RefContext)) {
    unbind(rules, { device: target, file });
    return;
  }
  target.isOpen = false;
  target.faults.close();
  target.endIfUnused();
  if (target.devices.length === 0) rules.contexts.delete(target);
}
