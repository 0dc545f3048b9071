/**
 * The remapping tables in memory as a tree: root, context, in scalable mode PASID directory and PASID table, paging
 * structures. It shows what software wrote; what the unit has cached of it is another matter.
 */
import { hex } from '../../bits/index.ts';
import {
  absent,
  Budget,
  eachOf,
  filledEntries,
  lookUp,
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
import type { Capabilities } from '../capabilities.ts';
import {
  CONTEXT_ENTRY,
  FirstStagePagingMode,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  PasidTranslationType,
  ROOT_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
  SMALLEST_HPT,
  TranslationTableMode,
  TranslationType,
} from '../spec/index.ts';
import { firstStage, secondStage } from './paging.ts';
import { permissionTable } from './permissions.ts';

export interface TableQuery {
  /** As SRTP took them over from RTADDR_REG. */
  readonly mode: number;
  readonly root: number;
  readonly ioRights: boolean;
  /** All requesters unless one is named. */
  readonly requester?: number | undefined;
  readonly pasid?: number | undefined;
}

/** Entries of a PASID table, and of a context table per half of a bus in scalable mode. */
const PASID_TABLE_ENTRIES = 64;
const HALF_BUS = 128;

export class TableReader {
  readonly #capabilities: Capabilities;
  readonly #read: ReadBytes;
  #budget = new Budget();
  #ioRights = false;

  constructor(capabilities: Capabilities, read: ReadBytes) {
    this.#capabilities = capabilities;
    this.#read = read;
  }

  tree({ mode, root, ioRights, requester, pasid }: TableQuery): TableNode {
    this.#budget = new Budget();
    this.#ioRights = ioRights;
    const name = Object.entries(TranslationTableMode).find(([, code]) => code === mode)?.[0];
    const isScalable = mode === TranslationTableMode.SCALABLE;
    const head = { what: `root table at ${hex(root)}`, index: modeText(name, mode) };
    if (mode !== TranslationTableMode.LEGACY && !isScalable) {
      return { ...head, note: 'requests use no table in this mode', children: [] };
    }
    const buses = requester === undefined ? range(256) : [requester >>> 8];
    const children = eachOf(this.#budget, buses, (bus) => {
      const of = isScalable ? SCALABLE_ROOT_ENTRY : ROOT_ENTRY;
      const entry = readEntry(this.#read, of, root, bus, `bus ${bus.toString(16).padStart(2, '0')}`);
      if (entry === null) return requester === undefined ? [] : [unreadable(of, root)];
      const below = isScalable ? this.#halves(entry, bus, requester, pasid) : this.#bus(entry, bus, requester);
      return below === null ? absent(entry, requester === undefined) : [{ ...entry.node, children: below }];
    });
    return children.length > 0 ? { ...head, children } : { ...head, note: 'no entry is present', children };
  }

  /** Context entries of a bus in legacy mode; `null` when the root entry is not present. */
  #bus(root: ReadEntry, bus: number, requester: number | undefined): TableNode[] | null {
    if (!ROOT_ENTRY.P.isSet(root.words)) return null;
    const table = ROOT_ENTRY.CTP.address(root.words);
    const indices = requester === undefined ? range(256) : [requester & 0xff];
    return eachOf(this.#budget, indices, (index) => {
      const entry = readEntry(this.#read, CONTEXT_ENTRY, table, index, formatRequester((bus << 8) | index));
      if (entry === null) return requester === undefined && index > 0 ? [] : [unreadable(CONTEXT_ENTRY, table)];
      if (!CONTEXT_ENTRY.P.isSet(entry.words)) return absent(entry, requester === undefined);
      return [{ ...entry.node, ...this.#legacyContext(entry) }];
    });
  }

  #legacyContext({ words }: ReadEntry): Pick<TableNode, 'note' | 'children'> {
    if (CONTEXT_ENTRY.TT.get(words) === TranslationType.PASS_THROUGH) {
      return { note: 'addresses pass through', children: [] };
    }
    const levels = this.#capabilities.levelsFor(CONTEXT_ENTRY.AW.get(words));
    if (levels === 0) return { note: 'AW is not a supported address width', children: [] };
    return {
      children: this.#paging(
        secondStage(levels, this.#capabilities, this.#ioRights),
        CONTEXT_ENTRY.SSPTPTR.address(words),
      ),
    };
  }

  /** Context entries of a bus in scalable mode, where each half has a table. */
  #halves(root: ReadEntry, bus: number, requester: number | undefined, pasid: number | undefined): TableNode[] | null {
    const halves = [
      { present: SCALABLE_ROOT_ENTRY.LP, table: SCALABLE_ROOT_ENTRY.LCTP, first: 0 },
      { present: SCALABLE_ROOT_ENTRY.UP, table: SCALABLE_ROOT_ENTRY.UCTP, first: HALF_BUS },
    ].filter(({ first }) => requester === undefined || (requester & HALF_BUS) === first);
    const there = halves.filter(({ present }) => present.isSet(root.words));
    if (there.length === 0) return null;
    return there.flatMap(({ table, first }) => {
      const at = table.address(root.words);
      const indices = requester === undefined ? range(HALF_BUS) : [requester & (HALF_BUS - 1)];
      return eachOf(this.#budget, indices, (index) => {
        const entry = readEntry(
          this.#read,
          SCALABLE_CONTEXT_ENTRY,
          at,
          index,
          formatRequester((bus << 8) | first | index),
        );
        if (entry === null) return requester === undefined && index > 0 ? [] : [unreadable(SCALABLE_CONTEXT_ENTRY, at)];
        if (!SCALABLE_CONTEXT_ENTRY.P.isSet(entry.words)) return absent(entry, requester === undefined);
        return [{ ...entry.node, children: this.#directory(entry, pasid) }];
      });
    });
  }

  #directory({ words }: ReadEntry, pasid: number | undefined): TableNode[] {
    const ridPasid = SCALABLE_CONTEXT_ENTRY.RID_PASID.get(words);
    const permits = (of: number): boolean =>
      SCALABLE_CONTEXT_ENTRY.HPTE.isSet(words) && (SCALABLE_CONTEXT_ENTRY.EPTR.isSet(words) || of === ridPasid);
    const size = 2 ** (SCALABLE_CONTEXT_ENTRY.PDTS.get(words) + 7);
    const at = SCALABLE_CONTEXT_ENTRY.PASIDDIRPTR.address(words);
    const indices =
      pasid === undefined ? filledEntries(this.#read, at, size) : [pasid >>> 6].filter((index) => index < size);
    if (pasid !== undefined && indices.length === 0) {
      return [{ what: 'PASID directory', note: 'too small for this PASID', children: [] }];
    }
    return eachOf(this.#budget, indices, (index) => {
      const first = index * PASID_TABLE_ENTRIES;
      const entry = readEntry(
        this.#read,
        PASID_DIRECTORY_ENTRY,
        at,
        index,
        `PASIDs ${first}-${first + PASID_TABLE_ENTRIES - 1}`,
      );
      if (entry === null) return pasid === undefined && index > 0 ? [] : [unreadable(PASID_DIRECTORY_ENTRY, at)];
      if (!PASID_DIRECTORY_ENTRY.P.isSet(entry.words)) return absent(entry, pasid === undefined);
      const table = PASID_DIRECTORY_ENTRY.SMPTBLPTR.address(entry.words);
      return [{ ...entry.node, children: this.#pasids(table, first, pasid, permits) }];
    });
  }

  /** `permits`: translated requests of this PASID need a host permission. */
  #pasids(table: number, first: number, pasid: number | undefined, permits: (pasid: number) => boolean): TableNode[] {
    const indices = pasid === undefined ? range(PASID_TABLE_ENTRIES) : [pasid % PASID_TABLE_ENTRIES];
    return eachOf(this.#budget, indices, (index) => {
      const entry = readEntry(this.#read, PASID_ENTRY, table, index, `PASID ${first + index}`);
      if (entry === null) return pasid === undefined && index > 0 ? [] : [unreadable(PASID_ENTRY, table)];
      if (!PASID_ENTRY.P.isSet(entry.words)) return absent(entry, pasid === undefined);
      const below = this.#pasid(entry);
      const also = permits(first + index) ? [this.#permissions(entry)] : [];
      return [{ ...entry.node, ...below, children: [...below.children, ...also] }];
    });
  }

  #pasid({ words }: ReadEntry): Pick<TableNode, 'note' | 'children'> {
    const type = PASID_ENTRY.PGTT.get(words);
    const levels = this.#capabilities.levelsFor(PASID_ENTRY.AW.get(words));
    const second = levels === 0 ? null : secondStage(levels, this.#capabilities, this.#ioRights);
    const top = PASID_ENTRY.SSPTPTR.address(words);
    const fiveLevels = PASID_ENTRY.FSPM.get(words) === FirstStagePagingMode.FIVE_LEVEL;
    const first = firstStage(fiveLevels ? 5 : 4, this.#capabilities);
    const firstTop = PASID_ENTRY.FSPTPTR.address(words);
    const noSecond = { note: 'AW is not a supported address width', children: [] };
    switch (type) {
      case PasidTranslationType.PASS_THROUGH:
        return { note: 'addresses pass through', children: [] };
      case PasidTranslationType.FIRST_STAGE:
        return { children: this.#paging(first, firstTop) };
      case PasidTranslationType.SECOND_STAGE:
        return second === null ? noSecond : { children: this.#paging(second, top) };
      case PasidTranslationType.NESTED:
        if (second === null) return noSecond;
        return {
          children: [
            {
              what: 'first stage',
              index: 'tables at guest addresses',
              children: this.#nested(first, firstTop, second, top),
            },
            { what: 'second stage', index: 'of guest addresses', children: this.#paging(second, top) },
          ],
        };
      default:
        return { note: 'PGTT is reserved', children: [] };
    }
  }

  #permissions({ words }: ReadEntry): TableNode {
    const bits = SMALLEST_HPT + PASID_ENTRY.HPTSZ.get(words);
    return permissionTable(this.#read, this.#budget, PASID_ENTRY.HPTPTR.address(words), bits);
  }

  #nested(first: Stage, firstTop: number, second: Stage, top: number): TableNode[] {
    const read: ReadBytes = (guest, length) => {
      const host = lookUp(second, this.#read, top, guest);
      return host === null ? undefined : this.#read(host, length);
    };
    return pagingNodes(first, read, this.#budget, firstTop);
  }

  #paging(stage: Stage, top: number): TableNode[] {
    const nodes = pagingNodes(stage, this.#read, this.#budget, top);
    return nodes.length > 0
      ? nodes
      : [{ what: stage.what(stage.levels, new Uint32Array(2)), note: 'nothing is mapped', children: [] }];
  }
}

function modeText(name: string | undefined, mode: number): string {
  return name === undefined ? `TTM ${mode}` : `${name.toLowerCase().replaceAll('_', ' ')} mode`;
}
