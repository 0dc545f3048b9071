/** The studies there are: what `npm run studies` has kept of them is what they give now. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { studies } from '../../bench/studies/index.ts';
import { gridOf, readResults, resultAt, resultsOf, SEED, type Study } from '../../src/study/index.ts';

const file = (name: string): string =>
  fileURLToPath(new URL(`../../bench/studies/results/${name}.jsonl`, import.meta.url));

/** Points that are run again: as far apart as a grid is wide. */
const SAMPLES = 2;

describe.each(studies.map((study) => [study.name, study] as const))('The study %s', (name, study: Study) => {
  const points = gridOf(study);

  it('has a name, a question and plots of what it finds', () => {
    expect(name).toMatch(/^[a-z][a-z-]*$/);
    expect(study.question).toMatch(/^[A-Z].*\?$/);
    expect(study.setUp).toMatch(/^[A-Z][\s\S]*\.$/);
    expect(study.plots.length).toBeGreaterThan(0);
  });

  it('gives at some points of its grid what was kept of it: npm run studies', () => {
    expect(existsSync(file(name))).toBe(true);
    const kept = resultsOf(study, points, SEED, readResults(readFileSync(file(name), 'utf8'), name));
    expect(kept).toHaveLength(points.length);
    for (let i = 0; i < SAMPLES; i++) {
      const at = Math.floor(((points.length - 1) * i) / (SAMPLES - 1));
      expect(resultAt(study, points[at]!, SEED)).toEqual(kept[at]);
    }
  });
});
