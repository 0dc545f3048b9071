/** The link to the device, one event for each completion, against a link clock that is asked in the order in which memory answers. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Downstream } from '../../hardware/path/downstream.ts';
import { PathEvents } from '../../hardware/path/events.ts';
import { completionBytes } from '../../hardware/path/figures.ts';
import { MILESTONES, Milestone, Shares } from '../../hardware/path/milestones.ts';
import { Transaction } from '../../hardware/path/transaction.ts';
import { linkRate } from '../../hardware/pcie/index.ts';
import { type Duration, Engine, type Instant, LinkClock, ns } from '../../hardware/sim/index.ts';

const RATE = linkRate(3, 8, 'measured');
const LATENCY = ns(100);

/** Asked for `gap` after the one before it, in memory for `delay`. */
interface Answer {
  readonly gap: number;
  readonly delay: number;
  readonly data: number;
}

const answers = fc.array(
  fc.record({ gap: fc.nat(20_000), delay: fc.nat(60_000), data: fc.constantFrom(0, 4, 64, 256) }),
  { minLength: 1, maxLength: 40 },
);

/** When each completion arrives, and the shares at the end. */
function simulate(all: readonly Answer[]): { arrivals: number[]; shares: Shares } {
  const engine = new Engine();
  const shares = new Shares();
  const arrivals: number[] = [];
  const events: PathEvents = new PathEvents(engine, (_, index) => down.carry(index));
  const down = new Downstream(events, RATE, LATENCY, shares, ({ index }) => {
    arrivals[index] = engine.now;
  });
  const ask = {
    handle(index: number): void {
      const { delay, data } = all[index]!;
      const transaction = new Transaction(index);
      transaction.begin(engine, 0);
      down.answer(transaction, data, data, delay as Duration);
      const next = all[index + 1];
      if (next !== undefined) engine.schedule(next.gap as Duration, ask, index + 1);
    },
  };
  ask.handle(0);
  engine.run();
  return { arrivals, shares };
}

/** The same, sorted by when memory has it. */
function twin(all: readonly Answer[]): number[] {
  const clock = new LinkClock(RATE);
  const arrivals: number[] = [];
  let asked = 0;
  const fetched = all.map(({ gap, delay }, i) => {
    asked += i === 0 ? 0 : gap;
    return { i, at: asked + delay };
  });
  for (const { i, at } of fetched.sort((a, b) => a.at - b.at || a.i - b.i)) {
    arrivals[i] = clock.reserve(at as Instant, completionBytes(all[i]!.data)) + LATENCY;
  }
  return arrivals;
}

describe('The link to the device', () => {
  it('carries completions in the order in which memory has them, each at its exact instant.', () => {
    fc.assert(
      fc.property(answers, (all) => {
        expect(simulate(all).arrivals).toEqual(twin(all));
      }),
    );
  });

  it('gives memory what passes until memory has it, and itself the rest.', () => {
    fc.assert(
      fc.property(answers, (all) => {
        const { arrivals, shares } = simulate(all);
        const memory = all.reduce((sum, { delay }) => sum + delay, 0);
        let asked = 0;
        const whole = all.reduce((sum, { gap }, i) => {
          asked += i === 0 ? 0 : gap;
          return sum + arrivals[i]! - asked;
        }, 0);
        const expected = MILESTONES.map(() => 0);
        expected[Milestone.MEMORY] = memory;
        expected[Milestone.LINK_DOWN] = whole - memory;
        expect([...shares.sums]).toEqual(expected);
      }),
    );
  });
});
