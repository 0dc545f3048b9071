/** A tree of tables, as an inspector shows it, in a form that tests compare. */
import type { TableNode } from '../../hardware/index.ts';

/** The nodes of a tree in the order of reading, each in a few words. */
export function outline(node: TableNode, depth = 0): string[] {
  const { what, index, range, pages, note } = node;
  const span = range === undefined ? '' : ` ${range.first.toString(16)}-${range.last.toString(16)}`;
  const to =
    pages === undefined
      ? ''
      : ` -> ${pages.to.toString(16)} x${pages.count} ${pages.read ? 'R' : '-'}${pages.write ? 'W' : '-'}`;
  const place = index === undefined ? '' : ` ${index}`;
  const line = `${'  '.repeat(depth)}${what}${place}${span}${to}${note === undefined ? '' : `: ${note}`}`;
  return [line, ...node.children.flatMap((child) => outline(child, depth + 1))];
}

/** How many nodes a tree has. */
export function count(node: TableNode): number {
  return 1 + node.children.reduce((sum, child) => sum + count(child), 0);
}
