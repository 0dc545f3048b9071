/** The property of whole fabrics, for as many runs as somebody has time for. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type AcsPlan, type FabricPlan, fabrics } from './plans.ts';
import { runFabric } from './run.ts';
import { type Traffic, traffic } from './traffic.ts';

type Effort = fc.Parameters<[FabricPlan, Traffic]>;

/** `translated`: some requests carry translated addresses. */
export function everyRunIsClean(acs: fc.Arbitrary<AcsPlan>, translated: boolean, effort: Effort): void {
  fc.assert(
    fc.property(fabrics(acs), traffic(translated), (plan, traffic) => {
      expect(runFabric(plan, traffic).complaints).toEqual([]);
    }),
    effort,
  );
}
