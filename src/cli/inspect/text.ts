/** Registers, tables, caches and states for a reader. */
import type { CacheView, EntryView, TableNode } from '../../../hardware/index.ts';
import { hex } from '../../machine/index.ts';
import { sizeText } from '../../recorder/index.ts';
import { entryLines } from '../../scenario/index.ts';
import { fieldsText } from '../explain/text.ts';

/** One line per register: offset, name, value, and what is not 0 in it. */
export function registerLines(registers: readonly EntryView[]): string[] {
  const width = Math.max(0, ...registers.map(({ what }) => what.length));
  return registers.map(({ what, address, value, bits, fields }) => {
    const digits = value.toString(16).padStart(bits / 4, '0');
    return `${hex(address).padStart(5)}  ${what.padEnd(width)}  0x${digits}  ${fieldsText(fields)}`.trimEnd();
  });
}

/** One register field by field. */
export function registerDetail(register: EntryView): string[] {
  return [...entryLines(register, 'at offset'), `  (${register.reference})`];
}

const SAYS_NOTHING: ReadonlySet<string> = new Set(['-', 'false']);

export function cacheLines({ name, size, entries }: CacheView): string[] {
  if (size === null) return [`${name}: none`];
  const place = size.sets === 1 ? `${size.ways} entries` : `${size.sets} sets of ${size.ways}`;
  const head = `${name}: ${entries.length} in use (${place})`;
  // Columns that say nothing of any entry would only make the others hard to find.
  const columns = [...new Set(entries.flatMap((entry) => Object.keys(entry)))].filter((column) =>
    entries.some((entry) => !SAYS_NOTHING.has(entry[column] ?? '-')),
  );
  const rows = [columns, ...entries.map((entry) => columns.map((column) => entry[column] ?? ''))];
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const table = rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd());
  return entries.length === 0 ? [head] : [head, ...table];
}

/** A tree of tables, a line per node. */
export function tableLines(node: TableNode): string[] {
  return [nodeText(node), ...branches(node.children, '')];
}

function branches(nodes: readonly TableNode[], indent: string): string[] {
  return nodes.flatMap((node, i) => {
    const isLast = i === nodes.length - 1;
    const line = `${indent}${isLast ? '└─ ' : '├─ '}${nodeText(node)}`;
    return [line, ...branches(node.children, `${indent}${isLast ? '   ' : '│  '}`)];
  });
}

function nodeText({ what, index, entry, range, pages, note }: TableNode): string {
  const head = index === undefined ? what : `${what} ${index}`;
  const span = range === undefined ? '' : ` ${hex(range.first)}-${hex(range.last)}`;
  const remark = note === undefined ? '' : `: ${note}`;
  if (pages !== undefined) {
    const { to, pageBytes, count, read, write } = pages;
    const rights = `${read ? 'R' : '-'}${write ? 'W' : '-'}`;
    const host = `${hex(to)}-${hex(to + pageBytes * count - 1)}`;
    return `${head}${span} -> ${host}  ${count} x ${sizeText(pageBytes)}  ${rights}${remark}`;
  }
  if (entry === undefined) return `${head}${span}${remark}`;
  return `${head}${span} at ${hex(entry.address)}: ${fieldsText(entry.fields, true)}${remark}`;
}
