/** What both ways of invalidating have in common: a descriptor and a register remove exactly the same. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Descriptor } from './descriptors.ts';
import { type Bench, REG } from './tables.ts';

interface Kind<Invalidation, Entry> {
  readonly invalidations: fc.Arbitrary<Invalidation>;
  /** A bench whose cache holds every entry, with nothing in memory behind it. */
  filled(): Bench;
  descriptorOf(invalidation: Invalidation): Descriptor;
  /** Invalidates in accesses of `size` bytes and gives the granularity that the register reports. */
  byRegister(bench: Bench, invalidation: Invalidation, size: 4 | 8): number;
  /** The entries that are still there, and those that should be. */
  standing(bench: Bench): readonly Entry[];
  remaining(invalidation: Invalidation): readonly Entry[];
  readonly runs: { readonly descriptor: number; readonly register: number };
}

export function removesExactly<Invalidation extends { readonly granularity: number }, Entry>(
  what: string,
  kind: Kind<Invalidation, Entry>,
): void {
  const { invalidations, filled, descriptorOf, byRegister, standing, remaining, runs } = kind;

  it(`by a descriptor removes exactly what ${what}.`, () => {
    fc.assert(
      fc.property(invalidations, (invalidation) => {
        const bench = filled().enableQueue();
        bench.submit(descriptorOf(invalidation));
        expect(bench.get(REG.IQH)).toBe(0x10n);
        expect(standing(bench)).toEqual(remaining(invalidation));
      }),
      { numRuns: runs.descriptor },
    );
  });

  it('by register removes the same, and reports the granularity that was asked for.', () => {
    fc.assert(
      fc.property(invalidations, fc.constantFrom<4 | 8>(4, 8), (invalidation, size) => {
        const bench = filled();
        expect(byRegister(bench, invalidation, size)).toBe(invalidation.granularity);
        expect(standing(bench)).toEqual(remaining(invalidation));
      }),
      { numRuns: runs.register },
    );
  });
}
