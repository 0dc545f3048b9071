/** Interrupts that no device sends, through tables that no driver writes: nothing throws, hangs or grows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEVICE, InterruptBench, IOMMU_EN, REMAPS } from './interrupt-bench.ts';

const word64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.nat(63).map((n) => 1n << BigInt(n)),
);
const control = fc.bigInt(0n, 2n ** 64n - 1n).map((bits) => bits | IOMMU_EN);
const dte = fc.oneof(
  word64,
  fc.bigInt(0n, 0xffn).map((bits) => REMAPS ^ bits),
);

describe('The interrupt remapper', () => {
  it('takes any message through any tables, with a bounded number of accesses, and keeps no more than its cache has.', () => {
    fc.assert(
      fc.property(control, dte, word64, word64, fc.nat(0xffff), fc.nat(0xf_ffff), (bits, third, lo, hi, data, low) => {
        const bench = new InterruptBench(bits, { hasCache: true }).device(third);
        for (const index of [data & 0x7ff, data & 0x1ff]) bench.irte(index, lo, hi);
        for (let i = 0; i < 3; i++) {
          bench.send(data, 0xfee0_0000 + low, DEVICE);
          expect(bench.accesses).toBeLessThan(10);
        }
        expect(bench.remapper.cache!.entries().length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
