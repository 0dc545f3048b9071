/**
 * The brute-force twin: caches without limit that hold at once everything that hardware may hold. Before each change of
 * the tables and each invalidation they take in every entry that any request could bring in, from memory or from what
 * is held already; an invalidation removes what amd-vi.md section 4.3 says it must, and no more. What a request may end in
 * is what any combination of these entries gives.
 *
 * Translations belong to tables: those of other tables are never mixed in, whatever domain id they share.
 */
import { inRange } from '../../caching/radix.ts';
import type { Twin as AnyTwin } from '../../caching/sequence.ts';
import { add } from '../../caching/structures.ts';
import type { Command, PagesCommand } from './commands.ts';
import { blocked, type Event, type Place, type Request, reached } from './requests.ts';
import { ABSENT, DENIED, type Result, TwinWalks } from './twin-walks.ts';
import { type Device, GIOV_PASID, HOST_ONLY, type Setting, type Tables, type World } from './world.ts';

const IO_PAGE_FAULT = 2;
const ILLEGAL_DEV_TABLE_ENTRY: Event = { code: 1, rz: 1 };

/** Translations of one page that hardware may still hold. */
interface Held {
  readonly tables: Tables;
  readonly pasid: number;
  readonly address: number;
  results: Result[];
}

export class Twin implements AnyTwin<Request, Command> {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #places: readonly Place[];
  readonly #remembers: boolean;
  readonly #walks: TwinWalks;
  readonly #devices = new Map<number, Device[]>();
  readonly #held = new Map<string, Held>();
  #isFull = false;

  /** Without memory of its own the twin says what the tables as they are now translate to. */
  constructor(setting: Setting, places: readonly Place[], world: World, remembers: boolean) {
    this.#setting = setting;
    this.#world = world;
    this.#places = places;
    this.#remembers = remembers;
    this.#walks = new TwinWalks(setting, world, remembers);
  }

  outcomes({ place, write }: Request): number[] {
    this.#fill();
    const outcomes: number[] = [];
    for (const device of this.#devicesOf(place.sid)) {
      for (const outcome of this.#throughDevice(device, place, write)) add(outcomes, outcome);
    }
    return outcomes;
  }

  beforeChange(): void {
    this.#fill();
  }

  afterChange(): void {
    this.#isFull = false;
    this.#walks.forget();
  }

  flush(command: Command): void {
    this.#fill();
    if (command.op === 'device') this.#devices.delete(command.sid);
    else if (command.op === 'pages') this.#flushPages(command);
    else {
      this.#devices.clear();
      this.#held.clear();
      this.#walks.clear();
    }
    this.afterChange();
  }

  #fill(): void {
    if (this.#isFull || !this.#remembers) return;
    this.#isFull = true;
    for (const place of this.#places) {
      for (const device of this.#devicesOf(place.sid)) this.#spaceOf(device, place);
    }
  }

  #devicesOf(sid: number): Device[] {
    const now = this.#world.devices.get(sid)!;
    if (!this.#remembers) return [now];
    const held = this.#devices.get(sid) ?? [];
    const mayKeep = now.kind !== 'absent' || now.interrupts || this.#setting.np;
    if (mayKeep) {
      add(held, now);
      this.#devices.set(sid, held);
    }
    return held.includes(now) ? held : [...held, now];
  }

  #throughDevice(device: Device, place: Place, write: boolean): number[] {
    const end = (event: Event): number => blocked(event, !(device.silent && event.code === IO_PAGE_FAULT));
    const wanted = write ? 2 : 1;
    if (device.kind === 'absent') return [reached(place.address)];
    if (device.kind === 'illegal') return [end(ILLEGAL_DEV_TABLE_ENTRY)];
    if (device.kind === 'blocked') return [end(ABSENT)];
    if ((device.rights & wanted) === 0) return [end(DENIED)];
    const results = this.#spaceOf(device, place);
    if (results === null) return [place.pasid < 0 ? reached(place.address) : end(ABSENT)];
    return results.map(({ event, address, rights, user }) => {
      if (event !== null) return end(event);
      const isRefused = (!user && !place.privileged) || (rights & wanted) === 0;
      return isRefused ? end(DENIED) : reached(address);
    });
  }

  /** What a look-up or a walk for the place may give; `null` where no table serves it. */
  #spaceOf({ kind, tables, giov }: Device, { pasid, address }: Place): readonly Result[] | null {
    if (kind !== 'translates') return null;
    const own = pasid >= 0 ? pasid : giov ? GIOV_PASID : HOST_ONLY;
    if (own === HOST_ONLY) return tables.host === null ? null : this.#results(tables, own, address);
    return tables.gcr3 === null ? null : this.#results(tables, own, address);
  }

  #results(tables: Tables, pasid: number, address: number): readonly Result[] {
    const walks = this.#walks;
    const now = pasid === HOST_ONLY ? walks.host(tables, address) : walks.guest(tables, pasid, address);
    if (!this.#remembers) return now;
    const key = `${tables.id} ${pasid} ${address}`;
    const held = this.#held.get(key) ?? { tables, pasid, address, results: [] };
    this.#held.set(key, held);
    for (const one of now)
      if (one.event === null && !held.results.some((other) => isSame(one, other))) held.results.push(one);
    return [...held.results, ...now.filter(({ event }) => event !== null)];
  }

  #flushPages(command: PagesCommand): void {
    const { domain, pasid, directories } = command;
    for (const held of this.#held.values()) {
      if (held.tables.domain !== domain) continue;
      const isOwn = held.pasid === pasid && inRange(command, held.address);
      const isDerived = pasid === HOST_ONLY && held.pasid !== HOST_ONLY && held.tables.host !== null;
      if (isOwn || isDerived) held.results = [];
    }
    if (pasid === HOST_ONLY) this.#walks.flushHost(domain, command, directories);
    else if (directories) this.#walks.flushGuest(domain, pasid, command);
  }
}

function isSame(one: Result, other: Result): boolean {
  return one.address === other.address && one.rights === other.rights && one.user === other.user;
}
