/** What hardware has noted in a page table: which pages devices have written to. */
import { PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import type { PageRun } from '../page-run.ts';
import type { PageTable } from './page-table.ts';

interface Search extends PageRun {
  readonly keep: boolean;
  readonly found: Dirty;
}

interface Dirty {
  readonly runs: { first: PageNumber; pages: number }[];
  /** Entries that were written. */
  entries: number;
}

/**
 * The pages of a range that hardware has written to. A superpage counts whole, also where it reaches beyond the range.
 * Unless `keep`, the flags are cleared, as by atomic operations of the CPU: no time passes between a look and its write.
 */
export function takeDirty(
  table: PageTable,
  { first, pages }: PageRun,
  keep: boolean,
): { readonly runs: PageRun[]; readonly entries: number } {
  const found: Dirty = { runs: [], entries: 0 };
  searchTable(table, { table: table.root, level: table.format.levels }, { first, pages, keep, found });
  return found;
}

function searchTable(
  { format, memory }: Pick<PageTable, 'format' | 'memory'>,
  { table, level }: { readonly table: PageNumber; readonly level: number },
  { first, pages, keep, found }: Search,
): void {
  const span = 2 ** format.pageShift(level) / PAGE_SIZE;
  for (let page = Math.floor(first / span) * span; page < first + pages; page += span) {
    const at = table * PAGE_SIZE + format.indexOf(page, level) * format.entryBytes;
    const word = memory.read64(at);
    const entry = format.decode(level, word);
    if (entry.kind === 'table') {
      const start = Math.max(first, page);
      const part = { first: start, pages: Math.min(first + pages, page + span) - start, keep, found };
      searchTable({ format, memory }, { table: entry.address / PAGE_SIZE, level: level - 1 }, part);
    }
    if (entry.kind !== 'leaf' || (word & format.dirty) === 0n) continue;
    const last = found.runs.at(-1);
    if (last !== undefined && last.first + last.pages === page) last.pages += span;
    else found.runs.push({ first: page, pages: span });
    if (keep) continue;
    memory.write64(at, word & ~format.dirty);
    found.entries++;
  }
}
