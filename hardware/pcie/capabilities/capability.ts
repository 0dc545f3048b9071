/**
 * What every capability of a configuration space has in common: an id in one of the two lists, a layout, power-on values,
 * and a place that the configuration space gives it. One that does something extends this class and attaches to writes.
 */
import {
  type AnyLayout,
  encode,
  type Field,
  maskOf,
  type Placement,
  type RegisterFile,
  type Values,
} from '../../bits/index.ts';

export interface CapabilityShape<L extends AnyLayout> {
  /** In the list from 0x100 on, which has a space of its own ids. */
  readonly extended: boolean;
  readonly id: number;
  readonly layout: L;
  /** Power-on values, the header's apart; what is not named is 0. */
  readonly initial: Values<L>;
  /** Version of an extended capability, 1 if it is not given. */
  readonly version?: number;
  /** Where it wants to stand. */
  readonly preferred?: number;
}

const WORD_BYTES = 4;

export class Capability<L extends AnyLayout = AnyLayout> {
  readonly shape: CapabilityShape<L>;
  /** Where it stands. */
  offset = 0;
  protected file!: RegisterFile;
  #initial: Readonly<Record<string, number | bigint | undefined>> = {};

  constructor(shape: CapabilityShape<L>) {
    this.shape = shape;
  }

  get bytes(): number {
    return this.shape.layout.$.words * WORD_BYTES;
  }

  /** Its registers, if it stands at `offset`. */
  placements(offset: number): Placement[] {
    return [{ layout: this.shape.layout, offset }];
  }

  /** Fields that a function-level reset keeps although they are not sticky. */
  get keptByFlr(): readonly Field[] {
    return [];
  }

  /** Takes its place in a file that has its registers, before the capability at `next`. */
  place(file: RegisterFile, offset: number, next: number): void {
    const { id, initial, extended, version = 1 } = this.shape;
    const header = { CAPABILITY_ID: id, NEXT: next, ...(extended ? { CAPABILITY_VERSION: version } : {}) };
    this.file = file;
    this.offset = offset;
    this.#initial = { ...initial, ...header };
    this.describe({});
    this.wire();
  }

  /** Sets further power-on values, before software has written anything. */
  protected describe(values: Values<L>): void {
    this.#initial = { ...this.#initial, ...values };
    this.file.initialWords(this.offset, [...encode<AnyLayout>(this.shape.layout, this.#initial)]);
  }

  /** Its registers are back at their power-on values, except for what survives this reset. */
  reset(): void {}

  /** Attaches behaviour to the registers, once they have their place. */
  protected wire(): void {}

  protected get(field: Field): number {
    return field.get(this.file.words, this.offset / WORD_BYTES);
  }

  protected isSet(field: Field): boolean {
    return field.isSet(this.file.words, this.offset / WORD_BYTES);
  }

  protected set(field: Field, value: number): void {
    field.set(this.file.words, value, this.offset / WORD_BYTES);
  }

  /** Acts on each write to a byte of the word at `offset` of the capability. */
  protected onWrite(offset: number, act: (written: number) => void): void {
    this.file.onWrite(this.offset + offset, act);
  }

  /** Takes write access from fields: they are reserved in this function. */
  protected withhold(...fields: readonly Field[]): void {
    maskOf(this.shape.layout, (field) => fields.includes(field)).forEach((mask, i) => {
      this.file.withholdBits(this.offset + i * WORD_BYTES, mask);
    });
  }
}
