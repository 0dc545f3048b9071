/** Machines as they are declared: a value, or a whole section, may say where it comes from. */
import type { Certainty, Parameter } from '../measured/parameter.ts';
import type { MachineSpec } from '../schema.ts';

export type Stated<T> =
  | T
  | Parameter<T>
  | (T extends readonly (infer Item)[]
      ? readonly Stated<Item>[]
      : T extends object
        ? { readonly [K in keyof T]: Stated<T[K]> }
        : never);

/** A preset is a complete machine. */
export type StatedMachine = Pick<MachineSpec, 'name' | 'description'> & Stated<MachineSpec>;

export interface Provenance {
  /** Of the field in a machine specification, as a setting names it: `iommu.iotlb`. */
  readonly path: string;
  readonly value: unknown;
  readonly unit: string;
  readonly meaning: string;
  readonly certainty: Certainty;
  readonly source: string;
}

/** The machine without what is said about its values. */
export function plain(stated: StatedMachine): MachineSpec {
  return strip(stated) as MachineSpec;
}

/** What is said about its values, in the order of its fields. */
export function provenanceOf(stated: StatedMachine): readonly Provenance[] {
  const found: Provenance[] = [];
  collect(stated, [], found);
  return found;
}

function strip(stated: unknown): unknown {
  if (isParameter(stated)) return stated.value;
  if (Array.isArray(stated)) return stated.map(strip);
  if (typeof stated !== 'object' || stated === null) return stated;
  return Object.fromEntries(Object.entries(stated).map(([name, value]) => [name, strip(value)]));
}

function collect(stated: unknown, path: readonly string[], into: Provenance[]): void {
  if (typeof stated !== 'object' || stated === null) return;
  if (isParameter(stated)) {
    const { value, unit, meaning, certainty, source } = stated;
    into.push({ path: path.join('.'), value, unit, meaning, certainty, source });
    return;
  }
  for (const [name, value] of Object.entries(stated)) collect(value, [...path, name], into);
}

function isParameter(stated: unknown): stated is Parameter<unknown> {
  return typeof stated === 'object' && stated !== null && 'certainty' in stated;
}
