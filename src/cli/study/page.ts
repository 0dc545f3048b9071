/** A study and its results as a page that needs nothing else. */
import type { Study } from '../../study/index.ts';
import { escaped, htmlPage } from '../html.ts';
import { describePoint, type Table } from './table.ts';

const STYLE =
  'body{max-width:60em}table{border-collapse:collapse}th,td{padding:.1em .7em;text-align:right}th{border-bottom:1px solid}';

export function pageOf(study: Study, table: Table, svg: string): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return htmlPage(study.name, STYLE, [
    `<h1>${escaped(study.name)}</h1>`,
    `<p><strong>${escaped(study.question)}</strong></p>`,
    `<p>${escaped(study.setUp)}</p>`,
    `<p>Everywhere: ${escaped(describePoint(study, table.common))}.</p>`,
    svg.trimEnd(),
    '<table>',
    row(table.heads, 'th'),
    ...table.lines.map((line) => row(line, 'td')),
    '</table>',
  ]);
}
