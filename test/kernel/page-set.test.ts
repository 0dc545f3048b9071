/** Sets of pages, against a set of numbers. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PageSet } from '../../src/kernel/ioasid/page-set.ts';

const PAGES = 24;
const RUN = fc.record({ first: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 8 }) });
const STEPS = fc.array(fc.tuple(fc.boolean(), RUN), { maxLength: 30 });

it('A set has what was added and not removed since, in runs as long as they can be', () => {
  fc.assert(
    fc.property(STEPS, RUN, (steps, asked) => {
      const set = new PageSet();
      const twin = new Set<number>();
      for (const [adds, run] of steps) {
        if (adds) set.add(run);
        else set.remove(run);
        for (let page = run.first; page < run.first + run.pages; page++) {
          if (adds) twin.add(page);
          else twin.delete(page);
        }
      }
      const pages = Array.from({ length: asked.pages }, (_, i) => asked.first + i).filter((page) => twin.has(page));
      const runs = set.within(asked);
      expect(runs.flatMap(({ first, pages: count }) => Array.from({ length: count }, (_, i) => first + i))).toEqual(
        pages,
      );
      const gaps = runs.slice(1).map(({ first }, i) => first - runs[i]!.first - runs[i]!.pages);
      expect(gaps.every((gap) => gap > 0)).toBe(true);
    }),
  );
});

it('Runs that touch are one, and a range tells only its own part of it', () => {
  const set = new PageSet();
  for (const first of [4, 6, 5, 9]) set.add({ first, pages: 1 });
  expect(set.within({ first: 0, pages: 100 })).toEqual([
    { first: 4, pages: 3 },
    { first: 9, pages: 1 },
  ]);
  set.remove({ first: 5, pages: 1 });
  expect(set.within({ first: 0, pages: 9 })).toEqual([
    { first: 4, pages: 1 },
    { first: 6, pages: 1 },
  ]);
  set.add({ first: 0, pages: 2 ** 40 });
  expect(set.within({ first: 7, pages: 2 })).toEqual([{ first: 7, pages: 2 }]);
});
