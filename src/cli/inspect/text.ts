/** Registers, tables, caches and states for a reader. */
import type { CacheView, EntryView, TableNode } from '../../../hardware/index.ts';
import { hex } from '../../machine/index.ts';
import { sizeText } from '../../recorder/index.ts';
import { entryLines, fieldsText } from '../../scenario/index.ts';

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

/** A tree of tables: a line per node, or per run of entries that lie side by side, say the same and lead nowhere. */
export function tableLines(node: TableNode): string[] {
  return [nodeText({ first: node, last: node, count: 1 }), ...branches(node.children, '')];
}

interface Run {
  readonly first: TableNode;
  readonly last: TableNode;
  readonly count: number;
}

function branches(nodes: readonly TableNode[], indent: string): string[] {
  const runs = runsOf(nodes);
  return runs.flatMap((run, i) => {
    const isLast = i === runs.length - 1;
    const line = `${indent}${isLast ? '└─ ' : '├─ '}${nodeText(run)}`;
    return [line, ...branches(run.first.children, `${indent}${isLast ? '   ' : '│  '}`)];
  });
}

function runsOf(nodes: readonly TableNode[]): Run[] {
  const runs: Run[] = [];
  for (const node of nodes) {
    const run = runs.at(-1);
    if (run !== undefined && continues(run.last, node))
      runs.splice(-1, 1, { ...run, last: node, count: run.count + 1 });
    else runs.push({ first: node, last: node, count: 1 });
  }
  return runs;
}

function continues(before: TableNode, after: TableNode): boolean {
  const [one, next] = [before.entry, after.entry];
  if (one === undefined || next === undefined || before.index === undefined || after.index === undefined) return false;
  if (before.children.length + after.children.length > 0 || before.range !== undefined || after.range !== undefined)
    return false;
  const isNext = next.address === one.address + one.bits / 8 && next.bits === one.bits;
  return isNext && before.what === after.what && before.note === after.note && one.value === next.value;
}

function nodeText({ first, last, count }: Run): string {
  const { what, index, entry, range, pages, note } = first;
  const indices = count === 1 ? index : `${index} to ${last.index}`;
  const head = indices === undefined ? what : `${what} ${indices}`;
  const span = range === undefined ? '' : ` ${hex(range.first)}-${hex(range.last)}`;
  const remark = note === undefined ? '' : `: ${note}`;
  if (pages !== undefined) {
    const { to, pageBytes, count: number, read, write } = pages;
    const rights = `${read ? 'R' : '-'}${write ? 'W' : '-'}`;
    const host = `${hex(to)}-${hex(to + pageBytes * number - 1)}`;
    return `${head}${span} -> ${host}  ${number} x ${sizeText(pageBytes)}  ${rights}${remark}`;
  }
  if (entry === undefined) return `${head}${span}${remark}`;
  const place = `${hex(entry.address)}${count === 1 ? '' : `, ${count} equal entries`}`;
  const fields = fieldsText(entry.fields, true);
  return `${head}${span} at ${place}${fields === '' ? '' : `: ${fields}`}${remark}`;
}
