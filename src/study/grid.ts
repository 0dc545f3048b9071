/** The points of a study: its own, or those that somebody has asked for. */
import { InputError, quote, suggest } from '../machine/index.ts';
import type { Value } from './parameter.ts';
import type { GridPoint, Study } from './study.ts';

/** Values in place of a study's own, by parameter. */
export type Changes = Readonly<Record<string, readonly unknown[]>>;

/** The seed where none is asked for. */
export const SEED = 1;

/** All points, the last parameter changing fastest. Throws an InputError for a parameter or a value that the study does not accept. */
export function gridOf(study: Study, changes: Changes = {}, where = `study ${quote(study.name)}`): GridPoint[] {
  const names = Object.keys(study.parameters);
  for (const name of Object.keys(changes)) {
    if (names.includes(name)) continue;
    throw new InputError(`${where}: there is no parameter ${quote(name)}; ${suggest(name, names)}`);
  }
  let points: GridPoint[] = [{}];
  for (const name of names) {
    const values = valuesOf(study, name, changes[name], where);
    points = points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
  }
  const wanted = points.filter((point) => !study.omit(point));
  if (wanted.length === 0) throw new InputError(`${where}: there is no point that makes sense for it.`);
  return wanted;
}

function valuesOf(
  study: Study,
  name: string,
  changed: readonly unknown[] | undefined,
  where: string,
): readonly Value[] {
  const { values, schema } = study.parameters[name]!;
  if (changed === undefined) return values;
  if (changed.length === 0) throw new InputError(`${where}: parameter ${quote(name)} has no values.`);
  return changed.map((value) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const expected = result.error.issues[0]!.message;
    throw new InputError(`${where}: parameter ${quote(name)} is ${expected}, and not ${JSON.stringify(value)}.`);
  });
}

/** A point has the values that are wanted, whatever its others are. */
export function agrees(point: GridPoint, wanted: GridPoint): boolean {
  return Object.entries(wanted).every(([name, value]) => point[name] === value);
}

/** Names a point of a study: the same text for the same values and seed, in whatever order they stand. */
export function keyOf(study: Study, point: GridPoint, seed: number): string {
  return JSON.stringify([study.name, seed, ...Object.keys(study.parameters).map((name) => point[name])]);
}

/** "window=4K,8K": the values of one parameter, as a command line has them. */
export function parseChange(study: Study, text: string): readonly [name: string, values: readonly unknown[]] {
  const at = text.indexOf('=');
  const where = `study ${quote(study.name)}`;
  if (at < 1) throw new InputError(`${where}: expected parameter=value,..., and not ${quote(text)}.`);
  const name = text.slice(0, at);
  const parts = text.slice(at + 1).split(',');
  return [name, parts.map((part) => parseValue(study, name, part))];
}

/** A value that was written as text; what it cannot be is left as it stands, to be refused by `gridOf`. */
export function parseValue({ parameters }: Study, name: string, text: string): unknown {
  const value = Object.hasOwn(parameters, name) ? parameters[name]!.parse(text) : text;
  return Number.isNaN(value) ? text : value;
}
