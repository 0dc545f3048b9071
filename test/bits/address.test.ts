import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressOf,
  hex,
  highHalf,
  highOf,
  joinHalves,
  lowHalf,
  lowOf,
  numberOf,
  pageOf,
} from '../../hardware/bits/index.ts';

describe('An address', () => {
  it('of 64 bits is a page number of 52 bits and an offset.', () => {
    expect(pageOf(0xffff_ffff_ffff_ffffn)).toBe(2 ** 52 - 1);
    expect(addressOf(2 ** 52 - 1, 0xfff)).toBe(0xffff_ffff_ffff_ffffn);
    expect(pageOf(0xfffn)).toBe(0);
    expect(addressOf(1)).toBe(0x1000n);
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (address) => {
        expect(addressOf(pageOf(address), Number(address & 0xfffn))).toBe(address);
      }),
    );
  });

  it('of 64 bits is two int32 halves and back.', () => {
    expect([highOf(0xffff_ffff_8000_0000n), lowOf(0xffff_ffff_8000_0000n)]).toEqual([-1, -(2 ** 31)]);
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (address) => {
        const [hi, lo] = [highOf(address), lowOf(address)];
        expect(hi | 0).toBe(hi);
        expect(lo | 0).toBe(lo);
        expect(joinHalves(hi, lo)).toBe(address);
      }),
    );
  });

  it('of 53 bits is an exact number, its two halves, and back.', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (address) => {
        expect(numberOf(highHalf(address), lowHalf(address))).toBe(address);
        expect(joinHalves(highHalf(address), lowHalf(address))).toBe(BigInt(address));
      }),
    );
    expect(numberOf(highHalf(2 ** 52 - 1), lowHalf(2 ** 52 - 1))).toBe(2 ** 52 - 1);
  });

  it('is printed in hexadecimal, with leading zeros as asked.', () => {
    expect([hex(255), hex(0n), hex(0x1000n, 8), hex(2 ** 52)]).toEqual([
      '0xff',
      '0x0',
      '0x00001000',
      '0x10000000000000',
    ]);
  });
});
