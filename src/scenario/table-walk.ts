/**
 * What software has written into the tables for one device and one address: a walk by somebody who only looks. Caches play no
 * part in it, and asking changes nothing.
 */
import type { EntryView, TableNode } from '../../hardware/index.ts';

/** The entries of one table on the way to an address, outermost first; the last one names the page, if there is one. */
export interface StageWalk {
  readonly entries: readonly EntryView[];
  /** What the address becomes, and what devices may do there; `null` where an entry is empty. */
  readonly page: { readonly to: bigint; readonly read: boolean; readonly write: boolean } | null;
}

export interface TableWalk {
  /** Entries that say which tables are the device's, outermost first. */
  readonly device: readonly EntryView[];
  /** One stage, or with nested tables two: what the first puts out goes into the second. Empty where all is blocked. */
  readonly stages: readonly StageWalk[];
}

const ENTRY_BYTES = 8;

/** Follows an address through the tables of one requester and PASID. `read64` reads host memory. */
export function walkTables(tree: TableNode, address: bigint, read64: (address: number) => bigint): TableWalk {
  const device: EntryView[] = [];
  const stages: StageWalk[] = [];
  let at: bigint | undefined = address;
  const visit = (node: TableNode): void => {
    if (node.entry !== undefined) device.push(node.entry);
    const paging = node.children.filter(isPaging);
    if (paging.length > 0) {
      const stage: StageWalk = at === undefined ? { entries: [], page: null } : walkStage(paging, at, read64);
      stages.push(stage);
      at = stage.page?.to;
    } else {
      for (const child of node.children) visit(child);
    }
  };
  visit(tree);
  return { device, stages };
}

/** An entry of a page table, or the word that a whole table is empty. */
function isPaging({ range, entry, note }: TableNode): boolean {
  return range !== undefined || (entry === undefined && note === 'nothing is mapped');
}

function walkStage(nodes: readonly TableNode[], address: bigint, read64: (address: number) => bigint): StageWalk {
  const entries: EntryView[] = [];
  let level = nodes;
  for (;;) {
    const node = level.find(({ range }) => range !== undefined && range.first <= address && address <= range.last);
    if (node?.entry === undefined || node.range === undefined) return { entries, page: null };
    const { pages, range } = node;
    if (pages === undefined) {
      entries.push(node.entry);
      level = node.children;
      continue;
    }
    // A run of pages is shown by its first entry.
    const offset = address - range.first;
    const at = node.entry.address + Number(offset / BigInt(pages.pageBytes)) * ENTRY_BYTES;
    const value = at === node.entry.address ? node.entry.value : read64(at);
    entries.push({ ...node.entry, address: at, value });
    return { entries, page: { to: BigInt(pages.to) + offset, read: pages.read, write: pages.write } };
  }
}
