/** Results of a study as text: a table for people, values separated by commas for programs. */
import {
  formatBytes,
  type GridPoint,
  type PublishedValue,
  publishedAt,
  type Result,
  type Study,
} from '../../study/index.ts';

const FIGURES = 4;

/** Cells of a table: of parameters those that differ from line to line, then outcomes, each with what is published of it. */
export interface Table {
  /** Parameters that are the same everywhere. */
  readonly common: GridPoint;
  readonly heads: readonly string[];
  readonly lines: readonly (readonly string[])[];
}

export function tableOf(study: Study, results: readonly Result[], published: readonly PublishedValue[] = []): Table {
  const names = Object.keys(study.parameters);
  const differs = (name: string): boolean => results.some(({ point }) => point[name] !== results[0]!.point[name]);
  const [varying, same] = [names.filter(differs), names.filter((name) => !differs(name))];
  const columns = varying.map((name) => ({
    head: name,
    cell: ({ point }: Result): string => textOf(study, name, point[name]!),
  }));
  for (const [name, { unit }] of Object.entries(study.outcomes)) {
    const suffix = unit === '' ? '' : ` (${unit})`;
    columns.push({ head: `${name}${suffix}`, cell: ({ row }) => figures(row[name]) });
    const hasPublished = results.some(({ point }) => publishedAt(published, point, name) !== undefined);
    if (!hasPublished) continue;
    columns.push({ head: 'published', cell: ({ point }) => figures(publishedAt(published, point, name)?.value) });
  }
  return {
    common: Object.fromEntries(same.map((name) => [name, results[0]!.point[name]!])),
    heads: columns.map(({ head }) => head),
    lines: results.map((result) => columns.map(({ cell }) => cell(result))),
  };
}

/** "machine bdw, bytes 64 B": parameters and their values. */
export function describePoint(study: Study, point: GridPoint): string {
  const parts = Object.entries(point).map(([name, value]) => {
    const { unit } = study.parameters[name]!;
    return `${name} ${textOf(study, name, value)}${unit === '' ? '' : ` ${unit}`}`;
  });
  return parts.join(', ');
}

export function textOf(study: Study, name: string, value: number | string): string {
  return study.parameters[name]!.unit === 'B' && typeof value === 'number' ? formatBytes(value) : String(value);
}

function figures(value: number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  return Math.abs(value) >= 10 ** FIGURES ? String(Math.round(value)) : String(Number(value.toPrecision(FIGURES)));
}

/** Lines whose columns stand below each other. */
export function toLines({ heads, lines }: Table): string[] {
  const all = [heads, ...lines];
  const widths = heads.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  return all.map((line) => line.map((cell, i) => cell.padStart(widths[i]!)).join('  '));
}

/** One line for each result, below one with the names of all parameters and outcomes. */
export function toCsv(study: Study, results: readonly Result[]): string {
  const names = [...Object.keys(study.parameters), 'seed', ...Object.keys(study.outcomes)];
  const lines = results.map(({ point, seed, row }) => {
    const values: Readonly<Record<string, unknown>> = { ...point, seed, ...row };
    return names.map((name) => values[name] ?? '').join(',');
  });
  return [names.join(','), ...lines, ''].join('\n');
}
