/** Context entries and PASID-table entries as the twin sees them: in memory now, and in caches that may still hold them. */
import { type ContextCommand, maskedBy, type PasidCommand } from './commands.ts';
import { type Context, directoryKey, NO_MEMORY, pasidKey, type Setting, type Space, type World } from './world.ts';

interface CachedContext {
  readonly context: Context;
  /** Domain by which it is invalidated in legacy mode; a faulting entry is in domain 0. */
  readonly did: number;
}

/** What a PASID-table entry says, with FPD of the entry of the directory that led to it. */
export interface Found {
  readonly space: Space;
  readonly fpd: boolean;
  /** The entry was read under HPTE = 1. */
  readonly host: boolean;
}

interface CachedSpace extends Found {
  readonly pasid: number;
}

const blank = {
  fpd: false,
  space: null,
  directory: 0,
  ridPasid: 0,
  ridPrivileged: false,
  pasids: true,
  translatedPasids: true,
  host: false,
};
const faulting = (fault: number): Context => ({ ...blank, fault, deviceTlb: true });
const faultingSpace = (fault: number): Space => ({
  fault,
  stages: null,
  fpd: false,
  supervisor: false,
  writeProtect: false,
  host: null,
  kind: 0,
  did: 0,
  second: null,
  first: null,
});

/** Where the root entry leads to no context entry, by mode. */
const NO_CONTEXT = {
  legacy: { absent: faulting(0x01), 'no memory': faulting(0x09) },
  scalable: { absent: faulting(0x39), 'no memory': faulting(0x40) },
} as const;
/** SPD.1, SPD.2 and SPT.1. */
const DIRECTORY_UNREADABLE = faultingSpace(0x50);
const NO_DIRECTORY = faultingSpace(0x51);
const TABLE_UNREADABLE = faultingSpace(0x58);
/** What comes of reading where no memory is is no entry, and never kept. */
const UNREADABLE: ReadonlySet<number> = new Set([0x09, 0x40, 0x50, 0x58]);

export class TwinEntries {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #remembers: boolean;
  readonly #contexts = new Map<number, CachedContext[]>();
  /** By requester and PASID. */
  readonly #spaces = new Map<number, CachedSpace[]>();

  constructor(setting: Setting, world: World, remembers: boolean) {
    this.#setting = setting;
    this.#world = world;
    this.#remembers = remembers;
  }

  contextsOf(sid: number): Context[] {
    const { root } = this.#world;
    const now =
      root === 'present'
        ? this.#world.contexts.get(sid)!
        : NO_CONTEXT[this.#setting.scalable ? 'scalable' : 'legacy'][root];
    if (!this.#remembers) return [now];
    const cached = this.#contexts.get(sid) ?? [];
    this.#contexts.set(sid, cached);
    const all = cached.map(({ context }) => context);
    if (all.includes(now)) return all;
    if (this.#mayKeep(now.fault)) cached.push({ context: now, did: now.fault === 0 ? (now.space?.did ?? 0) : 0 });
    return [...all, now];
  }

  spacesOf(sid: number, pasid: number, context: Context): readonly Found[] {
    const now = this.#spaceNow(pasid, context);
    if (!this.#remembers) return [now];
    const key = sid * 2 ** 20 + pasid;
    const cached = this.#spaces.get(key) ?? [];
    this.#spaces.set(key, cached);
    const isOld = cached.some(({ space, fpd, host }) => space === now.space && fpd === now.fpd && host === now.host);
    if (isOld) return cached;
    if (!this.#mayKeep(now.space.fault)) return [...cached, now];
    cached.push({ pasid, ...now });
    return cached;
  }

  flushContexts(command: ContextCommand): void {
    if (command.by === 'global' || (command.by === 'domain' && this.#setting.scalable)) {
      this.#contexts.clear();
      return;
    }
    for (const [sid, cached] of this.#contexts) {
      const isNamed = command.by === 'domain' || (sid & maskedBy(command.fm)) === (command.sid & maskedBy(command.fm));
      const kept = cached.filter(({ did }) => !(isNamed && (this.#setting.scalable || did === command.did)));
      this.#contexts.set(sid, kept);
    }
  }

  /** A faulting entry is in domain 0, or in that of the PASID that is named (vtd.md C20). */
  flushSpaces({ by, did, pasid }: PasidCommand): void {
    const isIn = (space: Space): boolean => (space.fault === 0 ? space.did : 0) === did;
    const isNamed = (one: CachedSpace): boolean => {
      if (by !== 'pasid') return by === 'global' || isIn(one.space);
      return one.pasid === pasid && (isIn(one.space) || one.space.fault !== 0);
    };
    for (const [key, cached] of this.#spaces) {
      const kept = cached.filter((one) => !isNamed(one));
      if (kept.length < cached.length) this.#spaces.set(key, kept);
    }
  }

  #mayKeep(fault: number): boolean {
    return (fault === 0 || this.#setting.cm) && !UNREADABLE.has(fault);
  }

  #spaceNow(pasid: number, { directory, host }: Context): Found {
    if (directory === NO_MEMORY) return { space: DIRECTORY_UNREADABLE, fpd: false, host };
    const { table, fpd } = this.#world.directories.get(directoryKey(directory, pasid))!;
    if (table === null) return { space: NO_DIRECTORY, fpd, host };
    if (table === NO_MEMORY) return { space: TABLE_UNREADABLE, fpd, host };
    return { space: this.#world.pasids.get(pasidKey(table, pasid))!, fpd, host };
  }
}
