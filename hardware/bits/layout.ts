/**
 * Named bits over 32-bit words: the one notation for registers, table entries, descriptors, TLP headers and
 * capabilities. A structure is declared once; accessors, masks, the decoded view and the documentation come from it.
 *
 * Words are little-endian in order: bit 0 is bit 0 of word 0, bit 32 is bit 0 of word 1.
 */

/**
 * How software may access a field of a register; `RW1S` takes a 1 and keeps it. The sticky ones, `ROS`, `RWS` and `RW1CS`, keep
 * their value through the resets that the specification says. Structures in memory are all `RW`.
 */
export type Access = 'RO' | 'ROS' | 'RW' | 'RWS' | 'RWL' | 'WO' | 'RW1C' | 'RW1CS' | 'RW1S';

export type Words = Uint32Array | Int32Array;

/** Code points of a field, by the specification's name. Values that are not listed survive as numbers. */
export type CodePoints = Readonly<Record<string, number>>;

export interface FieldSpec {
  readonly hi: number;
  readonly lo: number;
  readonly access: Access;
  readonly doc: string;
  readonly values?: CodePoints;
}

/** A field `hi:lo`. */
export function bits(hi: number, lo: number, access: Access, doc: string, values?: CodePoints): FieldSpec {
  return values === undefined ? { hi, lo, access, doc } : { hi, lo, access, doc, values };
}

/** A field of one bit. */
export function bit(n: number, access: Access, doc: string): FieldSpec {
  return { hi: n, lo: n, access, doc };
}

/**
 * What is switched off, by the names that the documentation uses: `FSTS_REG.PFO`, `FSTS_REG`, `LGN.2`. A test that claims
 * to prove such a row has to fail without it. Fields read it when they are declared, so whoever sets it does so before the
 * first declaration is loaded.
 */
export const mutants: { off: ReadonlySet<string> } = { off: new Set() };

/** Fields by which a specification promises software that hardware ignores some bits; the others are acted on or reserved. */
const PROMISED_IGNORED = /^(IGNORED|AVAIL)/;

export class Field {
  readonly name: string;
  readonly spec: FieldSpec;
  /** Number of bits. */
  readonly width: number;
  /** Index of the word that holds the lowest bit; absolute within a register page for a field of a register. */
  readonly word: number;
  /** Position of the lowest bit in that word. */
  readonly shift: number;
  /** The part of the field that lies in its first word, in place (an int32). */
  readonly mask: number;
  readonly #low: number;
  readonly #scale: number;
  readonly #high: number;
  /** Value of the lowest bit of an address: raised once, because V8 calls a function for it that costs as much as a read. */
  readonly #unit: number;

  /** A field that is off reads 0 and takes no value; its bits do not become reserved. */
  constructor(name: string, spec: FieldSpec, base = 0, isOff = false) {
    const width = spec.hi - spec.lo + 1;
    const shift = spec.lo & 31;
    if (width < 1 || width > 64 || shift + width > 64) {
      throw new RangeError(`${name}: bits ${spec.hi}:${spec.lo} do not fit in two adjacent words`);
    }
    const inFirst = isOff ? 0 : Math.min(width, 32 - shift);
    this.name = name;
    this.spec = spec;
    this.width = width;
    this.word = base + (spec.lo >>> 5);
    this.shift = shift;
    this.#low = inFirst === 32 ? 0xffff_ffff : (1 << inFirst) - 1;
    this.#scale = 2 ** inFirst;
    this.#high = isOff || width === inFirst ? 0 : 2 ** (width - inFirst) - 1;
    this.mask = this.#low << shift;
    this.#unit = 2 ** (spec.lo & 63);
  }

  /** The field's value in the structure that starts at word `at`; exact up to 53 significant bits. */
  get(words: Words, at = 0): number {
    const i = at + this.word;
    const low = ((words[i]! >>> this.shift) & this.#low) >>> 0;
    return this.#high === 0 ? low : low + ((words[i + 1]! & this.#high) >>> 0) * this.#scale;
  }

  /** True when any bit of the field is set. */
  isSet(words: Words, at = 0): boolean {
    const i = at + this.word;
    return (words[i]! & this.mask) !== 0 || (this.#high !== 0 && (words[i + 1]! & this.#high) !== 0);
  }

  /** Writes `value`, whose bits above the field's width are dropped. */
  set(words: Words, value: number, at = 0): void {
    const i = at + this.word;
    words[i] = (words[i]! & ~this.mask) | ((value % this.#scale) << this.shift);
    if (this.#high !== 0) {
      const high = Math.floor(value / this.#scale) % 2 ** 32;
      words[i + 1] = (words[i + 1]! & ~this.#high) | (high & this.#high);
    }
  }

  /**
   * The byte address that the field names: its bits at their place within the 64-bit word. Exact for every address of
   * at most 53 significant bits, so for each page-aligned one.
   */
  address(words: Words, at = 0): number {
    return this.get(words, at) * this.#unit;
  }

  /** Writes the field from a byte address whose bits below the field are dropped. */
  setAddress(words: Words, address: number, at = 0): void {
    this.set(words, Math.floor(address / this.#unit), at);
  }

  big(words: Words, at = 0): bigint {
    const i = at + this.word;
    const low = BigInt((words[i]! >>> this.shift) & this.#low) & 0xffff_ffffn;
    return this.#high === 0 ? low : low + BigInt((words[i + 1]! & this.#high) >>> 0) * BigInt(this.#scale);
  }

  setBig(words: Words, value: bigint, at = 0): void {
    const i = at + this.word;
    const scale = BigInt(this.#scale);
    words[i] = (words[i]! & ~this.mask) | (Number(BigInt.asUintN(32, value % scale)) << this.shift);
    if (this.#high !== 0) {
      words[i + 1] = (words[i + 1]! & ~this.#high) | (Number(BigInt.asUintN(32, value / scale)) & this.#high);
    }
  }

  /** The name of the field's value, where the specification gives it one. */
  valueName(words: Words, at = 0): string | undefined {
    if (this.spec.values === undefined) return undefined;
    const value = this.get(words, at);
    return Object.entries(this.spec.values).find(([, v]) => v === value)?.[0];
  }
}

export interface LayoutInfo {
  readonly name: string;
  /** Width in bits, a multiple of 32. */
  readonly bits: number;
  /** Number of 32-bit words. */
  readonly words: number;
  /** Section of the specification that defines it. */
  readonly reference: string;
  /** Byte offset in its register page; `undefined` for what lies in memory or where a capability says. */
  readonly offset: number | undefined;
  /** In ascending order of bits. */
  readonly fields: readonly Field[];
}

type FieldSpecs = Readonly<Record<string, FieldSpec>>;

export type Layout<F extends FieldSpecs = FieldSpecs> = { readonly [K in keyof F]: Field } & { readonly $: LayoutInfo };

/** Anything with a layout's description; what generic code (docs, decoding, masks) takes. */
export interface AnyLayout {
  readonly $: LayoutInfo;
}

/** Declares a structure in memory, or a register whose place a capability gives. Fields must not overlap. */
export function layout<const F extends FieldSpecs>(
  name: string,
  width: number,
  reference: string,
  fields: F,
): Layout<F> {
  return declare(name, width, reference, fields, undefined);
}

/** Declares a register at a fixed byte `offset` of its page; its fields address the page's words directly. */
export function register<const F extends FieldSpecs>(
  name: string,
  offset: number,
  width: number,
  reference: string,
  fields: F,
): Layout<F> {
  return declare(name, width, reference, fields, offset);
}

function declare<const F extends FieldSpecs>(
  name: string,
  width: number,
  reference: string,
  specs: F,
  offset: number | undefined,
): Layout<F> {
  const base = (offset ?? 0) / 4;
  if (!Number.isInteger(base) || width % 32 !== 0) throw new RangeError(`${name}: not made of whole words`);
  const named = Object.entries(specs).map(
    ([key, spec]) => [key, new Field(key, spec, base, isOff(name, key))] as const,
  );
  const fields = named.map(([, field]) => field).sort((a, b) => a.spec.lo - b.spec.lo);
  let next = 0;
  for (const { name: key, spec } of fields) {
    if (spec.lo < next) throw new RangeError(`${name}.${key}: bits ${spec.hi}:${spec.lo} overlap another field`);
    if (spec.hi >= width) throw new RangeError(`${name}.${key}: bits ${spec.hi}:${spec.lo} exceed ${width} bits`);
    next = spec.hi + 1;
  }
  const info: LayoutInfo = { name, bits: width, words: width / 32, reference, offset, fields };
  return Object.freeze({ ...Object.fromEntries(named), $: info }) as Layout<F>;
}

function isOff(layout: string, field: string): boolean {
  return mutants.off.has(layout) || mutants.off.has(`${layout}.${field}`);
}

/** Values for some fields of a layout, by name. */
export type Values<L extends AnyLayout> = { readonly [K in Exclude<keyof L, '$'>]?: number | bigint };

/** A fresh structure with the given fields set and every other bit 0. */
export function encode<L extends AnyLayout>(of: L, values: Values<L>): Uint32Array {
  const words = new Uint32Array(of.$.words);
  const at = -(of.$.offset ?? 0) / 4;
  for (const field of of.$.fields) {
    const value = (values as Readonly<Record<string, number | bigint | undefined>>)[field.name];
    if (value !== undefined) field.setBig(words, BigInt(value), at);
  }
  return words;
}

/** Every field of one value, by name: for traces, inspection and tests. */
export function decode(of: AnyLayout, words: Words, at = -(of.$.offset ?? 0) / 4): Record<string, bigint> {
  return Object.fromEntries(of.$.fields.map((field) => [field.name, field.big(words, at)]));
}

/** One mask word per word of the layout: the bits of the fields that `select` accepts. */
export function maskOf(of: AnyLayout, select: (field: Field) => boolean): Uint32Array {
  const mask = new Uint32Array(of.$.words);
  const at = -(of.$.offset ?? 0) / 4;
  for (const field of of.$.fields) if (select(field)) field.setBig(mask, (1n << BigInt(field.width)) - 1n, at);
  return mask;
}

/**
 * The bits that no field declares. The specifications call them reserved. To be ignored is all that an ignored field does,
 * so one that is switched off is reserved.
 */
export function undeclared(of: AnyLayout): Uint32Array {
  const reserved = new Uint32Array(of.$.words).fill(0xffff_ffff);
  for (const { name, spec } of of.$.fields) {
    if (PROMISED_IGNORED.test(name) && isOff(of.$.name, name)) continue;
    for (let n = spec.lo; n <= spec.hi; n++) reserved[n >>> 5]! &= ~(1 << (n & 31));
  }
  return reserved;
}

/** True when `words` at `at` has a bit of `mask` set. */
export function anySet(words: Words, mask: Uint32Array, at = 0): boolean {
  for (let i = 0; i < mask.length; i++) if ((words[at + i]! & mask[i]!) !== 0) return true;
  return false;
}
