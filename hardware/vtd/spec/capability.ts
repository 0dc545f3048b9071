/** Conditions on capabilities, as data: what a layout cannot say about its fields by itself. */
import type { AnyLayout, Layout } from '../../bits/index.ts';
import type { CAP, ECAP } from './registers/core.ts';

/** A field of CAP_REG or ECAP_REG: here always one whose value 0 says that something does not exist. */
export type Capability = Exclude<keyof typeof CAP | keyof typeof ECAP, '$'>;

export type FieldName<L extends AnyLayout> = Extract<Exclude<keyof L, '$'>, string>;

/** The fields that hardware treats as reserved (0) while a capability is 0. */
export type ReservedWithout<L extends AnyLayout = Layout> = { readonly [C in Capability]?: readonly FieldName<L>[] };

/** The fields that hardware ignores, by the name of a code point. What is reserved in the unit at hand is not ignored. */
export type IgnoredFor<L extends AnyLayout, Code extends string> = { readonly [C in Code]?: readonly FieldName<L>[] };

/** The capabilities that a code point of a field needs. While one of them is 0, the code point is reserved. */
export type Needs<Code extends string> = { readonly [C in Code]: readonly Capability[] };
