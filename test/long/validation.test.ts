/** All published points that a working copy has beside it. */
import { describe, expect, it } from 'vitest';
import { publishedFiles, publishedPoints } from '../../src/cli/published-files.ts';
import { summarize, summarizeKinds, validatePoint } from '../../src/machine/index.ts';

const files = publishedFiles();

describe.skipIf(files.length === 0)('Published points', () => {
  const verdictsOf = (name: string) =>
    publishedPoints(files.filter((file) => file.includes(name))).map((point) => validatePoint(point));
  const validation = verdictsOf('validation');
  const calibration = verdictsOf('calibration');

  it('that were looked at for calibration are met within 5 % in every group, all but a tenth of them', () => {
    const groups = summarize(calibration);
    expect(groups.length).toBeGreaterThan(0);
    for (const group of groups) {
      expect(group, group.group).toSatisfy((one: typeof group) => one.coveragePct! >= 90 && one.meanErrorPct! <= 5);
    }
  });

  it.each(['bandwidth', 'latency'])('that were not are met within 10 %: %s', (kind) => {
    expect(summarizeKinds(validation).find((one) => one.kind === kind)!.meanErrorPct).toBeLessThanOrEqual(10);
  });

  it('that are off, or far, or without a model say why', () => {
    const silent = [...calibration, ...validation].filter(
      ({ status, errorPct, reason }) =>
        reason === undefined && (['off', 'no-model'].includes(status) || Math.abs(errorPct ?? 0) > 10),
    );
    expect(silent.map(({ id }) => id)).toEqual([]);
  });
});
