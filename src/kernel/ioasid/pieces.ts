/**
 * What is behind a range of a table that may be nested on others, and which ranges of others a range of it is behind: each nested
 * mapping leads to its parent's, down to frames.
 */
import type { Protection } from '../../../hardware/formats/index.ts';
import { commonPages, type PageRun } from '../page-run.ts';
import type { Mappings } from './mappings.ts';

/** Frames of pages in a row. */
export interface Piece extends PageRun {
  readonly frames: Float64Array;
  readonly protection: Protection;
}

export interface MergedTable {
  readonly mappings: Mappings;
  readonly shape: { readonly parent: MergedTable | null };
}

/**
 * The frames behind a range, cut where a mapping of any table on the way begins: so no superpage is ever cut. What is leaving
 * is not there any more.
 */
export function* piecesOf({ mappings, shape }: MergedTable, range: PageRun): Iterable<Piece> {
  for (const mapping of mappings.within(range.first, range.pages)) {
    if (mapping.isLeaving) continue;
    const { first, pages } = commonPages(mapping, range)!;
    const offset = first - mapping.first;
    const { pinned, protection, source } = mapping;
    if (pinned !== null) {
      yield { first, pages, frames: pinned.frames.subarray(offset, offset + pages), protection };
      continue;
    }
    for (const piece of piecesOf(shape.parent!, { first: source + offset, pages })) {
      const read = protection.read && piece.protection.read;
      const write = protection.write && piece.protection.write;
      if (read || write) yield { ...piece, first: piece.first - source + mapping.first, protection: { read, write } };
    }
  }
}

/** Where the ranges of tables are that are nested on a table and use a range of it. */
export function* partsIn<T extends MergedTable>(
  nested: ReadonlySet<T>,
  range: PageRun,
): Iterable<readonly [T, PageRun]> {
  for (const table of nested) {
    for (const mapping of [...table.mappings]) {
      const { first, pages, source } = mapping;
      const part = commonPages({ first: source, pages }, range);
      if (part !== undefined) yield [table, { ...part, first: part.first - source + first }];
    }
  }
}
