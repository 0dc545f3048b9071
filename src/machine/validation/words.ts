/** Reading what was measured from the words in which a point says it. */
import type { Point } from './point.ts';

/** The fields of a point as texts in the order of trust; in an id, dots and underscores part the words. */
export interface Words {
  readonly quantity: string;
  readonly conditions: string;
  readonly id: string;
}

export function wordsOf({ quantity, conditions, id }: Point): Words {
  return { quantity, conditions, id: id.replace(/[._]/g, ' ') };
}

/** The same without what matches `pattern`, which is global. */
export function without({ quantity, conditions, id }: Words, pattern: RegExp): Words {
  const cut = (text: string): string => text.replace(pattern, ' ');
  return { quantity: cut(quantity), conditions: cut(conditions), id: cut(id) };
}

/** What the first group that took part matched, in the first text that has one. */
export function find(texts: readonly string[], ...patterns: readonly RegExp[]): string | undefined {
  for (const pattern of patterns) {
    for (const text of texts) {
      const found = pattern
        .exec(text)
        ?.slice(1)
        .find((group) => group !== undefined);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The choice whose pattern the first text matches that matches any; of several, the one that stands first. */
export function choose<T>(texts: readonly string[], choices: readonly (readonly [T, RegExp])[]): T | undefined {
  for (const text of texts) {
    const chosen = choices.find(([, pattern]) => pattern.test(text));
    if (chosen !== undefined) return chosen[0];
  }
  return undefined;
}

/** `number`, when it is one of `allowed`. */
export function oneOf<const T extends number>(allowed: readonly T[], number: number): T | undefined {
  return allowed.find((one) => one === number);
}

type Convert = (measured: { readonly gigabits: number; readonly transactions: number }) => number;

const PREFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** How to say a measured rate in `unit`: bits, bytes or transactions per second. */
export function rateIn(unit: string): Convert | undefined {
  const [, prefix = '', binary, what = ''] =
    /^\s*([kMGT]?)(i?)\s*(b(?:it)?s?|B(?:ytes?)?|trans(?:actions)?|packets|p|1)?\s*(?:\/\s*s(?:ec)?|ps)\s*$/.exec(
      unit,
    ) ?? [];
  const scale = binary === 'i' ? 1024 ** ('kMGT'.indexOf(prefix) + 1) : PREFIXES[prefix]!;
  if (/^b/.test(what)) return ({ gigabits }) => (gigabits * 1e9) / scale;
  if (/^B/.test(what)) return ({ gigabits }) => (gigabits * 1e9) / 8 / scale;
  return /^(trans|p|1)/.test(what) ? ({ transactions }) => transactions / scale : undefined;
}

const NANOSECONDS: Readonly<Record<string, number>> = { n: 1, u: 1e3, µ: 1e3, μ: 1e3, m: 1e6, '': 1e9 };

/** How to say a time in `unit`, of nanoseconds. */
export function timeIn(unit: string): ((nanoseconds: number) => number) | undefined {
  const [, prefix] = /^\s*([nuµμm]?)s(?:ec(?:onds?)?)?\s*$/.exec(unit) ?? [];
  return prefix === undefined ? undefined : (nanoseconds) => nanoseconds / NANOSECONDS[prefix]!;
}

/** What a unit is of: "cycles" of any clock are a time. */
export const KINDS = ['bandwidth', 'latency', 'other'] as const;
export type Kind = (typeof KINDS)[number];

export function kindOf(unit: string): Kind {
  if (rateIn(unit) !== undefined || /\b[kM]?IOPS\b/.test(unit)) return 'bandwidth';
  return timeIn(unit) !== undefined || CLOCK.test(unit) ? 'latency' : 'other';
}

/** Of a processor, or of whatever is named before them. */
const CLOCK = /^(?:\w+ )?(?:cycles|clocks)\b/i;
