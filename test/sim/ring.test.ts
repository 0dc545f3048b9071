import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ring } from '../../hardware/sim/index.ts';

const step = fc.oneof(
  { weight: 12, arbitrary: fc.constant('push' as const) },
  { weight: 8, arbitrary: fc.constant('shift' as const) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
);

describe('A ring', () => {
  it('is a queue, after any pushes and shifts, however many it has held.', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const ring = new Ring<number>();
        const queue: number[] = [];
        for (const [n, one] of steps.entries()) {
          if (one === 'push') {
            ring.push(n);
            queue.push(n);
          } else if (one === 'clear') {
            ring.clear();
            queue.length = 0;
          } else if (queue.length > 0) expect(ring.shift()).toBe(queue.shift());
          expect([ring.length, ring.first]).toEqual([queue.length, queue[0]]);
          expect(queue.map((_, i) => ring.at(i))).toEqual(queue);
        }
      }),
      { numRuns: 100 },
    );
  });
});
