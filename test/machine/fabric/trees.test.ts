/** Whole fabrics at work: trees of any shape, links of any kind, everybody speaking at once. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUSY, FAULTS, SMALL } from './faults.ts';
import { ANY, fabrics, OPEN } from './plans.ts';
import { everyRunIsClean } from './property.ts';
import { runFabric } from './run.ts';
import { traffic } from './traffic.ts';

describe('Any mix of TLPs in any tree of ports, switches and bridges', () => {
  it('keeps to order and credits, loses, repeats and mixes up nothing, and comes to an end, where every way is open', () => {
    everyRunIsClean(OPEN, false, { numRuns: 50 });
  });

  it('does so and is refused where access control says so, whatever its settings', () => {
    everyRunIsClean(ANY, true, { numRuns: 50 });
  });

  it('leaves the same trace and the same memory each time', () => {
    fc.assert(
      fc.property(fabrics(ANY), traffic(true), (plan, traffic) => {
        expect(runFabric(plan, traffic)).toEqual(runFabric(plan, traffic));
      }),
      { numRuns: 10 },
    );
  });
});

describe('A fabric that', () => {
  it('is whole is not complained of', () => {
    expect(runFabric(SMALL, BUSY).complaints).toEqual([]);
  });

  it.each(FAULTS)('%s is found out', (_what, sabotage, complaint) => {
    expect(runFabric(SMALL, BUSY, sabotage).complaints.join('\n')).toMatch(complaint);
  });
});
