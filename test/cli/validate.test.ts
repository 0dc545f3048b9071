import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishedFiles } from '../../src/cli/published-files.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { validateCommand } from '../../src/cli/validate-command.ts';
import { ioasim } from './capture.ts';

let folder: string;
const file = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-validate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (size: number, value: number) => ({
  id: `model.gen3x8.${size}B.MWr`,
  group: 'pcie-model',
  conditions: 'Gen3 x8 MPS256 MRRS512 RCB64 64-bit addr, no ECRC',
  quantity: 'effective MWr payload bandwidth (model)',
  value,
  unit: 'Gb/s',
  suggested_tol_pct: 0.1,
});
const POINTS = [
  write(64, 42.1),
  { ...write(128, 48.75), suggested_tol_pct: undefined },
  { id: 'lfb', group: 'host', conditions: '', quantity: 'LFB credits', value: [10, 12], unit: 'cachelines' },
  { id: 'about', group: 'host', conditions: '', quantity: 'use', value: '~100', unit: '%' },
];

describe('ioasim validate', () => {
  it('prints published, simulated and error of each point, then coverage and mean of each group', async () => {
    const { code, out, err } = await ioasim('validate', file('points.json', POINTS));
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['model.gen3x8.64B.MWr', '42.1', '42.1', 'Gb/s', '0.00 %', 'ok'],
      ['model.gen3x8.128B.MWr', '48.75', '48.75', 'Gb/s', '0.00 %', 'compared'],
      ['lfb', '10..12', '-', 'cachelines', 'no-model'],
      ['about', '~100', '-', '%', 'not-numeric'],
      ['pcie-model: 2 of 2 points simulated (100 %), mean error 0.00 %, largest 0.00 %, 0 off.'],
      ['host: 0 of 1 points simulated (0 %).'],
      ['all of bandwidth: 2 of 2 points simulated (100 %), mean error 0.00 %, largest 0.00 %, 0 off.'],
      ['all of other: 0 of 1 points simulated (0 %).'],
    ]);
  });

  it('says at the end of the line why a point has no model, where that is known', async () => {
    const quantity = 'throughput vs baseline strict IOMMU';
    const points = [{ id: 'max', group: 'riommu', conditions: 'netperf', quantity, value: 7.56, unit: 'x' }];
    const { out } = await ioasim('validate', file('reasoned.json', points));
    expect(out.split('\n')[0]!.split(/ {2,}/).at(-1)).toMatch(/^no-model: It compares the throughput of netperf/);
  });

  it('prints one JSON object per point and one per group', async () => {
    const { code, out } = await ioasim('validate', '--json', file('points.json', POINTS));
    expect(code).toBe(0);
    const none = { simulated: null, errorPct: null };
    const host = { points: 2, counted: 1, simulated: 0, coveragePct: 0, meanErrorPct: null, maxErrorPct: null, off: 0 };
    expect(out.split('\n').map((line) => JSON.parse(line))).toEqual([
      {
        id: 'model.gen3x8.64B.MWr',
        group: 'pcie-model',
        kind: 'bandwidth',
        published: 42.1,
        simulated: 42.1,
        errorPct: 0,
        status: 'ok',
      },
      expect.objectContaining({ simulated: 48.75, status: 'compared' }),
      { id: 'lfb', group: 'host', kind: 'other', published: [10, 12], ...none, status: 'no-model' },
      { id: 'about', group: 'host', kind: 'other', published: '~100', ...none, status: 'not-numeric' },
      {
        group: 'pcie-model',
        points: 2,
        counted: 2,
        simulated: 2,
        coveragePct: 100,
        meanErrorPct: 0,
        maxErrorPct: 0,
        off: 0,
      },
      { group: 'host', ...host },
      expect.objectContaining({ kind: 'bandwidth', points: 2, simulated: 2, meanErrorPct: 0 }),
      { kind: 'other', ...host },
    ]);
  });

  it('takes several files, and one group of them', async () => {
    const [one, other] = [file('one.json', POINTS), file('other.json', [write(256, 52.92)])];
    const { code, out } = await ioasim('validate', '--group', 'pcie-model', one, other);
    expect(code).toBe(0);
    expect(out).toMatch(/^model\.gen3x8\.256B\.MWr +52\.92 +52\.92 /m);
    expect(out).toMatch(/^pcie-model: 3 of 3 points simulated \(100 %\)/m);
    expect(out).not.toContain('host');
  });

  it('ends with 1 when a point is beyond its tolerance, and says so in its help', async () => {
    const { code, out } = await ioasim('validate', file('wrong.json', [write(64, 42.2)]));
    expect(code).toBe(1);
    expect(out).toMatch(/ 42\.2 +42\.1 +Gb\/s +-0\.24 % +off$/m);
    expect(out).toMatch(/largest 0\.24 %, 1 off\.$/);
    expect((await ioasim('validate', '--help')).out).toContain('Exit code: 1 when a point is off');
  });

  it.skipIf(publishedFiles().length === 0)('takes the files beside a working copy when none is named', async () => {
    const { out } = await ioasim('validate', '--group', 'pcie-model');
    expect(out).toMatch(/^pcie-model: 31 of 31 points simulated \(100 %\)/m);
  });

  it('says so when there are none', async () => {
    const files = publishedFiles(pathToFileURL(`${folder}/package/`));
    expect(files).toEqual([]);
    const command = validateCommand({} as Terminal, () => {}, files);
    await expect(command.exitOverride().parseAsync([], { from: 'user' })).rejects.toThrow(
      'There is nothing to validate against; name a file with a list of published points.',
    );
  });

  it.each<[string, () => string[], RegExp]>([
    ['a file that is not there', () => [join(folder, 'none.json')], /^There is no file ".*none\.json"\.$/],
    ['a folder', () => [folder], /^".*" cannot be read \(EISDIR\)\.$/],
    ['a file that is not JSON', () => [file('text.json', 'hello')], /^".*text\.json" is not JSON: .*\.$/],
    [
      'a file that is no list',
      () => [file('object.json', {})],
      /^".*object\.json" is not a list of published points\.$/,
    ],
    [
      'a point without a field',
      () => [file('half.json', [{ id: 'a', group: 'g' }])],
      /^".*half\.json": point 1 \(a\): expected the field "conditions" to be a text, and there is none\.$/,
    ],
    [
      'a group that is not there',
      () => ['--group', 'pcie', file('points.json', POINTS)],
      /^There is no group "pcie" in ".*points\.json"; did you mean "pcie-model"\?$/,
    ],
    ['an unknown option', () => ['--jsn'], /^There is no option "--jsn"; did you mean "--json"\?$/],
  ])('answers %s by one sentence', async (_, args, message) => {
    const { code, out, err } = await ioasim('validate', ...args());
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });
});
