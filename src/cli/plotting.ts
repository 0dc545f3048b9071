/** Descriptions of charts as pictures: Vega draws them without a browser. */
import { optional } from './optional.ts';

export interface Plotting {
  svg(chart: object): Promise<string>;
}

const PURPOSE = 'A plot';

/** Vega and Vega-Lite. Throws an InputError where one is not installed. */
export async function loadPlotting(
  importVega: () => Promise<typeof import('vega')> = () => import('vega'),
  importLite: () => Promise<typeof import('vega-lite')> = () => import('vega-lite'),
): Promise<Plotting> {
  const vega = await optional('vega', PURPOSE, importVega);
  const lite = await optional('vega-lite', PURPOSE, importLite);
  return {
    svg: async (chart) => {
      const { spec } = lite.compile(chart as Parameters<typeof lite.compile>[0]);
      const view = new vega.View(vega.parse(spec), { renderer: 'none' });
      const svg = await view.toSVG();
      view.finalize();
      return `${svg}\n`;
    },
  };
}
