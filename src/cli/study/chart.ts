/** The plots of a study as one description in Vega-Lite: simulated values are lines, published ones are hollow points. */
import {
  agrees,
  columnOf,
  type GridPoint,
  type Plot,
  type PublishedValue,
  type Result,
  type Study,
} from '../../study/index.ts';
import { describePoint, textOf } from './table.ts';

const WIDTH = 260;
const HEIGHT = 190;
/** Charts side by side. */
const COLUMNS = 3;
const SIMULATED = 'simulated';
const PUBLISHED = 'published';
/** 1,024 and its powers; vega's own language. */
const BYTES =
  "datum.value >= 1073741824 ? datum.value / 1073741824 + 'G' : datum.value >= 1048576 ? datum.value / 1048576 + 'M' : " +
  "datum.value >= 1024 ? datum.value / 1024 + 'K' : datum.value";

/** One point of a chart. */
interface Mark {
  readonly x: number | string;
  readonly y: number;
  readonly series: string;
  readonly kind: typeof SIMULATED | typeof PUBLISHED;
}

/** A description for all plots for which there are results; nothing when there is none. */
export function chartOf(
  study: Study,
  results: readonly Result[],
  published: readonly PublishedValue[],
): object | undefined {
  const meant = study.plots.filter(({ where = {} }) => results.some(({ point }) => agrees(point, where)));
  // Who has changed the grid until no plot is about it wants to see what he has asked for.
  const plots = meant.length > 0 ? meant : study.plots.map(({ where: _, ...plot }) => plot);
  const charts = plots.flatMap((plot) => chartsOf(study, plot, results, published));
  if (charts.length === 0) return undefined;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    config: { font: 'sans-serif', title: { anchor: 'start', subtitleColor: '#666' } },
    concat: charts,
    columns: COLUMNS,
    spacing: 30,
    resolve: { scale: { color: 'independent', strokeDash: 'independent', shape: 'shared' } },
  };
}

/** One chart, or one for each value of the facet. */
function chartsOf(study: Study, plot: Plot, all: readonly Result[], published: readonly PublishedValue[]): object[] {
  const results = all.filter(({ point }) => agrees(point, plot.where ?? {}));
  const { facet, ...whole } = plot;
  const values = facet === undefined ? [] : [...new Set(results.map(({ point }) => point[facet]!))];
  if (facet === undefined || values.length < 2) return chart(study, whole, results, published);
  return values.flatMap((value) => {
    const title = `${plot.title}: ${facet} ${value}`;
    const of = results.filter(({ point }) => point[facet] === value);
    return chart(study, { ...plot, title }, of, published);
  });
}

function chart(study: Study, plot: Plot, results: readonly Result[], published: readonly PublishedValue[]): object[] {
  const { x, y } = plot;
  const columnAt = ({ point, row }: Result, column: string): number | string | null =>
    Object.hasOwn(study.parameters, column) ? point[column]! : row[column]!;
  const names = Object.keys(study.parameters).filter((name) => name !== x);
  const differs = (name: string): boolean => results.some(({ point }) => point[name] !== results[0]!.point[name]);
  // A line for each value of the series, and for whatever else differs.
  const lineBy = names.filter(differs).sort((a, b) => Number(b === plot.series) - Number(a === plot.series));
  const same = names.filter((name) => !differs(name) && name !== plot.facet);
  const common = Object.fromEntries(same.map((name) => [name, results[0]!.point[name]!]));
  const seriesOf = (point: GridPoint): string => lineBy.map((name) => textOf(study, name, point[name]!)).join(', ');
  const marks: Mark[] = results.flatMap((result) => {
    const [at, value] = [columnAt(result, x), columnAt(result, y)];
    if (at === null || value === null) return [];
    return [{ x: at, y: value as number, series: seriesOf(result.point), kind: SIMULATED }];
  });
  if (marks.length === 0) return [];
  const simulated = [...marks];
  for (const one of published) {
    if (one.outcome !== y || !isWithin(one.point[x], simulated)) continue;
    // What is published need not stand on the grid, but on one of its lines.
    const on = results.find(({ point }) => agrees({ ...point, [x]: one.point[x]! }, one.point));
    if (on === undefined) continue;
    marks.push({ x: one.point[x]!, y: one.value, series: seriesOf(on.point), kind: PUBLISHED });
  }
  // Of all results, so that a line has the same colour in every chart.
  const lines = { by: lineBy.join(', '), order: [...new Set(results.map(({ point }) => seriesOf(point)))] };
  return [
    {
      title: { text: plot.title, subtitle: wrapped(describePoint(study, common)) },
      data: { values: marks },
      layer: layersOf(study, plot, lines, marks),
      width: WIDTH,
      height: HEIGHT,
    },
  ];
}

/** It is not beyond what was simulated. */
function isWithin(at: number | string | undefined, marks: readonly Mark[]): boolean {
  const all = marks.map(({ x }) => x);
  if (typeof at !== 'number') return at !== undefined && all.includes(at);
  return at >= Math.min(...(all as number[])) && at <= Math.max(...(all as number[]));
}

interface Lines {
  /** What tells them apart, and their names. */
  readonly by: string;
  readonly order: readonly string[];
}

function layersOf(study: Study, plot: Plot, { by, order }: Lines, marks: readonly Mark[]): object[] {
  const series = {
    field: 'series',
    type: 'nominal',
    title: by,
    scale: { domain: order },
    ...(order.length < 2 ? { legend: null } : {}),
  };
  const encoding = {
    x: axisOf(study, plot, 'x', marks),
    y: axisOf(study, plot, 'y', marks),
    color: series,
    // So that one of two lines in the same place is seen through the other.
    strokeDash: series,
  };
  const { strokeDash: _, ...dots } = encoding;
  const line = { mark: { type: 'line' }, encoding };
  const simulated = { type: 'point', size: 20, filled: true };
  if (!marks.some(({ kind }) => kind === PUBLISHED)) return [line, { mark: simulated, encoding: dots }];
  const kind = {
    field: 'kind',
    type: 'nominal',
    title: null,
    legend: { orient: 'bottom' },
    sort: [SIMULATED, PUBLISHED],
  };
  const withKind = { ...dots, shape: kind };
  const only = (equal: Mark['kind']): object[] => [{ filter: { field: 'kind', equal } }];
  return [
    { transform: only(SIMULATED), ...line },
    { transform: only(SIMULATED), mark: simulated, encoding: withKind },
    { transform: only(PUBLISHED), mark: { type: 'point', size: 50, filled: false }, encoding: withKind },
  ];
}

function axisOf(study: Study, plot: Plot, field: 'x' | 'y', marks: readonly Mark[]): object {
  const column = plot[field];
  const { unit } = columnOf(study, column)!;
  const values = marks.map((mark) => mark[field]);
  const common = { field, title: unit === '' ? column : `${column} (${unit})` };
  if (values.some((value) => typeof value === 'string')) return { ...common, type: 'nominal', sort: null };
  const isLog = field === 'x' ? plot.logX === true : plot.logY === true;
  const base = values.every((value) => Number.isInteger(Math.log2(value as number))) ? 2 : 10;
  const log = { type: 'log', base: unit === 'B' ? 2 : base, nice: field === 'y' };
  return {
    ...common,
    type: 'quantitative',
    scale: isLog ? log : { zero: true, ...(unit === '%' ? { domain: [0, 100] } : {}) },
    axis: { labelOverlap: true, gridOpacity: 0.5, ...(unit === 'B' ? { labelExpr: BYTES } : {}) },
  };
}

const LINE = 56;

/** Lines that are not much wider than a chart. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(/(?<=, )/)) {
    if (lines.at(-1)!.length + word.length > LINE) lines.push('');
    lines[lines.length - 1] += word;
  }
  return lines;
}
