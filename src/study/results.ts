/** What was found at the points of a study, as lines of JSON: files of them can be joined in any order. */
import { z } from 'zod';
import { InputError, quote } from '../machine/index.ts';
import { keyOf } from './grid.ts';
import type { GridPoint, Row, Study } from './study.ts';

export interface Result {
  readonly study: string;
  readonly seed: number;
  readonly point: GridPoint;
  readonly row: Row;
}

const RESULT = z.object({
  study: z.string(),
  seed: z.int(),
  point: z.record(z.string(), z.union([z.number(), z.string()])),
  row: z.record(z.string(), z.number().nullable()),
});

/** Runs one point. */
export function resultAt(study: Study, point: GridPoint, seed: number): Result {
  return { study: study.name, seed, point, row: study.run(point, seed) };
}

export function toLine(result: Result): string {
  return `${JSON.stringify(result)}\n`;
}

/** Throws an InputError that names the line that is something else; a last line that was not written to its end does not count. */
export function readResults(text: string, file: string): Result[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, i) => readResult(line, `${quote(file)}, line ${i + 1}`));
}

function readResult(line: string, where: string): Result {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new InputError(`${where} is not JSON.`);
  }
  const result = RESULT.safeParse(value);
  if (!result.success) throw new InputError(`${where} is not the result of a study.`);
  return result.data;
}

/** Results of these points, in their order, as far as there are some. */
export function resultsOf(study: Study, points: readonly GridPoint[], seed: number, all: readonly Result[]): Result[] {
  const byKey = new Map(
    all.filter((one) => one.study === study.name).map((one) => [keyOf(study, one.point, one.seed), one]),
  );
  return points.map((point) => byKey.get(keyOf(study, point, seed))).filter((one) => one !== undefined);
}
