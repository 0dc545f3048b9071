/** Base address registers: what there is, how software learns their size, and where they point. */
import { bits, type FieldSpec, layout, type Placement, type Words } from '../bits/index.ts';
import { BAR_COUNT, MEMORY_BAR } from './spec/index.ts';

export interface BarSpec {
  /** Index of the register, 0 to 5; with `wide` the next register holds the upper half. */
  readonly index: number;
  /** Bytes, a power of two of at least 16. */
  readonly size: number;
  /** The address has 64 bits. */
  readonly wide: boolean;
  readonly prefetchable: boolean;
}

const FIXED = {
  IO_SPACE: MEMORY_BAR.IO_SPACE.spec,
  BAR_TYPE: MEMORY_BAR.BAR_TYPE.spec,
  PREFETCHABLE: MEMORY_BAR.PREFETCHABLE.spec,
};

/**
 * The registers of a base address of this size, in an array at `array` of which `count` are there. The address bits below
 * the size are not declared, so they read 0 whatever is written: this is the sizing protocol.
 */
export function barRegisters(bar: BarSpec, array: number, count = BAR_COUNT): Placement[] {
  const { index, size, wide } = bar;
  const shift = log2(size);
  if (shift < 4 || index < 0 || index + (wide ? 2 : 1) > count || (shift > 31 && !wide)) {
    throw new RangeError(`base address ${index} of ${size} bytes is not possible`);
  }
  const low: Record<string, FieldSpec> = { ...FIXED };
  if (shift < 32) low['ADDRESS'] = bits(31, shift, 'RW', 'address');
  const offset = array + index * 4;
  const registers: Placement[] = [{ layout: layout(`base address ${index}`, 32, '', low), offset }];
  if (wide) {
    const high = { ADDRESS: bits(31, Math.max(shift - 32, 0), 'RW', 'address bits 63:32') };
    registers.push({ layout: layout(`base address ${index}, upper half`, 32, '', high), offset: offset + 4 });
  }
  return registers;
}

/** The low bits of the register, which say what kind it is. */
export function barType({ wide, prefetchable }: BarSpec): number {
  const { ADDRESS_64, ADDRESS_32 } = MEMORY_BAR.BAR_TYPE.spec.values as { ADDRESS_64: number; ADDRESS_32: number };
  const type = wide ? ADDRESS_64 : ADDRESS_32;
  return (type << MEMORY_BAR.BAR_TYPE.shift) | (prefetchable ? MEMORY_BAR.PREFETCHABLE.mask : 0);
}

/** Where the register points that stands in the array at `array`. */
export function barAddress(words: Words, array: number, bar: BarSpec): number {
  const at = array / 4 + bar.index;
  const low = MEMORY_BAR.ADDRESS.get(words, at) * 16;
  return bar.wide ? words[at + 1]! * 2 ** 32 + low : low;
}

export function log2(powerOfTwo: number): number {
  let exponent = 0;
  while (2 ** exponent < powerOfTwo) exponent++;
  if (2 ** exponent !== powerOfTwo) throw new RangeError(`${powerOfTwo} is not a power of two`);
  return exponent;
}
