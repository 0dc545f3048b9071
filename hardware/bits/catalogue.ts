/**
 * What is declared, as rows: for the documentation, and for the tests that say which row they prove.
 *
 * Offers: the layouts of a module, and the names of their rows, which are those that `mutants` knows.
 */
import type { AnyLayout, Field } from './layout.ts';

function isLayout(value: unknown): value is AnyLayout {
  return typeof value === 'object' && value !== null && '$' in value;
}

/** Every layout that a module exports, alone or in an array, in the order of the module's names. */
export function layoutsOf(module: Readonly<Record<string, unknown>>): AnyLayout[] {
  return Object.values(module).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isLayout));
}

/**
 * The name of a field's row. A field that a layout shares with the `header` that every structure of its kind begins with
 * is one row with it, because hardware looks at it before it knows the rest.
 */
export function rowName(of: AnyLayout, field: Field, header: AnyLayout): string {
  const shared = header.$.fields.find(({ spec }) => spec === field.spec);
  return shared === undefined ? `${of.$.name}.${field.name}` : `${header.$.name}.${shared.name}`;
}
