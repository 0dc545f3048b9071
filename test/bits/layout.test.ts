import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  anySet,
  bit,
  bits,
  decode,
  encode,
  Field,
  layout,
  maskOf,
  register,
  undeclared,
} from '../../hardware/bits/index.ts';

const ENTRY = layout('entry', 128, 'a test', {
  P: bit(0, 'RW', 'first bit'),
  KIND: bits(3, 1, 'RW', 'three bits', { NONE: 0, ONE: 1, SEVEN: 7 }),
  ADDR: bits(51, 12, 'RW', 'across the words'),
  TOP: bits(63, 62, 'RW', 'the end of the first half'),
  DID: bits(79, 64, 'RW', 'in the third word'),
  ACROSS: bits(100, 90, 'RW', 'across the third and fourth word'),
  LAST: bit(127, 'RW', 'last bit'),
});

const big = (words: Uint32Array): bigint => words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);

describe('A field', () => {
  it('is read and written at its place across two words.', () => {
    const words = new Uint32Array(4);
    ENTRY.ADDR.set(words, 0xab_cdef_0123);
    expect([...words]).toEqual([0xf012_3000, 0x000a_bcde, 0, 0]);
    expect(ENTRY.ADDR.get(words)).toBe(0xab_cdef_0123);
    expect(ENTRY.ADDR.address(words)).toBe(0xabcd_ef01_23000);
    ENTRY.ACROSS.set(words, 0x5a5);
    expect([...words].slice(2)).toEqual([0x9400_0000, 0x16]);
    expect(ENTRY.ACROSS.get(words)).toBe(0x5a5);
  });

  it('holds every page-aligned address of 52 bits exactly, as a number.', () => {
    const words = new Uint32Array(4);
    for (const address of [0, 0x1000, 2 ** 31, 2 ** 32 - 4096, 2 ** 32, 2 ** 44 + 4096, 2 ** 51, 2 ** 52 - 4096]) {
      ENTRY.ADDR.setAddress(words, address);
      expect(ENTRY.ADDR.address(words)).toBe(address);
      expect(big(words) & (2n ** 64n - 1n)).toBe(BigInt(address));
    }
    ENTRY.ADDR.setAddress(words, 2 ** 52 - 1);
    expect(ENTRY.ADDR.address(words), 'bits below the field are dropped').toBe(2 ** 52 - 4096);
  });

  it('drops bits above its width and leaves its neighbours alone.', () => {
    const words = Uint32Array.of(0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff);
    ENTRY.KIND.set(words, 8);
    expect(words[0]).toBe(0xffff_fff1);
    ENTRY.KIND.setBig(words, 0x1_0000_0000_0000_0005n);
    expect(words[0]).toBe(0xffff_fffb);
    ENTRY.ADDR.set(words, 2 ** 40);
    expect([words[0], words[1]]).toEqual([0x0000_0ffb, 0xfff0_0000]);
  });

  it('of 64 bits is exact as a bigint.', () => {
    const whole = new Field('whole', bits(63, 0, 'RW', ''));
    const words = new Uint32Array(2);
    whole.setBig(words, 0xfedc_ba98_7654_3211n);
    expect([...words]).toEqual([0x7654_3211, 0xfedc_ba98]);
    expect(whole.big(words)).toBe(0xfedc_ba98_7654_3211n);
    whole.set(words, 0xffff_ffff);
    expect([...words]).toEqual([0xffff_ffff, 0]);
  });

  it('is set when any of its bits is, in whichever word.', () => {
    for (let n = 12; n <= 51; n++) {
      const words = new Uint32Array(4);
      words[n >>> 5] = 1 << (n & 31);
      expect(ENTRY.ADDR.isSet(words), `bit ${n}`).toBe(true);
      expect(ENTRY.TOP.isSet(words)).toBe(false);
    }
    expect(ENTRY.ADDR.isSet(Uint32Array.of(0xfff, 0xfff0_0000, 0, 0))).toBe(false);
  });

  it('may lie anywhere in an array of structures.', () => {
    const words = new Uint32Array(12);
    ENTRY.DID.set(words, 0xbeef, 8);
    expect(words[10]).toBe(0xbeef);
    expect(ENTRY.DID.get(words, 8)).toBe(0xbeef);
    expect(ENTRY.DID.get(words, 4)).toBe(0);
  });

  it('has names for the values that the specification names.', () => {
    const name = (value: number) => ENTRY.KIND.valueName(encode(ENTRY, { KIND: value }));
    expect([name(0), name(7), name(3)]).toEqual(['NONE', 'SEVEN', undefined]);
    expect(ENTRY.P.valueName(new Uint32Array(4))).toBeUndefined();
  });

  it('works the same over signed and unsigned words.', () => {
    const signed = new Int32Array(4);
    ENTRY.ADDR.set(signed, 0xff_ffff_ffff);
    ENTRY.LAST.set(signed, 1);
    expect(ENTRY.ADDR.get(signed)).toBe(0xff_ffff_ffff);
    expect(ENTRY.LAST.get(signed)).toBe(1);
    expect(ENTRY.ADDR.big(signed)).toBe(0xff_ffff_ffffn);
  });

  it('must fit in two adjacent words.', () => {
    expect(() => new Field('X', bits(64, 1, 'RW', ''))).toThrow('X: bits 64:1 do not fit');
    expect(() => new Field('X', bits(95, 30, 'RW', ''))).toThrow('do not fit');
    expect(() => new Field('X', bits(3, 4, 'RW', ''))).toThrow('do not fit');
    expect(() => new Field('X', bits(94, 31, 'RW', ''))).toThrow('do not fit');
    expect(new Field('X', bits(95, 32, 'RW', '')).width).toBe(64);
  });
});

describe('Any field of any place and width', () => {
  const place = fc
    .tuple(fc.nat(127), fc.integer({ min: 1, max: 64 }))
    .map(([lo, width]) => ({ lo, hi: lo + width - 1 }))
    .filter(({ lo, hi }) => hi <= 127 && (lo & 31) + (hi - lo + 1) <= 64);
  const words = fc.array(fc.nat(0xffff_ffff), { minLength: 4, maxLength: 4 });

  it('agrees with shifting one big number.', () => {
    fc.assert(
      fc.property(place, words, fc.bigInt(0n, 2n ** 64n - 1n), ({ lo, hi }, initial, value) => {
        const field = new Field('X', bits(hi, lo, 'RW', ''));
        const mask = (1n << BigInt(hi - lo + 1)) - 1n;
        const before = big(Uint32Array.from(initial));
        expect(field.big(Uint32Array.from(initial))).toBe((before >> BigInt(lo)) & mask);
        const after = (before & ~(mask << BigInt(lo))) | ((value & mask) << BigInt(lo));
        const written = Uint32Array.from(initial);
        field.setBig(written, value);
        expect(big(written)).toBe(after);
        expect(field.isSet(written)).toBe((value & mask) !== 0n);
        const exact = value & (2n ** 53n - 1n);
        const again = Uint32Array.from(initial);
        field.set(again, Number(exact));
        expect(big(again)).toBe((before & ~(mask << BigInt(lo))) | ((exact & mask) << BigInt(lo)));
        if ((exact & mask) <= 2n ** 53n - 1n) expect(BigInt(field.get(again))).toBe(exact & mask);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('A layout', () => {
  it('gives back what was encoded, field by field.', () => {
    const value = fc.record({
      P: fc.bigInt(0n, 1n),
      KIND: fc.bigInt(0n, 7n),
      ADDR: fc.bigInt(0n, 2n ** 40n - 1n),
      TOP: fc.bigInt(0n, 3n),
      DID: fc.bigInt(0n, 0xffffn),
      ACROSS: fc.bigInt(0n, 2n ** 11n - 1n),
      LAST: fc.bigInt(0n, 1n),
    });
    fc.assert(
      fc.property(value, (fields) => {
        expect(decode(ENTRY, encode(ENTRY, fields))).toEqual(fields);
      }),
    );
  });

  it('lists its fields in ascending order of bits.', () => {
    const mixed = layout('mixed', 32, '', { B: bit(9, 'RW', ''), A: bit(3, 'RW', '') });
    expect(mixed.$.fields.map((field) => field.name)).toEqual(['A', 'B']);
    expect(ENTRY.$).toMatchObject({ name: 'entry', bits: 128, words: 4, reference: 'a test', offset: undefined });
  });

  it('knows the bits that no field declares.', () => {
    expect([...undeclared(ENTRY)]).toEqual([0x0000_0ff0, 0x3ff0_0000, 0x03ff_0000, 0x7fff_ffe0]);
    expect([...undeclared(layout('none', 64, '', {}))]).toEqual([0xffff_ffff, 0xffff_ffff]);
    expect([...undeclared(layout('all', 64, '', { X: bits(63, 0, 'RW', '') }))]).toEqual([0, 0]);
  });

  it('gives the mask of chosen fields, and tests words against it.', () => {
    const mask = maskOf(ENTRY, (field) => field === ENTRY.LAST || field === ENTRY.ADDR);
    expect([...mask]).toEqual([0xffff_f000, 0x000f_ffff, 0, 0x8000_0000]);
    expect(anySet(Uint32Array.of(0xfff, 0xfff0_0000, 1, 0x7fff_ffff), mask)).toBe(false);
    expect(anySet(Uint32Array.of(0, 0, 0, 0x8000_0000), mask)).toBe(true);
    expect(anySet(Uint32Array.of(9, 0, 0, 0, 0x8000_0000), mask, 1)).toBe(true);
  });

  it('refuses fields that overlap or exceed it, and widths that are not whole words.', () => {
    const two = { A: bits(7, 4, 'RW', ''), B: bits(4, 0, 'RW', '') } as const;
    expect(() => layout('L', 32, '', two)).toThrow('L.A: bits 7:4 overlap another field');
    expect(() => layout('L', 32, '', { A: bits(35, 30, 'RW', '') })).toThrow('L.A: bits 35:30 exceed 32 bits');
    expect(() => layout('L', 40, '', {})).toThrow('L: not made of whole words');
    expect(() => register('R', 2, 32, '', {})).toThrow('R: not made of whole words');
  });

  it('of a register addresses the words of its page, and encodes as itself.', () => {
    const STATUS = register('STATUS', 0x34, 64, '', { LOW: bits(7, 0, 'RO', ''), HIGH: bits(63, 60, 'RO', '') });
    const page = new Uint32Array(64);
    STATUS.LOW.set(page, 0xab);
    STATUS.HIGH.set(page, 0xc);
    expect([page[0x34 / 4], page[0x38 / 4]]).toEqual([0xab, 0xc000_0000]);
    expect([...encode(STATUS, { LOW: 0xab, HIGH: 0xc })]).toEqual([0xab, 0xc000_0000]);
    expect(decode(STATUS, Uint32Array.of(0xab, 0xc000_0000))).toEqual({ LOW: 0xabn, HIGH: 0xcn });
    expect(decode(STATUS, page, 0)).toEqual({ LOW: 0xabn, HIGH: 0xcn });
    expect([...undeclared(STATUS)]).toEqual([0xffff_ff00, 0x0fff_ffff]);
  });
});
