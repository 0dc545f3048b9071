/**
 * The paging-structure cache of a stage (VT-d 6.2.5; the page-directory cache of AMD-Vi): tables by address prefix, so that
 * the entries that lead to them need not be read again. First-stage (guest) structures belong to a domain and a PASID,
 * second-stage (host) ones to a domain.
 */

import { FLAGS, FRAME_HI, FRAME_LO, Iotlb, type IotlbSpec, SHIFT } from '../ats/cache/index.ts';
import { highHalf, joinHalves, lowHalf, numberOf, pageLow } from '../bits/index.ts';
import { INDEX_BITS, radixLevel, radixShift } from '../formats/index.ts';
import { NO_PASID } from './access.ts';
import type { Era } from './era.ts';
import type { PerformanceEvents } from './performance-events.ts';
import type { IommuProbe } from './probe.ts';
import type { Translation } from './translation.ts';

/** Whose structures, and for which address. `pasid` is NO_PASID at the second stage. */
export interface StructureTags {
  /** By which they are removed. */
  readonly domain: number;
  /** By which they are found, where that is not the domain. */
  readonly context?: number;
  readonly pasid: number;
  readonly hi: number;
  readonly lo: number;
}

/** The table at which a walk begins, and what the entries on the way to it grant. */
export class WalkStart {
  tableHi = 0;
  tableLo = 0;
  level = 0;
  granted = 0;

  get table(): number {
    return numberOf(this.tableHi, this.tableLo);
  }

  copy({ tableHi, tableLo, level, granted }: Readonly<WalkStart>): this {
    this.tableHi = tableHi;
    this.tableLo = tableLo;
    this.level = level;
    this.granted = granted;
    return this;
  }
}

export interface StructureNames {
  readonly name: string;
  /** Performance events of a look-up, of a hit, which tells the level of the entry from 0 on, and of a miss. */
  readonly lookup?: number;
  readonly hit: number;
  readonly miss?: number;
}

export class PagingStructures {
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  readonly cache: Iotlb | null;
  readonly #names: StructureNames;
  readonly #era: Era;
  /** What `find` gives, until it is asked again. */
  readonly #start = new WalkStart();

  constructor(spec: IotlbSpec | null, names: StructureNames, era: Era) {
    this.cache = spec === null ? null : new Iotlb(spec);
    this.#names = names;
    this.#era = era;
  }

  /**
   * The lowest table on the way of an address of `levels` levels, or `null` when the walk begins at the top. What it gives
   * is the same object each time.
   */
  find(t: Translation, tags: StructureTags, levels: number): Readonly<WalkStart> | null {
    const { cache } = this;
    if (cache === null) return null;
    const owner = ownerOf(tags);
    const pageHi = pageHiOf(tags);
    const pageLo = pageLow(tags.hi, tags.lo);
    const i = t.effects ? cache.find(owner, pageHi, pageLo) : cache.peek(owner, pageHi, pageLo);
    // An entry leads to the table one level below it.
    const level = i < 0 ? 0 : radixLevel(cache.words[i + SHIFT]!) - 1;
    if (this.probe !== null) this.probe.cache(this.#names.name, i >= 0, textOf(tags));
    if (this.counters !== null && t.effects) this.#count(this.counters, t, tags.domain, i < 0 ? null : level);
    if (i < 0 || level >= levels) return null;
    const { words } = cache;
    const start = this.#start;
    start.tableHi = words[i + FRAME_HI]!;
    start.tableLo = words[i + FRAME_LO]!;
    start.level = level;
    start.granted = words[i + FLAGS]!;
    return start;
  }

  /** Remembers where the entry at `level` led to, unless an invalidation has come since the walk began. */
  keep(t: Translation, tags: StructureTags, level: number, target: number, granted: number): void {
    const { cache } = this;
    if (cache === null || t.steps.isResumed || !this.#era.mayFill(t)) return;
    const i = insert(cache, tags, radixShift(level));
    cache.fill(i, highHalf(target), lowHalf(target), granted, tags.domain, tags.pasid);
  }

  /** As `keep`, of the table that a walk in steps has just come to. */
  keepStep(t: Translation): void {
    const { cache } = this;
    const { steps } = t;
    if (cache === null || !this.#era.mayFill(t)) return;
    const i = insert(cache, steps, steps.shift + INDEX_BITS);
    cache.fill(i, steps.tableHi, steps.tableLo, steps.rights, steps.domain, steps.pasid);
  }

  #count(counters: PerformanceEvents, t: Translation, domain: number, level: number | null): void {
    const { requester, pasid } = t;
    const { lookup, hit, miss } = this.#names;
    if (lookup !== undefined) counters.count(lookup, requester, domain, pasid, 0);
    if (level !== null) counters.count(hit, requester, domain, pasid, level);
    else if (miss !== undefined) counters.count(miss, requester, domain, pasid, 0);
  }
}

/** Makes room for the table to which an entry leads that translates 2^shift bytes. */
function insert(cache: Iotlb, tags: StructureTags, shift: number): number {
  return cache.insert(ownerOf(tags), pageHiOf(tags), pageLow(tags.hi, tags.lo), shift);
}

// The tags of the cache have room for domain and PASID.

function ownerOf({ domain, context = domain, pasid }: StructureTags): number {
  return pasid === NO_PASID ? context : context | (pasid << 16);
}

function pageHiOf({ pasid, hi }: StructureTags): number {
  return pasid === NO_PASID ? hi >>> 12 : (hi >>> 12) | ((pasid >>> 16) << 26);
}

function textOf({ domain, pasid, hi, lo }: StructureTags): string {
  return `${pasid === NO_PASID ? `domain ${domain}` : `PASID ${pasid}`}, ${joinHalves(hi, lo)}`;
}
