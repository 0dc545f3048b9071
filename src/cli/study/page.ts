/** A study and its results as a page that needs nothing else. */
import type { Study } from '../../study/index.ts';
import { describePoint, type Table } from './table.ts';

export function pageOf(study: Study, table: Table, svg: string): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return [
    '<!doctype html>',
    '<html lang="en">',
    `<head><meta charset="utf-8"><title>${escaped(study.name)}</title>`,
    '<style>body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}',
    'table{border-collapse:collapse}th,td{padding:.1em .7em;text-align:right}th{border-bottom:1px solid}svg{max-width:100%;height:auto}</style></head>',
    '<body>',
    `<h1>${escaped(study.name)}</h1>`,
    `<p><strong>${escaped(study.question)}</strong></p>`,
    `<p>${escaped(study.setUp)}</p>`,
    `<p>Everywhere: ${escaped(describePoint(study, table.common))}.</p>`,
    svg.trimEnd(),
    '<table>',
    row(table.heads, 'th'),
    ...table.lines.map((line) => row(line, 'td')),
    '</table>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
