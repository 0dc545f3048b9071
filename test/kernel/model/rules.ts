/** What commands on spaces give and do, by the proposal's text, its errno table (2.6) and the rules of type1 (2.5.1). */
import { EBUSY, EDEADLK, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP } from '../../../src/uapi/index.ts';
import { type Facts, isPermitted, NONE } from './facts.ts';
import { chargedFor, type RefContext } from './files.ts';
import type { RefProcess } from './memory.ts';
import { routingRefusal } from './routing.ts';
import { PLAIN, type RefSpace, type UserTableOf, type Wanted } from './spaces.ts';

const PAGE = 4096n;
const TOP = 2n ** 64n;

export interface Limits {
  /** Pages that each process may have locked. */
  readonly locked: number;
  /** Mappings of one space. */
  readonly mappings: number;
  /** Spaces of one context. */
  readonly spaces: number;
  readonly files: number;
}

export interface MapWish {
  readonly ioasid: number;
  readonly flags: number;
  readonly vaddr: bigint;
  readonly iova: bigint;
  readonly size: bigint;
}

/** A table of a process, as version 1 says it. */
export interface TableWish {
  readonly addr: bigint;
  readonly vendor: number;
  readonly width: number;
}

export interface PasidTableWish extends TableWish {
  readonly pasidBits: number;
  readonly usesPasidZero: boolean;
}

const [READ, WRITE] = [1, 2];
/** Of x86 tables, by the bits of an address. */
const LEVELS: Readonly<Record<number, number>> = { 48: 4, 57: 5 };

/** At least one whole page, and no further than the end of all addresses. */
export function isRange(start: bigint, size: bigint): boolean {
  return start % PAGE === 0n && size % PAGE === 0n && size > 0n && start + size <= TOP;
}

const pages = (bytes: bigint): number => Number(bytes / PAGE);

/** Of version 1: a space takes no command before a device is attached, and none while only a part of a group is. */
export function ready(context: RefContext, id: number): RefSpace | number {
  const space = context.spaces.get(id);
  if (space === undefined || context.attached(space).length === 0) return -EINVAL;
  return context.isPartial(space) ? -EDEADLK : space;
}

/** The space that a command names, as each version takes it. */
export function named(context: RefContext, id: number): RefSpace | number {
  return context.version === 1 ? ready(context, id) : (context.spaces.get(id) ?? -EINVAL);
}

/** The same, if it is nested and has no table of a user yet. */
function unfilled(context: RefContext, id: number): RefSpace | number {
  const space = ready(context, id);
  if (typeof space === 'number') return space;
  return space.parent !== null && space.parent.user === null && space.user === null ? space : -EINVAL;
}

export class Rules {
  readonly facts: Facts;
  readonly limits: Limits;
  /** Contexts that there are, also those of closed descriptors. */
  readonly contexts = new Set<RefContext>();

  constructor(facts: Facts, limits: Limits) {
    this.facts = facts;
    this.limits = limits;
  }

  /** Pages that a process is charged for. */
  locked(process: RefProcess): number {
    return [...this.contexts].reduce((sum, context) => sum + context.chargedPages(process), 0);
  }

  map(context: RefContext, process: RefProcess, { ioasid, flags, vaddr, iova, size }: MapWish): number {
    const space = named(context, ioasid);
    if ((flags & ~(READ | WRITE)) !== 0) return -EINVAL;
    if (typeof space === 'number') return space;
    if (space.user !== null || flags === 0 || !isRange(iova, size) || !isRange(vaddr, size)) return -EINVAL;
    const [first, count, source] = [pages(iova), pages(size), pages(vaddr)];
    if (space.overlaps(first, count)) return -EEXIST;
    if (space.mappings.length >= this.limits.mappings) return -ENOSPC;
    const isLive = this.isHeld(context, space);
    if (isLive && !isPermitted(this.facts, first, count)) return -EINVAL;
    if (context.version === 2 && first + count > 2 ** (space.wanted.width - 12)) return -EINVAL;
    const rights = { read: (flags & READ) !== 0, write: (flags & WRITE) !== 0 };
    const common = { first, pages: count, source, ...rights, owner: process };
    if (space.parent !== null) {
      if (!space.parent.covers(source, count)) return -ENOENT;
      space.mappings.push({ ...common, cells: null, registrations: [] });
      return 0;
    }
    if (context.registrations.length > 0) return this.#mapRegistered(context, space, common);
    const cells = process.range(source, count, rights.write);
    if (cells === undefined) return -EFAULT;
    const charged = chargedFor(space.mappings, process);
    const fresh = cells.filter((cell) => !charged.has(cell)).length;
    if (this.locked(process) + fresh > this.limits.locked) return -ENOMEM;
    space.mappings.push({ ...common, cells, registrations: [] });
    return 0;
  }

  /** Bytes that are unmapped, or an errno. */
  unmap(context: RefContext, ioasid: number, iova: bigint, size: bigint): bigint | number {
    const space = named(context, ioasid);
    if (typeof space === 'number') return space;
    if (space.user !== null || !isRange(iova, size)) return -EINVAL;
    const [first, end] = [pages(iova), pages(iova + size)];
    const touched = space.mappings.filter((one) => one.first < end && first < one.first + one.pages);
    if (touched.some((one) => one.first < first || one.first + one.pages > end)) return -EINVAL;
    for (const one of touched) {
      space.mappings.splice(space.mappings.indexOf(one), 1);
      space.written?.forget(one.first, one.pages);
    }
    return touched.reduce((sum, one) => sum + BigInt(one.pages) * PAGE, 0n);
  }

  /** A new space's number. */
  add(context: RefContext, parent: RefSpace | null, wanted: Wanted): number {
    return context.spaces.size < this.limits.spaces ? context.add(parent, wanted) : -EBUSY;
  }

  free(context: RefContext, id: number): number {
    const space = context.spaces.get(id);
    if (space === undefined) return -EINVAL;
    if (context.attached(space).length > 0 || space.children.size > 0) return -EBUSY;
    context.spaces.delete(id);
    space.parent?.children.delete(space);
    return 0;
  }

  /** Version 1: pinned and charged at once. */
  register(context: RefContext, owner: RefProcess, vaddr: bigint, size: bigint): number {
    if (!isRange(vaddr, size)) return -EINVAL;
    const [first, count] = [pages(vaddr), pages(size)];
    const overlaps = context.registrations.some(
      (one) => one.owner === owner && one.first < first + count && first < one.first + one.cells.length,
    );
    if (overlaps) return -EEXIST;
    const cells = owner.range(first, count, false);
    if (cells === undefined) return -EFAULT;
    if (this.locked(owner) + count > this.limits.locked) return -ENOMEM;
    context.registrations.push({ owner, first, cells, writable: cells.every(({ writable }) => writable) });
    return 0;
  }

  unregister(context: RefContext, owner: RefProcess, vaddr: bigint, size: bigint): number {
    if (!isRange(vaddr, size)) return -EINVAL;
    const at = context.registrations.findIndex(
      (one) => one.owner === owner && one.first === pages(vaddr) && one.cells.length === pages(size),
    );
    const found = context.registrations[at];
    if (found === undefined) return -EINVAL;
    const isUsed = [...context.spaces.values()].some(({ mappings }) =>
      mappings.some(({ registrations }) => registrations.includes(found)),
    );
    if (isUsed) return -EBUSY;
    context.registrations.splice(at, 1);
    return 0;
  }

  /** Version 1. */
  nest(context: RefContext, id: number): number {
    const parent = ready(context, id);
    if (typeof parent === 'number') return parent;
    return parent.user === null ? this.add(context, parent, PLAIN) : -EINVAL;
  }

  /** Version 1: a nested space becomes one with a table of the user. */
  bindTable(context: RefContext, id: number, { addr, vendor, width }: TableWish): number {
    const space = unfilled(context, id);
    if (typeof space === 'number') return space;
    if (addr % PAGE !== 0n) return -EINVAL;
    const levels = vendor === 1 ? LEVELS[width] : undefined;
    if (levels === undefined) return -EOPNOTSUPP;
    if (space.mappings.length > 0 || space.children.size > 0) return -EBUSY;
    return this.#become(context, space, { top: pages(addr), levels });
  }

  /** Version 1: it becomes a table of tables by PASIDs. */
  bindPasidTable(context: RefContext, id: number, table: PasidTableWish): number {
    const { addr, vendor, width, pasidBits, usesPasidZero } = table;
    const space = unfilled(context, id);
    if (typeof space === 'number') return space;
    if (addr % PAGE !== 0n) return -EINVAL;
    const levels = vendor === 2 ? LEVELS[width] : undefined;
    const { nestedLevels, pasidTableBits } = this.facts;
    if (levels === undefined || pasidTableBits === 0 || !nestedLevels.includes(levels)) return -EOPNOTSUPP;
    if (pasidBits === 0 || pasidBits > 20) return -EINVAL;
    if (context.attached(space).some(({ pasid }) => pasid !== NONE)) return -EINVAL;
    if (space.mappings.length > 0 || space.children.size > 0) return -EBUSY;
    return this.#become(context, space, { top: pages(addr), levels, pasidBits, usesPasidZero });
  }

  unbindTable(context: RefContext, id: number): number {
    const space = ready(context, id);
    if (typeof space === 'number') return space;
    return space.user === null || space.isByPasid ? -EINVAL : this.#become(context, space, null);
  }

  unbindPasidTable(context: RefContext, id: number): number {
    const space = ready(context, id);
    if (typeof space === 'number') return space;
    if (!space.isByPasid) return -EINVAL;
    const leads = context.attached(space).some(({ device }) => device.hasPasids);
    return leads ? -EBUSY : this.#become(context, space, null);
  }

  /** What stands against a device in a space: 0, or the errno of its first attach. */
  refusal(context: RefContext, space: RefSpace): number {
    const { width, enforceSnoop, tracksDirty, user } = space.wanted;
    if (user !== null) return this.#userRefusal(user);
    if (this.isHeld(context, space)) return 0;
    if (enforceSnoop && !this.facts.enforcesSnoop) return -EINVAL;
    if (tracksDirty && !this.facts.tracksDirty) return -EINVAL;
    return width > this.facts.width ? -EINVAL : 0;
  }

  /** Hardware has the space's table. */
  isHeld(context: RefContext, space: RefSpace): boolean {
    return context.attached(space).length > 0;
  }

  #userRefusal({ top, levels, pasidBits }: UserTableOf): number {
    if (pasidBits !== undefined && pasidBits > this.facts.pasidTableBits) return -EINVAL;
    return this.facts.nestedLevels.includes(levels) && top < 2 ** (this.facts.width - 12) ? 0 : -EINVAL;
  }

  #mapRegistered(
    context: RefContext,
    space: RefSpace,
    wish: Omit<RefSpace['mappings'][number], 'cells' | 'registrations'>,
  ): number {
    const { source, pages: count, owner, write } = wish;
    const used = context.registrations.filter(
      (one) => one.owner === owner && one.first < source + count && source < one.first + one.cells.length,
    );
    const cells = Array.from({ length: count }, (_, i) =>
      used.map((one) => one.cells[source + i - one.first]).find((cell) => cell !== undefined),
    ).flatMap((cell) => cell ?? []);
    if (cells.length < count || (write && used.some(({ writable }) => !writable))) return -EINVAL;
    space.mappings.push({ ...wish, cells, registrations: used });
    return 0;
  }

  /** Gives a space another table, where its devices can go there. */
  #become(context: RefContext, space: RefSpace, user: UserTableOf | null): number {
    const refusal = user === null ? 0 : this.#userRefusal(user);
    if (refusal !== 0) return refusal;
    const before = space.wanted;
    space.wanted = { ...before, user } satisfies Wanted;
    for (const { device, pasid } of context.attached(space)) {
      const isLed = device.goesTo(pasid) === space;
      const routing = isLed ? routingRefusal(this.facts, this.contexts, { device, pasid }, space) : 0;
      if (isLed) context.faults.moved(device, pasid);
      if (routing === 0) continue;
      space.wanted = before;
      return routing;
    }
    space.dropFirstStages();
    space.written = null;
    return 0;
  }
}
