/** What a sweep file asks for: which points of which study. */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { InputError, quote, suggest } from '../../machine/index.ts';
import { type GridPoint, gridOf, parseValue, SEED, type Study, type Value } from '../../study/index.ts';
import { readText } from '../read-json.ts';
import { findStudy } from '../study/index.ts';
import type { Work } from './task.ts';

const SCALAR = z.union([z.number(), z.string()]);
const VALUES = z.union([SCALAR, z.array(SCALAR)], { error: 'a value or a list of values' });
const FILE = z.strictObject(
  {
    study: z.string({ error: 'the name of a study' }),
    seed: z.int({ error: 'a whole number from 0 on' }).min(0, { error: 'a whole number from 0 on' }).default(SEED),
    parameters: z.record(z.string(), VALUES, { error: 'values by parameter' }).default({}),
  },
  { error: 'a study and its parameters' },
);
const FIELDS = Object.keys(FILE.shape);

/** Throws an InputError with one sentence for whatever is wrong with the file. */
export function readPlan(file: string, studies: readonly Study[]): Work {
  const { study: name, seed, parameters } = check(parse(readText(file), file), file);
  const study = findStudy(studies, name);
  const changes = Object.entries(parameters).map(([parameter, values]) => {
    // A size may be written "4K".
    const read = (value: Value): unknown => (typeof value === 'string' ? parseValue(study, parameter, value) : value);
    return [parameter, [values].flat().map(read)] as const;
  });
  return { study, points: gridOf(study, Object.fromEntries(changes), quote(file)), seed };
}

function parse(text: string, file: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  const line = error.linePos?.[0].line ?? 1;
  throw new InputError(
    `${quote(file)} is not YAML: line ${line}: ${error.message.split('\n')[0]!.replace(/:?$/, '.')}`,
  );
}

function check(value: unknown, file: string): z.output<typeof FILE> {
  const result = FILE.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    throw new InputError(`${quote(file)} has a field ${quote(key)}; ${suggest(key, FIELDS)}`);
  }
  const where = issue.path.length === 0 ? 'it' : `the field ${quote(issue.path.join('.'))}`;
  throw new InputError(`${quote(file)}: expected ${where} to be ${issue.message}.`);
}

/** "2/8" is every eighth point, from the second on. Throws an InputError for what is no shard. */
export function shardOf(points: readonly GridPoint[], text: string | undefined): readonly GridPoint[] {
  if (text === undefined) return points;
  const [, number, count] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (number === undefined || count === undefined || number < 1 || number > count) {
    throw new InputError(`A shard is one of several, from "1/8" to "8/8", and not ${quote(text)}.`);
  }
  return points.filter((_, i) => i % count === number - 1);
}
