/** Address spaces of many requesters, as a host has set them up: the same pages for each, in tables of its own. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { type PageTableFormat, x86Paging } from '../../../hardware/formats/index.ts';
import { used, WrittenTables } from '../measured/tables.ts';

/**
 * How addresses are translated: by the stage of the host (VT-d second stage, AMD-Vi host tables), by that of a guest (first stage,
 * guest tables), or by the guest's and then the host's.
 */
export const STAGES = ['host', 'guest', 'nested'] as const;
export type Stages = (typeof STAGES)[number];

export interface SpacesSpec {
  readonly stages: Stages;
  readonly requesters: number;
  /** Of each requester, one after the other from `IOVA` on. */
  readonly pages: number;
  /** Of these pages, 1 for 4 KiB and 2 for 2 MiB; the guest's own tables are in pages of 4 KiB. */
  readonly level: 1 | 2;
}

/** The tops of one requester's tables; of the guest's stage a guest address, which is a host's where there is no other stage. */
export interface Space {
  readonly requester: number;
  readonly domain: number;
  readonly host: number | null;
  readonly guest: number | null;
}

/** The first requester; functions follow each other. */
export const REQUESTER = 0x0300;
export const IOVA = 2 ** 32;
/** Where tables lie, where guests' tables lie, and where buffers do. */
export const TABLES = 0x10_0000;
const GUEST_TABLES = 2 ** 30;
export const BUFFERS = 2 ** 32;
const LEVELS = 4;
const GUEST = used(x86Paging({ levels: LEVELS, superpages: [2] }));

export function pageBytes(level: 1 | 2): number {
  return PAGE_SIZE * 512 ** (level - 1);
}

/** Writes the tables of all requesters. */
export function writeSpaces(tables: WrittenTables, format: PageTableFormat, spec: SpacesSpec): Space[] {
  const { stages, requesters, pages, level } = spec;
  const bytes = pages * pageBytes(level);
  const guestTables = new WrittenTables(tables.memory, GUEST_TABLES);
  return Array.from({ length: requesters }, (_, i) => {
    const buffer = BUFFERS + i * bytes;
    const of = { requester: REQUESTER + i, domain: i + 1 };
    if (stages === 'host') {
      const host = tables.table();
      tables.map(format, host, IOVA, buffer, pages, level);
      return { ...of, host, guest: null };
    }
    const from = guestTables.end;
    const guest = guestTables.table();
    guestTables.map(GUEST, guest, IOVA, buffer, pages, level);
    if (stages === 'guest') return { ...of, host: null, guest };
    // What is the guest's lies where the guest thinks it does.
    const host = tables.table();
    tables.map(format, host, from, from, (guestTables.end - from) / PAGE_SIZE);
    tables.map(format, host, buffer, buffer, pages, level);
    return { ...of, host, guest };
  });
}
