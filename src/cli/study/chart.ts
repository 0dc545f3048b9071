/** The plots of a study as one description in Vega-Lite: simulated values are lines, published ones are hollow points. */
import {
  columnOf,
  type GridPoint,
  type Plot,
  type PublishedValue,
  type Result,
  type Study,
} from '../../study/index.ts';
import { describePoint, textOf } from './table.ts';

const WIDTH = 330;
const HEIGHT = 220;
/** Charts side by side. */
const COLUMNS = 2;
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
  readonly facet: string;
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
  const charts = plots.flatMap((plot) => chart(study, plot, results, published));
  if (charts.length === 0) return undefined;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    config: { font: 'sans-serif', title: { anchor: 'start', subtitleColor: '#666' } },
    concat: charts,
    columns: COLUMNS,
    spacing: 30,
    resolve: { scale: { color: 'independent', shape: 'shared' } },
  };
}

function chart(study: Study, plot: Plot, all: readonly Result[], published: readonly PublishedValue[]): object[] {
  const { x, y } = plot;
  const results = all.filter(({ point }) => agrees(point, plot.where ?? {}));
  const numberAt = ({ point, row }: Result, column: string): number | string | null =>
    Object.hasOwn(study.parameters, column) ? point[column]! : row[column]!;
  const names = Object.keys(study.parameters).filter((name) => name !== x);
  const differs = (name: string): boolean => results.some(({ point }) => point[name] !== results[0]!.point[name]);
  // A line for each value of the series, and for whatever else differs.
  const lineBy = names.filter((name) => name !== plot.facet && differs(name));
  lineBy.sort((a, b) => Number(b === plot.series) - Number(a === plot.series));
  const common = Object.fromEntries(
    names.filter((name) => !differs(name)).map((name) => [name, results[0]?.point[name] ?? '']),
  );
  const seriesOf = (point: GridPoint): string => lineBy.map((name) => textOf(study, name, point[name]!)).join(', ');
  const facetOf = (point: GridPoint): string => (plot.facet === undefined ? '' : String(point[plot.facet]));
  const marks: Mark[] = results.flatMap((result) => {
    const { point } = result;
    const [at, value] = [numberAt(result, x), numberAt(result, y)];
    if (at === null || value === null) return [];
    return [{ x: at, y: value as number, series: seriesOf(point), facet: facetOf(point), kind: SIMULATED }];
  });
  if (marks.length === 0) return [];
  // Of all results, so that a line has the same colour in every chart.
  const order = [...new Set(results.map(({ point }) => seriesOf(point)))];
  const facets = [...new Set(marks.map(({ facet }) => facet))];
  for (const one of published) {
    if (one.outcome !== y || !isWithin(one.point[x], marks)) continue;
    // What is published need not stand on the grid, but on one of its lines.
    const on = results.find(({ point }) => agrees({ ...point, [x]: one.point[x]! }, one.point));
    if (on === undefined) continue;
    const { series, facet } = { series: seriesOf(on.point), facet: facetOf(on.point) };
    marks.push({ x: one.point[x]!, y: one.value, series, facet, kind: PUBLISHED });
  }
  const title = { text: plot.title, subtitle: wrapped(describePoint(study, common)) };
  const hasPublished = marks.some(({ kind }) => kind === PUBLISHED);
  const layers = {
    layer: layersOf(study, plot, order, lineBy.join(', ')).slice(0, hasPublished ? 3 : 2),
    width: WIDTH,
    height: HEIGHT,
  };
  const data = { values: marks };
  if (facets.length < 2) return [{ title, data, ...layers }];
  const facet = { field: 'facet', type: 'nominal', title: plot.facet, sort: facets };
  return [{ title, data, facet, columns: COLUMNS, spec: layers }];
}

/** It is not beyond what was simulated. */
function isWithin(at: number | string | undefined, marks: readonly Mark[]): boolean {
  const all = marks.map(({ x }) => x);
  if (typeof at !== 'number') return at !== undefined && all.includes(at);
  return at >= Math.min(...(all as number[])) && at <= Math.max(...(all as number[]));
}

function agrees(point: GridPoint, wanted: GridPoint): boolean {
  return Object.entries(wanted).every(([name, value]) => point[name] === value);
}

function layersOf(study: Study, plot: Plot, order: readonly string[], title: string): object[] {
  const axis = (column: string, isLog: boolean): object => {
    const { unit } = columnOf(study, column)!;
    const type = study.parameters[column]?.values.every((value) => typeof value === 'string')
      ? 'nominal'
      : 'quantitative';
    const isBytes = unit === 'B';
    const scale = isLog ? { type: 'log', base: isBytes ? 2 : 10 } : { zero: true };
    return {
      field: column === plot.x ? 'x' : 'y',
      type,
      title: unit === '' ? column : `${column} (${unit})`,
      ...(type === 'nominal' ? { sort: null } : { scale }),
      axis: isBytes ? { labelExpr: BYTES, labelOverlap: true } : { labelOverlap: true },
    };
  };
  const encoding = {
    x: axis(plot.x, plot.logX === true),
    y: axis(plot.y, plot.logY === true),
    color: {
      field: 'series',
      type: 'nominal',
      title,
      sort: order,
      scale: { domain: order },
      ...(order.length < 2 ? { legend: null } : {}),
    },
    shape: { field: 'kind', type: 'nominal', title: null, legend: { orient: 'bottom' }, sort: [SIMULATED, PUBLISHED] },
  };
  const only = (kind: Mark['kind']): object[] => [{ filter: { field: 'kind', equal: kind } }];
  const { shape: _, ...line } = encoding;
  return [
    { transform: only(SIMULATED), mark: { type: 'line' }, encoding: line },
    { transform: only(SIMULATED), mark: { type: 'point', size: 20, filled: true }, encoding },
    { transform: only(PUBLISHED), mark: { type: 'point', size: 50, filled: false }, encoding },
  ];
}

const LINE = 70;

/** Lines that are not much wider than a chart. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(/(?<=, )/)) {
    if (lines.at(-1)!.length + word.length > LINE) lines.push('');
    lines[lines.length - 1] += word;
  }
  return lines;
}
