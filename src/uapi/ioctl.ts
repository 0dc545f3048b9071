/** How an ioctl is named and numbered. */
import type { AnyStruct, ObjectOf, Struct } from './struct.ts';

/** What the third argument of an ioctl is: nothing, a number, or the address of a structure. */
export type Argument = 'none' | 'value' | AnyStruct;

export interface Command<A extends Argument = Argument> {
  readonly name: string;
  readonly number: number;
  readonly argument: A;
}

/** What a program passes for a command's argument. */
export type Passed<A extends Argument> = A extends 'none'
  ? undefined
  : A extends 'value'
    ? number | bigint
    : A extends Struct<infer M>
      ? Partial<ObjectOf<M>>
      : never;

/** Linux's `_IO(type, number)`: neither a direction nor a size is encoded. */
export function ioctlNumber(type: string, number: number): number {
  return (type.charCodeAt(0) << 8) | number;
}

export function command<A extends Argument>(name: string, type: string, number: number, argument: A): Command<A> {
  return { name, number: ioctlNumber(type, number), argument };
}
