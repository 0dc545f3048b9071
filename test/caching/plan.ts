/** Random sequences as fast-check draws and shrinks them. */
import fc from 'fast-check';
import type { Choices } from './sequence.ts';

/** A sequence, before it meets a unit. */
export interface Plan {
  readonly steps: readonly Choices[];
  /** Of the unit, its tables and what stands in them. */
  readonly stand: Choices;
}

const MOST_STEPS = 80;
/** More than any step or stand takes. */
const MOST_CHOICES = 2 ** 13;

/** Choices that are all free, and become plainer by leaving fewer of them free. */
class ChoicesArbitrary extends fc.Arbitrary<Choices> {
  generate(random: fc.Random): fc.Value<Choices> {
    return new fc.Value({ seed: random.nextInt(), free: MOST_CHOICES }, undefined);
  }

  canShrinkWithoutContext(_: unknown): _ is Choices {
    return false;
  }

  shrink({ seed, free }: Choices): fc.Stream<fc.Value<Choices>> {
    const fewer =
      free === MOST_CHOICES ? [0, ...powersBelow(free)] : [...powersBelow(free)].map((n) => free - n).sort(ascending);
    return fc.stream(fewer.map((n) => new fc.Value({ seed, free: n }, undefined))[Symbol.iterator]());
  }
}

const ascending = (a: number, b: number): number => a - b;

function powersBelow(limit: number): number[] {
  const powers: number[] = [];
  for (let n = 1; n <= limit; n *= 2) powers.push(n);
  return powers;
}

/** Without bias: short and special sequences show little. */
export const plans: fc.Arbitrary<Plan> = fc.noBias(
  fc.record({
    steps: fc.array(new ChoicesArbitrary(), { maxLength: MOST_STEPS, size: 'max' }),
    stand: new ChoicesArbitrary(),
  }),
);

/** The sequence of a number. */
export function planOf(seed: number): Plan {
  return fc.sample(plans, { seed, numRuns: 1 })[0]!;
}

/** The smallest sequence that fails, of those that are found in `count`; `null` when none does. */
export function smallestFailure(seed: number, count: number, fails: (plan: Plan) => boolean): Plan | null {
  const { counterexample } = fc.check(
    fc.property(plans, (plan) => !fails(plan)),
    { seed, numRuns: count },
  );
  return counterexample?.[0] ?? null;
}
