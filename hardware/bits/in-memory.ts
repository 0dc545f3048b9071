/** Notation for structures in memory: they have no access classes, software may write every bit. */
import { bits, type CodePoints, type FieldSpec } from './layout.ts';

export function field(hi: number, lo: number, doc: string, values?: CodePoints): FieldSpec {
  return bits(hi, lo, 'RW', doc, values);
}

/** A field of one bit. */
export function flag(n: number, doc: string): FieldSpec {
  return bits(n, n, 'RW', doc);
}
