/** What a module declares, found by looking at it: for documentation and tests. */
import type { AnyLayout } from './layout.ts';

function isLayout(value: unknown): value is AnyLayout {
  return typeof value === 'object' && value !== null && '$' in value;
}

/** Every layout that a module exports, alone or in an array, in the order of the module's names. */
export function layoutsOf(module: Readonly<Record<string, unknown>>): AnyLayout[] {
  return Object.values(module).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isLayout));
}
