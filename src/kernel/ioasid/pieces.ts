/**
 * What is behind a range of a table that may be nested on others, and which ranges of others a range of it is behind: each nested
 * mapping leads to its parent's, down to frames.
 */
import type { Protection } from '../../../hardware/formats/index.ts';
import type { PageRun } from '../page-run.ts';
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
export function* piecesOf({ mappings, shape }: MergedTable, { first, pages }: PageRun): Iterable<Piece> {
  for (const mapping of mappings.within(first, pages)) {
    if (mapping.isLeaving) continue;
    const start = Math.max(first, mapping.first);
    const end = Math.min(first + pages, mapping.first + mapping.pages);
    const offset = start - mapping.first;
    const { pinned, protection, source } = mapping;
    if (pinned !== null) {
      const frames = pinned.frames.subarray(offset, offset + end - start);
      yield { first: start, pages: end - start, frames, protection };
      continue;
    }
    for (const piece of piecesOf(shape.parent!, { first: source + offset, pages: end - start })) {
      const read = protection.read && piece.protection.read;
      const write = protection.write && piece.protection.write;
      if (read || write) yield { ...piece, first: piece.first - source + mapping.first, protection: { read, write } };
    }
  }
}

/** Where the ranges of tables are that are nested on a table and use a range of it. */
export function* partsIn<T extends MergedTable>(
  nested: ReadonlySet<T>,
  { first, pages }: PageRun,
): Iterable<readonly [T, PageRun]> {
  for (const table of nested) {
    for (const mapping of [...table.mappings]) {
      const start = Math.max(first, mapping.source);
      const end = Math.min(first + pages, mapping.source + mapping.pages);
      if (start < end) yield [table, { first: mapping.first + start - mapping.source, pages: end - start }];
    }
  }
}
