/**
 * Structures that cross the boundary between a process and the kernel. Each is declared once, member by member; its bit
 * layout, its binary form and the type of its object form follow from that.
 *
 * Rules of every structure: little-endian, the first member is `argsz` (of a capability behind one, its id), 8-byte members are 8-byte aligned, padding is
 * explicit and must be 0.
 */
import {
  type AnyLayout,
  bits,
  type CodePoints,
  type Field,
  type FieldSpec,
  hex,
  type Layout,
  layout,
  wordsOf,
} from '../../hardware/bits/index.ts';

type Kind = 'u32' | 's32' | 'u64' | 'padding';

export interface Member<K extends Kind = Kind> {
  readonly kind: K;
  readonly doc: string;
  readonly values?: CodePoints;
}

export type Members = Readonly<Record<string, Member>>;

function member<K extends Kind>(kind: K, doc: string, values: CodePoints | undefined): Member<K> {
  return values === undefined ? { kind, doc } : { kind, doc, values };
}

export const u32 = (doc: string, values?: CodePoints): Member<'u32'> => member('u32', doc, values);
/** A signed number: a file descriptor. */
export const s32 = (doc: string): Member<'s32'> => member('s32', doc, undefined);
export const u64 = (doc: string): Member<'u64'> => member('u64', doc, undefined);
/** Four bytes that must be 0. */
export const padding: Member<'padding'> = member('padding', 'must be 0', undefined);

type ValueOf<K extends Kind> = K extends 'u64' ? bigint : number;

/** The object form: every member but padding. 64-bit members are `bigint`. */
export type ObjectOf<M extends Members> = {
  -readonly [K in keyof M as M[K]['kind'] extends 'padding' ? never : K]: ValueOf<M[K]['kind']>;
};

/** The object form of a structure. */
export type ObjectIn<S> = S extends Struct<infer M> ? ObjectOf<M> : never;

/** What code needs that handles any structure. */
export interface AnyStruct {
  readonly name: string;
  readonly bytes: number;
  readonly layout: AnyLayout;
  readonly padding: readonly Field[];
  /** The members of a binary form in words: `{ioasid 1, iova 0x1000, …}`. For traces. */
  describe(bytes: Uint8Array): string;
}

export class Struct<M extends Members = Members> implements AnyStruct {
  readonly name: string;
  readonly layout: Layout<{ readonly [K in keyof M]: FieldSpec }>;
  /** Size of the binary form; what `argsz` is when the caller does not say. */
  readonly bytes: number;
  readonly padding: readonly Field[];
  readonly #members: M;

  constructor(name: string, reference: string, members: M) {
    let at = 0;
    const specs: Record<string, FieldSpec> = {};
    for (const [key, { kind, doc, values }] of Object.entries(members)) {
      const width = kind === 'u64' ? 64 : 32;
      if (at % width !== 0) throw new RangeError(`${name}.${key} is not aligned to its size`);
      specs[key] = bits(at + width - 1, at, 'RW', doc, values);
      at += width;
    }
    if (at % 64 !== 0) throw new RangeError(`${name} has implicit padding at its end`);
    this.name = name;
    this.layout = layout(name, at, reference, specs) as this['layout'];
    this.bytes = at / 8;
    this.padding = this.layout.$.fields.filter((field) => members[field.name]!.kind === 'padding');
    this.#members = members;
  }

  /** The binary form. Members that are left out are 0, except `argsz`, which is then the structure's size. */
  encode(value: Partial<ObjectOf<M>>): Uint8Array<ArrayBuffer> {
    const given: Readonly<Record<string, number | bigint | undefined>> = { argsz: this.bytes, ...value };
    const words = new Uint32Array(this.bytes / 4);
    for (const field of this.layout.$.fields) {
      field.setBig(words, BigInt.asUintN(field.width, BigInt(given[field.name] ?? 0)));
    }
    const bytes = new Uint8Array(this.bytes);
    const view = new DataView(bytes.buffer);
    words.forEach((word, i) => {
      view.setUint32(i * 4, word, true);
    });
    return bytes;
  }

  /** The object form of bytes; bytes that are missing at the end count as 0. */
  decode(bytes: Uint8Array): ObjectOf<M> {
    const words = wordsOf(bytes, this.bytes / 4);
    const entries = this.layout.$.fields
      .filter((field) => this.#members[field.name]!.kind !== 'padding')
      .map((field) => [field.name, memberOf(field, this.#members[field.name]!.kind, words)]);
    return Object.fromEntries(entries) as ObjectOf<M>;
  }

  describe(bytes: Uint8Array): string {
    const members = Object.entries(this.decode(bytes) as Readonly<Record<string, number | bigint>>)
      .filter(([name, value]) => name !== 'argsz' && !(name === 'flags' && value === 0))
      .map(([name, value]) => `${name} ${typeof value === 'bigint' ? hex(value) : value}`);
    return `{${members.join(', ')}}`;
  }
}

function memberOf(field: Field, kind: Kind, words: Uint32Array): number | bigint {
  if (kind === 'u64') return field.big(words);
  return kind === 's32' ? field.get(words) | 0 : field.get(words);
}
