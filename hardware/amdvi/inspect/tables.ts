/**
 * The tables in memory as a tree: the device table with its segments, host tables, GCR3 tables and guest tables. It shows
 * what software wrote; what the unit has cached of it is another matter.
 */
import { type Field, hex, wordsOf } from '../../bits/index.ts';
import {
  absent,
  Budget,
  eachOf,
  lookUp,
  noted,
  pagingNodes,
  type ReadBytes,
  type ReadEntry,
  range,
  readEntry,
  type Stage,
  type TableNode,
  unreadable,
} from '../../iommu/index.ts';
import { formatRequester } from '../../pcie/index.ts';
import type { DeviceEntry, GuestTables, HostTable } from '../device-table.ts';
import { CONTROL, DTE, GCR3_ENTRY } from '../spec/index.ts';
import type { AmdViUnit } from '../unit.ts';
import { guestStage, hostStage } from './paging.ts';

const ENTRY_BYTES = DTE.$.words * 4;
const DEVICES = 2 ** 16;
const GCR3_ENTRIES = 512;

export type Unit = Pick<AmdViUnit, 'registers' | 'features'> & {
  readonly translator: { readonly devices: Pick<AmdViUnit['translator']['devices'], 'locate' | 'decode'> };
};

/** The device ids whose entries have one of these flags. Beyond the table there is none. */
export function devicesWith(flags: readonly Field[], { translator }: Unit, read: ReadBytes): number[] {
  return range(DEVICES).filter((id) => {
    const at = translator.devices.locate(id);
    const found = at < 0 ? undefined : read(at, ENTRY_BYTES);
    if (found === undefined) return false;
    const words = wordsOf(found);
    return flags.some((flag) => flag.isSet(words));
  });
}

/** The entry of a device that has one in the table; `null` when nothing is there. */
export function deviceEntry({ translator }: Unit, read: ReadBytes, id: number): ReadEntry | null {
  return readEntry(read, DTE, translator.devices.locate(id), 0, formatRequester(id));
}

export class TableReader {
  readonly #unit: Unit;
  readonly #read: ReadBytes;
  #budget = new Budget();

  constructor(unit: Unit, read: ReadBytes) {
    this.#unit = unit;
    this.#read = read;
  }

  tree(requester?: number, pasid?: number): TableNode {
    this.#budget = new Budget();
    const { words } = this.#unit.registers;
    const segments = 2 ** CONTROL.DevTblSegEn.get(words);
    const what = `device table at ${hex(this.#unit.translator.devices.locate(0))}`;
    const head = segments === 1 ? { what } : { what, index: `in ${segments} segments` };
    const children = requester === undefined ? this.#all(pasid) : this.#one(requester, pasid);
    const notes = [
      ...(CONTROL.IommuEn.isSet(words) ? [] : ['the unit is off']),
      ...(children.length > 0 ? [] : ['no entry is valid']),
    ];
    return notes.length === 0 ? { ...head, children } : { ...head, note: notes.join(', '), children };
  }

  #all(pasid: number | undefined): TableNode[] {
    const ids = devicesWith([DTE.V, DTE.IV], this.#unit, this.#read);
    return eachOf(this.#budget, ids, (id) => this.#one(id, pasid));
  }

  #one(requester: number, pasid: number | undefined): TableNode[] {
    const at = this.#unit.translator.devices.locate(requester);
    if (at < 0) return [{ ...noted(DTE.$.name, 'beyond the device table'), index: formatRequester(requester) }];
    const entry = deviceEntry(this.#unit, this.#read, requester);
    return [entry === null ? unreadable(DTE, at) : this.#device(entry, pasid)];
  }

  #device({ node, words }: ReadEntry, pasid: number | undefined): TableNode {
    const entry = this.#unit.translator.devices.decode(words, true);
    const note = wayOf(entry);
    if (note !== null) return { ...node, note, children: [] };
    const { host, guest } = entry;
    if (guest === null) return { ...node, children: host === null ? [] : this.#host(host) };
    const isOn = CONTROL.GTEn.isSet(this.#unit.registers.words);
    const tables = `GCR3 table at ${hex(guest.gcr3)}`;
    const gcr3 = { what: tables, children: this.#gcr3(guest, host, pasid) };
    const children = [
      isOn ? gcr3 : { ...gcr3, note: 'guest translation is off' },
      ...(host === null ? [] : [{ what: 'host tables', index: 'of guest addresses', children: this.#host(host) }]),
    ];
    return { ...node, children };
  }

  #host({ level, table }: HostTable): TableNode[] {
    return this.#paging(hostStage(level), this.#read, table);
  }

  /** With a host table everything but the root lies at guest addresses, and with GCR3TRPMode the root does too. */
  #gcr3(guest: GuestTables, host: HostTable | null, pasid: number | undefined): TableNode[] {
    const { gcr3, gcr3Levels } = guest;
    const isRootGuest = CONTROL.GCR3TRPMode.isSet(this.#unit.registers.words);
    const ofGuest = host === null ? this.#read : this.#through(host);
    const read = isRootGuest ? ofGuest : this.#read;
    if (pasid !== undefined && pasid >= GCR3_ENTRIES ** gcr3Levels) {
      return [noted('GCR3 table', 'too small for this PASID')];
    }
    return this.#gcr3Level(guest, { level: gcr3Levels, table: gcr3, read, ofGuest, first: 0 }, pasid);
  }

  #gcr3Level(guest: GuestTables, at: Gcr3Level, pasid: number | undefined): TableNode[] {
    const { level, table, read, ofGuest, first } = at;
    // What one entry serves: a PASID, or as many as the table below it has.
    const served = GCR3_ENTRIES ** (level - 1);
    const indices = pasid === undefined ? range(GCR3_ENTRIES) : [Math.floor(pasid / served) % GCR3_ENTRIES];
    return eachOf(this.#budget, indices, (index) => {
      const start = first + index * served;
      const label = served === 1 ? `PASID ${start}` : `PASIDs ${start}-${start + served - 1}`;
      const entry = readEntry(read, GCR3_ENTRY, table, index, label);
      if (entry === null) return pasid === undefined && index > 0 ? [] : [unreadable(GCR3_ENTRY, table)];
      if (!GCR3_ENTRY.V.isSet(entry.words)) return absent(entry, pasid === undefined);
      const target = GCR3_ENTRY.Address.address(entry.words);
      const below = { level: level - 1, table: target, read: ofGuest, ofGuest, first: start };
      const children =
        level > 1 ? this.#gcr3Level(guest, below, pasid) : this.#paging(guestStage(guest.levels), ofGuest, target);
      return [{ ...entry.node, children }];
    });
  }

  /** Reads at guest addresses. A structure does not cross a page. */
  #through({ level, table }: HostTable): ReadBytes {
    const stage = hostStage(level);
    return (guest, length) => {
      const at = lookUp(stage, this.#read, table, guest);
      return at === null ? undefined : this.#read(at, length);
    };
  }

  #paging(stage: Stage, read: ReadBytes, top: number): TableNode[] {
    const nodes = pagingNodes(stage, read, this.#budget, top);
    return nodes.length > 0 ? nodes : [noted(`table at ${hex(top)}`, 'nothing is mapped')];
  }
}

interface Gcr3Level {
  readonly level: number;
  readonly table: number;
  /** How this table is read, and how what lies below it is. */
  readonly read: ReadBytes;
  readonly ofGuest: ReadBytes;
  /** PASID of the first entry. */
  readonly first: number;
}

/** What becomes of accesses without any further table; `null` where there is one. */
function wayOf({ valid, fault, translates, rights, host, guest }: DeviceEntry): string | null {
  if (!valid) return 'V is 0: accesses to memory pass';
  if (fault !== null) return fault.meaning;
  if (!translates) return 'TV is 0: every access to memory is blocked';
  if (rights === 0) return 'IR and IW are 0: every access to memory is blocked';
  return host === null && guest === null ? 'addresses pass through' : null;
}
