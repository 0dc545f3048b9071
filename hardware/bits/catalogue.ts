/** What a module declares, found by looking at it: for documentation and tests. */
import type { AnyLayout, Field } from './layout.ts';

function isLayout(value: unknown): value is AnyLayout {
  return typeof value === 'object' && value !== null && '$' in value;
}

/** Every layout that a module exports, alone or in an array, in the order of the module's names. */
export function layoutsOf(module: Readonly<Record<string, unknown>>): AnyLayout[] {
  return Object.values(module).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isLayout));
}

/** Fields of several structures that hardware reads in one way, with one of the structures. */
export type SharedFields = readonly (readonly [representative: AnyLayout, fields: readonly Field[]])[];

/**
 * What one specification declares, as the rows of its reference page: registers and structures by their names, fields as
 * NAME.FIELD, conditions by their names.
 */
export class Catalogue {
  /** Every layout that comes from the specification. */
  readonly layouts: readonly AnyLayout[];
  readonly rows: ReadonlySet<string>;
  readonly #shared: SharedFields;

  /** `reference` is how the references of the specification begin. */
  constructor(
    reference: string,
    modules: readonly Readonly<Record<string, unknown>>[],
    conditions: readonly { readonly name: string }[],
    shared: SharedFields = [],
  ) {
    this.#shared = shared;
    this.layouts = [...new Set(modules.flatMap(layoutsOf))].filter((of) => of.$.reference.startsWith(reference));
    this.rows = new Set([
      ...this.layouts.flatMap((of) => [of.$.name, ...of.$.fields.map((field) => this.rowOf(of, field))]),
      ...conditions.map(({ name }) => name),
    ]);
  }

  /** The row of a field; a shared one is a row once, under its representative. */
  rowOf(of: AnyLayout, field: Field): string {
    const found = this.#shared.find(([, fields]) => fields.some((shared) => shared.spec === field.spec));
    return `${(found?.[0] ?? of).$.name}.${field.name}`;
  }
}

/** The reason under which a row, or the structure whose field it is, is listed; `*` in a list stands for anything. */
export function reasonFor(reasons: Readonly<Record<string, readonly string[]>>, row: string): string | undefined {
  const names = [row, row.replace(/\.[A-Za-z0-9_]+$/, '')];
  const isMeant = (pattern: string): boolean => names.some((name) => asRegExp(pattern).test(name));
  return Object.entries(reasons).find(([, patterns]) => patterns.some(isMeant))?.[0];
}

function asRegExp(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll(/[()]/g, '\\$&').replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
}
