/** What a study is asked about: parameters, each with the values that are accepted and those that it has by default. */
import { z } from 'zod';

export type Value = number | string;

export interface Parameter<V extends Value = Value> {
  /** Empty for a name or a mere number. */
  readonly unit: string;
  readonly meaning: string;
  /** Its values in the study's own grid. */
  readonly values: readonly V[];
  readonly schema: z.ZodType<V>;
  /** Names one value of the text of a command line. */
  parse(text: string): unknown;
}

export interface Limits {
  readonly least: number;
  readonly most: number;
}

/** One of a few names. */
export function choice<const V extends string>(
  meaning: string,
  accepted: readonly V[],
  values: readonly V[] = accepted,
): Parameter<V> {
  const names = accepted.map((name) => `"${name}"`).join(', ');
  const schema = z.enum(accepted as unknown as [V, ...V[]], { error: `one of ${names}` }) as unknown as z.ZodType<V>;
  return { unit: '', meaning, values, schema, parse: (text) => text };
}

/** Whole numbers; of bytes also written as 4K, 16M or 1G. */
export function wholeNumber(
  meaning: string,
  unit: string,
  { least, most }: Limits,
  values: readonly number[],
): Parameter<number> {
  const error = `a whole number from ${least} to ${most}`;
  const schema = z.int({ error }).min(least, { error }).max(most, { error });
  return { unit, meaning, values, schema, parse: (text) => (unit === 'B' ? bytesOf(text) : numberOf(text)) };
}

const PREFIXES = ['', 'K', 'M', 'G'];

function bytesOf(text: string): number {
  const [, number = '', prefix = ''] = /^([^a-z]*)([kmg]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  return numberOf(number) * 1024 ** PREFIXES.indexOf(prefix.toUpperCase());
}

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** A number of bytes as people write it. */
export function formatBytes(bytes: number): string {
  let power = 0;
  let rest = bytes;
  for (; power < PREFIXES.length - 1 && rest >= 1024 && rest % 1024 === 0; power++) rest /= 1024;
  return `${rest}${PREFIXES[power]}`;
}
