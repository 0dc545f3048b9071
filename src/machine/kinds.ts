/** Kinds of values in a machine specification, each with the sentence for somebody who got it wrong. */
import { z } from 'zod';
import { quote, suggest } from './input-error.ts';

/** A whole number in a closed range. */
export function whole(first: number, last: number) {
  const error = `a whole number from ${first} to ${last}`;
  return z.int({ error }).min(first, { error }).max(last, { error });
}

/** A number in a closed range. */
export function between(first: number, last: number, unit: string) {
  const error = `a number of ${unit} from ${first} to ${last}`;
  return z.number({ error }).min(first, { error }).max(last, { error });
}

export function choice<const T extends readonly number[]>(values: T) {
  return z.literal(values, { error: `one of ${values.join(', ')}` });
}

export function flag() {
  return z.boolean({ error: 'true or false' });
}

export function powerOfTwo(last: number) {
  const error = `a power of two from 1 to ${last}`;
  return whole(1, last).refine((n) => (n & (n - 1)) === 0, { error });
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: values.length === 1 ? quote(values[0]) : `one of ${values.map(quote).join(', ')}` });
}

export function word(bits: 32 | 64) {
  const error = `a hexadecimal ${bits}-bit value as a string, for instance "0x10"`;
  return z.string({ error }).regex(bits === 32 ? /^0x[0-9a-f]{1,8}$/i : /^0x[0-9a-f]{1,16}$/i, { error });
}

export function text() {
  const error = 'a text that is not empty';
  return z.string({ error }).min(1, { error });
}

/** An object with exactly these fields. */
export function section<S extends z.core.$ZodLooseShape>(shape: S) {
  const fields = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownField(issue.keys[0]!, fields)
        : `an object with the fields ${fields.join(', ')}`,
  });
}

/** The sentence about a field that does not exist. */
export function unknownField(name: string, accepted: readonly string[]): string {
  return `there is no field ${quote(name)}; ${suggest(name, accepted)}`;
}
