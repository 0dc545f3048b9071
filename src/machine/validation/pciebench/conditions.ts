/**
 * What a published point of pcie-bench was measured with: which machine, which transfers, where its buffer lies and what
 * is said of the result. Source of the names: the data that go with Neugebauer et al., "Understanding PCIe performance
 * for end host networking" (SIGCOMM 2018), and the README file about how its directories are named.
 *
 * Surface: `experimentOf` a point; `readPoint` and `statisticOf` for points that compare two experiments (changes.ts).
 * Not looked at: the order of transfers, an offset within the device's own memory, and from which socket the buffer was
 * warmed.
 */
import { usualEngine } from '../../measured/measure.ts';
import type { Point } from '../point.ts';
import { bytesOf, transferSize } from '../sizes.ts';
import { choose, find, rateIn, timeIn, type Words, without, wordsOf } from '../words.ts';
import type { Experiment, MachineName, Statistic } from './experiment.ts';
import * as say from './phrases.ts';

export type { Experiment } from './experiment.ts';

/** The words of a point: texts in the order of trust. */
export interface PointWords {
  readonly words: Words;
  /** For what is about the set-up, for what is about the result, and for sizes. */
  readonly setUp: readonly string[];
  readonly result: readonly string[];
  readonly sizes: readonly string[];
}

export function readPoint(point: Point): PointWords {
  // What is said to hold also for something else is of another experiment.
  const words = without(wordsOf(point), /\balso\b.*$/gi);
  const { quantity, conditions, id } = words;
  const source = point.source ?? '';
  return {
    words,
    setUp: [conditions, quantity, id, source],
    result: [quantity, id, conditions, source],
    // Dots part the words of an id, but "win1.5M" is one of them.
    sizes: [conditions, quantity, point.id, source],
  };
}

export function experimentOf(point: Point): Experiment | undefined {
  const read = readPoint(point);
  if (say.COMPARISON.test(point.quantity)) return undefined;
  if (rateIn(point.unit)) return experiment(read, 'bandwidth');
  const statistic = timeIn(point.unit) && statisticOf(read.result);
  return statistic && experiment(read, statistic);
}

/** The experiment that measures this, whatever the point's unit. Nothing when the benchmark has no such measurement. */
export function experiment(
  { words, setUp, result, sizes }: PointWords,
  measure: Experiment['measure'],
  window?: number,
): Experiment | undefined {
  const machine = setUp.some((text) => say.OTHER_DEVICE.test(text)) ? undefined : machineOf(setUp);
  const kind = choose(result, say.KINDS);
  const bytes = transferSize(without(words, say.OTHER_SIZE)) ?? Number(find(sizes, ...say.SIZE_IN_NAME));
  if (machine === undefined || kind === undefined || !(bytes >= 1)) return undefined;
  if (!(measure === 'bandwidth' ? say.BANDWIDTH_KINDS : say.LATENCY_KINDS).has(kind)) return undefined;
  const engine = measure === 'bandwidth' ? 'dma' : (choose(result, say.ENGINES) ?? usualEngine(bytes));
  const made: Experiment = {
    machine,
    iommu: choose(setUp, say.TRANSLATES) === true ? pagesOf(setUp) : 'off',
    node: choose(setUp, say.NODES) ?? 'local',
    kind,
    engine,
    bytes,
    window: bytesOf(find(sizes, ...say.WINDOW) ?? `${window ?? USUAL_WINDOW[engine]}`),
    offset: Number(find(setUp, ...say.OFFSET) ?? 0),
    cache: choose(setUp, say.CACHES) ?? 'warm',
    measure,
  };
  return made.window >= made.offset + bytes && made.window <= LARGEST_WINDOW ? made : undefined;
}

/** The benchmark's own windows where a sweep is not over them. */
export const USUAL_WINDOW = { dma: 8 * 1024, command: 4 * 1024 } as const;
/** Bytes of the benchmark's buffer. */
export const LARGEST_WINDOW = 64 * 2 ** 20;
/** A model of processor tells more than a family, wherever it is named. */
function machineOf(texts: readonly string[]): MachineName | undefined {
  return choose(texts, say.MODELS) ?? choose(texts, say.FAMILIES) ?? choose(texts, say.FIGURES);
}

/** In which pages an IOMMU translates: they are often named in another place than the IOMMU. */
export function pagesOf(texts: readonly string[]): '4K' | 'superpages' {
  return choose(texts, say.PAGES) ?? choose(texts, say.PAGES_OF_FIGURES) ?? 'superpages';
}

/** The median when no statistic is named, as in the paper's figures. */
export function statisticOf(texts: readonly string[]): Statistic | undefined {
  for (const text of texts) {
    const named = choose([text], say.STATISTICS);
    if (named !== undefined) return named === 'other' ? undefined : named;
    const percentile = find([text], ...say.PERCENTILE);
    if (percentile !== undefined) return percentileOf(percentile);
  }
  return 'median';
}

const NAMED_PERCENTILES: ReadonlyMap<number, Statistic> = new Map([
  [0, 'min'],
  [50, 'median'],
  [95, 'p95'],
  [100, 'max'],
]);

/** "99.9", which an id also writes "99 9" or "999". */
function percentileOf(text: string): Statistic {
  const percentile = Number(text.replace(/^(99)[ .]?(9+)$/, '$1.$2'));
  return NAMED_PERCENTILES.get(percentile) ?? { percentile };
}
