/** Which bits of an entry are reserved in one implementation: what no field declares, and what capabilities take away. */
import { type AnyLayout, maskOf, undeclared } from './layout.ts';

/** Says which capabilities an implementation has. */
export interface Has<Capability extends string> {
  has(name: Capability): boolean;
}

/** Fields that are reserved while a capability is 0. */
export type Conditional<Capability extends string> = Readonly<Partial<Record<Capability, readonly string[]>>>;

export function reservedBits<Capability extends string>(
  of: AnyLayout,
  unit: Has<Capability>,
  conditional?: Conditional<Capability>,
): Uint32Array {
  const missing = Object.entries(conditional ?? {}).filter(([name]) => !unit.has(name as Capability));
  const fields = new Set(missing.flatMap(([, names]) => names as readonly string[]));
  const never = undeclared(of);
  return maskOf(of, (field) => fields.has(field.name)).map((bits, i) => bits | never[i]!);
}

/** Adds bits `first` to `last`, both included; none when `first` is above `last`. */
export function reserve(mask: Uint32Array, first: number, last: number): Uint32Array {
  for (let n = first; n <= last; n++) mask[n >>> 5]! |= 1 << (n & 31);
  return mask;
}

/** The bits of the named fields. */
export function fieldBits(of: AnyLayout, names: readonly string[]): Uint32Array {
  return maskOf(of, (field) => names.includes(field.name));
}

/** True when `words` has a bit of `mask` that `except` does not have. */
export function anyBut(words: Uint32Array, mask: Uint32Array, except: Uint32Array): boolean {
  return mask.some((bits, i) => (words[i]! & bits & ~except[i]!) !== 0);
}
