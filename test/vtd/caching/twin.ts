/**
 * The brute-force twin: caches without limit that hold at once everything that hardware may hold. Before each change of
 * the tables and each invalidation they take in every entry that any request could bring in, from memory or from what
 * is held already; an invalidation removes what vtd.md section 5.3 says it must, and no more. What a request may end in
 * is what any combination of these entries gives.
 */
import {
  type Command,
  type ContextCommand,
  type FirstCommand,
  type IotlbCommand,
  inRange,
  maskedBy,
  type PasidCommand,
} from './commands.ts';
import { add } from './structures.ts';
import { type Result, TwinWalks } from './twin-walks.ts';
import {
  type Context,
  directoryKey,
  HOST_BITS,
  Kind,
  pasidKey,
  type Setting,
  type Space,
  type World,
} from './world.ts';

export interface Query {
  readonly sid: number;
  /** -1 without. */
  readonly pasid: number;
  readonly address: number;
}

interface CachedContext {
  readonly context: Context;
  /** Domain by which it is invalidated in legacy mode; a faulting entry is in domain 0. */
  readonly did: number;
}

interface CachedSpace {
  readonly sid: number;
  readonly pasid: number;
  readonly space: Space;
}

interface Translated extends Result {
  readonly did: number;
  readonly pasid: number;
  readonly kind: number;
}

const FAULT = { LRT_2: 0x01, LCT_2: 0x02, SRT_2: 0x39, SCT_2: 0x41, SPD_2: 0x51, SPT_2: 0x59 } as const;

const faulting = (fault: number): Context => ({ fault, space: null, directory: 0, ridPasid: 0 });
const faultingSpace = (fault: number): Space => ({ fault, kind: 0, did: 0, second: null, first: null });
const NO_ROOT = [faulting(FAULT.LRT_2), faulting(FAULT.SRT_2)] as const;
const NO_CONTEXT = [faulting(FAULT.LCT_2), faulting(FAULT.SCT_2)] as const;
const NO_DIRECTORY = faultingSpace(FAULT.SPD_2);
const NO_PASID_ENTRY = faultingSpace(FAULT.SPT_2);

export class Twin {
  readonly setting: Setting;
  readonly queries: readonly Query[];
  readonly #world: World;
  readonly #remembers: boolean;
  readonly #walks: TwinWalks;
  readonly #contexts = new Map<number, CachedContext[]>();
  #spaces: CachedSpace[] = [];
  readonly #translations = new Map<Query, Translated[]>();
  #isFull = false;

  /** Without memory of its own the twin says what the tables as they are now translate to. */
  constructor(setting: Setting, world: World, remembers: boolean) {
    this.setting = setting;
    this.#world = world;
    this.#remembers = remembers;
    this.#walks = new TwinWalks(setting, world, remembers);
    this.queries = setting.sids.flatMap((sid) =>
      setting.pasids.flatMap((pasid) => setting.addresses.map((address) => ({ sid, pasid, address }))),
    );
  }

  /** Host addresses and negated fault codes that the request may end in. */
  outcomes(query: Query, write: boolean): number[] {
    this.#fill();
    const outcomes: number[] = [];
    for (const result of this.#derive(query)) add(outcomes, this.#judge(result, write));
    if (!this.#remembers) return outcomes;
    for (const result of this.#cachedOf(query)) add(outcomes, this.#judge(result, write));
    return outcomes;
  }

  /** Software is about to write a table: what can be cached of it is. */
  beforeEdit(): void {
    this.#fill();
  }

  /** Tables have changed. */
  afterEdit(): void {
    this.#isFull = false;
    this.#walks.forget();
  }

  /** An invalidation has been carried out. */
  flush(command: Command): void {
    this.#fill();
    if (command.op === 'context') this.#flushContexts(command);
    else if (command.op === 'pasid') this.#flushSpaces(command);
    else if (command.op === 'iotlb') this.#flushIotlb(command);
    else this.#flushFirst(command);
    this.afterEdit();
  }

  #fill(): void {
    if (this.#isFull || !this.#remembers) return;
    for (const query of this.queries) this.#derive(query);
    // A domain with an older and a newer top table: what one brought in may lead on from the other.
    while (this.#walks.mayGrow()) for (const query of this.queries) this.#derive(query);
    this.#isFull = true;
  }

  #judge({ fault, hpa, rights }: Result, write: boolean): number {
    if (fault !== 0) return -fault;
    if (this.setting.scalable) return write ? ((rights & 2) !== 0 ? hpa : -0x85) : (rights & 1) !== 0 ? hpa : -0x86;
    return write ? ((rights & 2) !== 0 ? hpa : -0x05) : (rights & 1) !== 0 ? hpa : -0x06;
  }

  /** What a walk for the request may find now; all of it that may be cached is. */
  #derive(query: Query): Result[] {
    const results: Result[] = [];
    for (const context of this.#contextsOf(query.sid)) {
      if (context.fault !== 0) {
        results.push({ fault: context.fault, hpa: 0, rights: 0 });
        continue;
      }
      const pasid = query.pasid < 0 && this.setting.scalable ? context.ridPasid : query.pasid;
      const spaces = context.space === null ? this.#spacesOf(query.sid, pasid, context.directory) : [context.space];
      for (const space of spaces) {
        for (const result of this.#translate(space, pasid, query.address)) {
          results.push(result);
          if (this.#remembers && this.#mayCache(space, result)) this.#keep(query, space, pasid, result);
        }
      }
    }
    return results;
  }

  #contextsOf(sid: number): Context[] {
    const mode = this.setting.scalable ? 1 : 0;
    const now = this.#world.root ? (this.#world.contexts.get(sid) ?? NO_CONTEXT[mode]) : NO_ROOT[mode];
    if (!this.#remembers) return [now];
    const cached = this.#contexts.get(sid) ?? [];
    this.#contexts.set(sid, cached);
    const isNew = cached.every(({ context }) => context !== now);
    if (isNew && (now.fault === 0 || this.setting.cm)) {
      cached.push({ context: now, did: now.fault === 0 ? (now.space?.did ?? 0) : 0 });
    }
    return [...new Set([now, ...cached.map(({ context }) => context)])];
  }

  #spacesOf(sid: number, pasid: number, directory: number): Space[] {
    const table = this.#world.directories.get(directoryKey(directory, pasid)) ?? null;
    const now = table === null ? NO_DIRECTORY : (this.#world.pasids.get(pasidKey(table, pasid)) ?? NO_PASID_ENTRY);
    if (!this.#remembers) return [now];
    const cached = this.#spaces.filter((one) => one.sid === sid && one.pasid === pasid).map(({ space }) => space);
    if (cached.includes(now)) return cached;
    if (now.fault === 0 || this.setting.cm) this.#spaces.push({ sid, pasid, space: now });
    return [...cached, now];
  }

  #translate(space: Space, pasid: number, address: number): Result[] {
    if (space.fault !== 0) return [{ fault: space.fault, hpa: 0, rights: 0 }];
    if (space.kind === Kind.PASS) {
      const fault = address >= 2 ** HOST_BITS ? (this.setting.scalable ? 0x83 : 0x04) : 0;
      return [{ fault, hpa: address, rights: 3 }];
    }
    return space.first === null ? this.#walks.second(space.second!, address) : this.#walks.first(space, pasid, address);
  }

  #mayCache({ fault, kind }: Space, result: Result): boolean {
    if (fault !== 0) return false;
    if (result.fault === 0 && result.rights !== 0) return true;
    return this.setting.cm && kind === Kind.SECOND;
  }

  #cachedOf(query: Query): Translated[] {
    const cached = this.#translations.get(query) ?? [];
    if (cached.length === 0) this.#translations.set(query, cached);
    return cached;
  }

  #keep(query: Query, { did, kind }: Space, pasid: number, { fault, hpa, rights }: Result): void {
    const cached = this.#cachedOf(query);
    const isOld = cached.some(
      (one) =>
        one.hpa === hpa &&
        one.rights === rights &&
        one.fault === fault &&
        one.did === did &&
        one.pasid === pasid &&
        one.kind === kind,
    );
    if (!isOld) cached.push({ fault, hpa, rights, did, kind, pasid });
  }

  #flushContexts(command: ContextCommand): void {
    const { scalable } = this.setting;
    if (command.by === 'global' || (command.by === 'domain' && scalable)) {
      this.#contexts.clear();
      return;
    }
    for (const [sid, cached] of this.#contexts) {
      const isNamed = command.by === 'domain' || (sid & maskedBy(command.fm)) === (command.sid & maskedBy(command.fm));
      const kept = cached.filter(({ did }) => !(isNamed && (scalable || did === command.did)));
      this.#contexts.set(sid, kept);
    }
  }

  /** A faulting entry is in domain 0, or in that of the PASID that is named (vtd.md C20). */
  #flushSpaces({ by, did, pasid }: PasidCommand): void {
    const isIn = (space: Space): boolean => (space.fault === 0 ? space.did : 0) === did;
    this.#spaces = this.#spaces.filter((one) => {
      if (by === 'global') return false;
      if (by === 'domain') return !isIn(one.space);
      return !(one.pasid === pasid && (isIn(one.space) || one.space.fault !== 0));
    });
  }

  #flushIotlb(command: IotlbCommand): void {
    const { firstStructures, secondStructures } = this.#walks;
    if (command.by === 'global') {
      this.#translations.clear();
      firstStructures.clear();
      secondStructures.clear();
      return;
    }
    const { did } = command;
    this.#removeTranslations(
      (one, address) => one.did === did && (command.by === 'domain' || usesFirst(one) || inRange(command, address)),
    );
    firstStructures.removeDomain(did);
    if (command.by === 'domain') secondStructures.removeDomain(did);
    else if (!command.leavesOnly) secondStructures.removePages(did, command);
  }

  #flushFirst(command: FirstCommand): void {
    const { firstStructures } = this.#walks;
    const isOwn = (one: { did: number; pasid: number }): boolean =>
      one.did === command.did && one.pasid === command.pasid;
    if (command.by === 'pasid') {
      this.#removeTranslations(isOwn);
      firstStructures.remove(isOwn);
      return;
    }
    this.#removeTranslations((one, address) => isOwn(one) && usesFirst(one) && inRange(command, address));
    if (!command.leavesOnly) firstStructures.removePages(command.did, command, command.pasid);
  }

  #removeTranslations(which: (one: Translated, address: number) => boolean): void {
    for (const query of this.queries) {
      const cached = this.#translations.get(query);
      if (cached?.some((one) => which(one, query.address)) !== true) continue;
      this.#translations.set(
        query,
        cached.filter((one) => !which(one, query.address)),
      );
    }
  }
}

function usesFirst({ kind }: Translated): boolean {
  return kind === Kind.FIRST || kind === Kind.NESTED;
}
