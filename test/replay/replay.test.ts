import { describe, expect, it } from 'vitest';
import type { Corpus } from '../../src/cli/replay/corpus.ts';
import { replayCommand } from '../../src/cli/replay/index.ts';
import type { Tally } from '../../src/cli/replay/report.ts';
import { full, fullFile, hasFullRecordings, slice, sliceFile, type Vendor, WHY_SKIPPED } from './recordings.ts';

async function replay(...files: string[]) {
  const lines: string[] = [];
  const complaints: string[] = [];
  const exitCode = await replayCommand(files, {
    json: true,
    print: (line) => lines.push(line),
    complain: (line) => complaints.push(line),
  });
  return { exitCode, complaints, tallies: lines.map((line) => JSON.parse(line) as Tally) };
}

const sum = ({ agree, stale, deviation, contested, notSupported, fail }: Tally) =>
  agree + stale + deviation + contested + notSupported + fail;

/** DMAs of the profiles whose mode exists. */
const legacyDmas = (corpus: Corpus) =>
  corpus.cases
    .filter(({ profile }) => profile.startsWith('legacy'))
    .flatMap(({ steps }) => steps.filter(({ op }) => op === 'dma')).length;

async function expectCleanReplay(file: string, corpus: Corpus) {
  const { exitCode, complaints, tallies } = await replay(file);
  expect(complaints).toEqual([]);
  expect(exitCode).toBe(0);
  const [tally] = tallies;
  expect(tally).toMatchObject({ file, cases: corpus.cases.length, fail: 0 });
  expect(sum(tally!)).toBe(tally!.dmas);
  expect(tally!.dmas - tally!.notSupported).toBeGreaterThanOrEqual(legacyDmas(corpus));
}

const VENDORS: Vendor[] = ['intel', 'amd'];

describe('ioasim replay', () => {
  it.each(VENDORS)('replays the slice of %s: no failure, and every legacy case supported', async (vendor) => {
    await expectCleanReplay(sliceFile(vendor), slice(vendor));
  });

  it.for(VENDORS)('replays the full recording of %s likewise', { timeout: 120_000 }, async (vendor, { skip }) => {
    skip(!hasFullRecordings, WHY_SKIPPED);
    await expectCleanReplay(fullFile(vendor), full(vendor));
  });
});
