/** Where the time went, as a picture: a bar for each kind of task, in which every milestone has its share. */
import { type KindShare, MILESTONE_NAMES, sharesText } from '../recorder/index.ts';
import { escaped, htmlPage } from './html.ts';
import { formatFor, OutputFile } from './output-file.ts';
import { loadPlotting, type Plotting } from './plotting.ts';

interface Run {
  readonly title: string;
  readonly kinds: readonly KindShare[];
}

type Format = (svg: string, runs: readonly Run[]) => string;

const FORMATS: Readonly<Record<string, Format>> = { svg: (svg) => svg, html: pageOf };

const [WIDTH, BAR] = [520, 22];
/** Shares of less than this have no colour that anybody would see. */
const LEAST = 0.0005;

export class WherePlot {
  readonly #path: string;
  readonly #format: Format;
  readonly #plotting: Plotting;
  readonly #runs: Run[] = [];

  private constructor(path: string, format: Format, plotting: Plotting) {
    this.#path = path;
    this.#format = format;
    this.#plotting = plotting;
  }

  /**
   * Nothing when nobody asked. Before the first run and before any file is emptied: that the file is of no known kind, or what is
   * missing for a plot, is said then (InputError).
   */
  static async from(path: string | undefined, plotting = loadPlotting): Promise<WherePlot | null> {
    if (path === undefined) return null;
    const format = formatFor(FORMATS, path, 'plot');
    return new WherePlot(path, format, await plotting());
  }

  add(title: string, kinds: readonly KindShare[]): void {
    this.#runs.push({ title, kinds });
  }

  async close(): Promise<void> {
    const svg = await this.#plotting.svg(chartOf(this.#runs));
    const file = new OutputFile(this.#path);
    file.write(this.#format(svg, this.#runs));
    file.close();
  }
}

function chartOf(runs: readonly Run[]): object {
  const shares = runs.flatMap(({ kinds }) => kinds.flatMap(sharesOf));
  // A milestone has the same colour in every run.
  const names = MILESTONE_NAMES.filter((name) => shares.some(({ milestone }) => milestone === name));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    config: { font: 'sans-serif', title: { anchor: 'start' } },
    vconcat: runs.map(({ title, kinds }) => ({
      title: `${title}: where the time went`,
      data: { values: kinds.flatMap(sharesOf) },
      mark: { type: 'bar' },
      width: WIDTH,
      height: { step: BAR },
      encoding: {
        y: { field: 'task', type: 'nominal', sort: null, title: null, axis: { labelLimit: 320 } },
        x: { field: 'percent', type: 'quantitative', title: 'share of the time (%)', scale: { domain: [0, 100] } },
        color: {
          field: 'milestone',
          type: 'nominal',
          title: 'waits for',
          scale: { domain: names, scheme: 'tableau20' },
        },
        order: { field: 'place', type: 'quantitative' },
      },
    })),
    resolve: { scale: { color: 'shared' } },
  };
}

function sharesOf({ kind, count, total, milestones }: KindShare) {
  const places: readonly string[] = MILESTONE_NAMES;
  return Object.entries(milestones)
    .filter(([, sum]) => sum > total * LEAST)
    .map(([milestone, sum]) => ({
      task: count === 1 ? kind : `${kind} (${count})`,
      milestone,
      percent: (sum / total) * 100,
      place: places.indexOf(milestone),
    }));
}

function pageOf(svg: string, runs: readonly Run[]): string {
  const tables = runs.flatMap(({ title, kinds }) => [
    `<h2>${escaped(title)}</h2>`,
    `<pre>${sharesText(kinds).map(escaped).join('\n')}</pre>`,
  ]);
  return htmlPage('Where the time went', 'body{max-width:60em}', [svg.trimEnd(), ...tables]);
}
