/** Published measurements: what a file of them looks like. */
import { z } from 'zod';
import { InputError, quote } from '../input-error.ts';

const TEXT = z.string({ error: 'a text' });
const NAME = TEXT.min(1, { error: 'a text that is not empty' });
const VALUE = 'a number, a list of numbers or a text';

const POINT = z.object({
  id: NAME,
  group: NAME,
  /** Under which conditions what was measured, in words. */
  conditions: TEXT,
  quantity: TEXT,
  /** A number; a list is a range, and a text says something that is no number. */
  value: z.union([z.number(), z.array(z.number()).min(1, { error: VALUE }), TEXT], { error: VALUE }),
  unit: TEXT,
  /** How a list is published: with slashes, each of its numbers is of a quantity of its own. */
  value_text: TEXT.optional(),
  /** Where it is published; the name of a file of measurements can say what was measured. */
  source: TEXT.optional(),
  /** By how many per cent a simulation may differ. */
  suggested_tol_pct: z.number({ error: 'a number of per cent' }).min(0, { error: 'zero or more per cent' }).optional(),
});

/** Characters of something wrong that are quoted back. */
const LONGEST_QUOTE = 60;

/** One published value. Whatever else a file says of it is not looked at. */
export type Point = Readonly<z.output<typeof POINT>>;

/** The points in `data`. Throws an InputError that names the place in `file` where something else stands. */
export function readPoints(data: unknown, file: string): Point[] {
  if (!Array.isArray(data)) throw new InputError(`${quote(file)} is not a list of published points.`);
  return data.map((entry: unknown, position) => readPoint(entry, position, file));
}

function readPoint(entry: unknown, position: number, file: string): Point {
  const result = POINT.safeParse(entry);
  if (result.success) return result.data;
  const { id } = (entry ?? {}) as { id?: unknown };
  const which = typeof id === 'string' ? `${position + 1} (${id})` : `${position + 1}`;
  const { message, path } = result.error.issues[0]!;
  const field = path[0];
  if (field === undefined) throw new InputError(`${quote(file)}: point ${which} is not an object.`);
  const found = (entry as Record<PropertyKey, unknown>)[field];
  const got = found === undefined ? 'there is none' : `it is ${JSON.stringify(found).slice(0, LONGEST_QUOTE)}`;
  throw new InputError(
    `${quote(file)}: point ${which}: expected the field ${quote(String(field))} to be ${message}, and ${got}.`,
  );
}

/** The quantities of a point, each with its number: "physical / TLP-layer bandwidth" are two. */
export function partsOf(point: Point): readonly Point[] {
  const { value, quantity, value_text: text = '' } = point;
  const names = quantity.split(/ ?\/ ?/);
  if (typeof value !== 'object' || !text.includes('/') || names.length !== value.length) return [point];
  return names.map((name, i) => ({ ...point, quantity: name, value: value[i]! }));
}
