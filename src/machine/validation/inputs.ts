/** Points that say what a measured machine is built from: its parameters, each by the words in which it is published. */
import type { Point } from './point.ts';
import { find, wordsOf } from './words.ts';

/** For each parameter, words of which the quantity of its points has some, or else their id. */
export type ParameterWords<Names extends string> = Readonly<Record<Names, RegExp>>;

/** The parameter that a point states; what is neither a number nor a range states none. */
export function parameterOf<Names extends string>(words: ParameterWords<Names>, point: Point): Names | undefined {
  if (typeof point.value === 'string') return undefined;
  const names = Object.keys(words) as Names[];
  const { quantity, id } = wordsOf(point);
  return [quantity, id].flatMap((text) => names.filter((name) => words[name].test(text)))[0];
}

/** The first whole or decimal number that stands before what `pattern` matches. */
export function numberBefore(texts: readonly string[], pattern: RegExp): number | undefined {
  const found = find(texts, new RegExp(`(?<![\\w.])(\\d+(?:\\.\\d+)?)[ -]?${pattern.source}`, pattern.flags));
  return found === undefined ? undefined : Number(found);
}
