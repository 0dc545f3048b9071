import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { studies } from '../../bench/studies/index.ts';
import { optional } from '../../src/cli/optional.ts';
import { loadPlotting } from '../../src/cli/plotting.ts';
import { Progress } from '../../src/cli/progress.ts';
import { studyCommand } from '../../src/cli/study/index.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { ioasim } from './capture.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-study-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const SMALL = ['kind=read', 'translation=off,4K', 'bytes=64', 'window=4K,64K', 'transfers=200'];
const small = SMALL.flatMap((change) => ['--set', change]);

describe('ioasim study', () => {
  it('lists the studies with their questions and parameters', async () => {
    const { code, out } = await ioasim('study');
    expect(code).toBe(0);
    for (const { name, question, parameters } of studies) {
      expect(out).toContain(`${name.padEnd(Math.max(...studies.map((one) => one.name.length)))}  ${question}`);
      for (const parameter of Object.keys(parameters)) expect(out).toContain(`    ${parameter}`);
    }
  });

  it('prints a table, and writes it as values, as lines of JSON, as a picture and as a page', async () => {
    const files = ['csv', 'jsonl', 'svg', 'html'].flatMap((kind) => [`--${kind}`, join(folder, `w.${kind}`)]);
    const { code, out, err } = await ioasim('study', 'window', ...small, ...files);
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toBe(studies.find(({ name }) => name === 'window')!.question);
    expect(lines[1]).toContain('machine bdw');
    expect(lines).toHaveLength(3 + 4);
    expect(lines[2]).toMatch(/^translation +window +bandwidth \(Gb\/s\)/);
    const csv = read('w.csv').trimEnd().split('\n');
    expect(csv[0]).toBe('machine,translation,kind,bytes,window,cache,transfers,seed,bandwidth,hits,mean,median,p95');
    expect(csv).toHaveLength(1 + 4);
    expect(csv[1]).toMatch(/^bdw,off,read,64,4096,warm,200,1,[\d.]+,,[\d.]+,[\d.]+,[\d.]+$/);
    const json = read('w.jsonl').trimEnd().split('\n');
    expect(json.map((line) => JSON.parse(line).point.window)).toEqual([4096, 65_536, 4096, 65_536]);
    expect(read('w.svg')).toMatch(/^<svg[\s\S]*One read at a time[\s\S]*<\/svg>\n$/);
    expect(read('w.html')).toContain(read('w.svg').trimEnd());
  });

  it('gives the same for the same seed, and shows results without running again', async () => {
    const again = await ioasim('study', 'window', ...small, '--jsonl', join(folder, 'again.jsonl'));
    expect(read('again.jsonl')).toBe(read('w.jsonl'));
    const shown = await ioasim('study', 'window', ...small, '--from', join(folder, 'w.jsonl'));
    expect(shown).toEqual(again);
  });

  it('writes anew the file that it shows results of, and leaves it alone when something is wrong', async () => {
    const kept = join(folder, 'kept.jsonl');
    await ioasim('study', 'window', ...small, '--jsonl', kept);
    const before = readFileSync(kept, 'utf8');
    expect(before).not.toBe('');
    for (const wrong of [
      ['--set', 'bites=64'],
      ['--seed', 'x'],
      ['--seed', '2', '--from', kept],
    ]) {
      expect((await ioasim('study', 'window', ...small, ...wrong, '--jsonl', kept)).code).toBe(2);
      expect(readFileSync(kept, 'utf8')).toBe(before);
    }
    expect((await ioasim('study', 'window', ...small, '--from', kept, '--jsonl', kept)).code).toBe(0);
    expect(readFileSync(kept, 'utf8')).toBe(before);
  });

  it('says how many points are missing in the results that it shows', async () => {
    const more = await ioasim(
      'study',
      'window',
      ...small,
      '--set',
      'cache=warm,cold',
      '--from',
      join(folder, 'w.jsonl'),
    );
    expect(more.err).toContain('4 of 8 points of the grid are not in');
    const none = await ioasim('study', 'window', ...small, '--seed', '2', '--from', join(folder, 'w.jsonl'));
    expect(none.code).toBe(2);
    expect(none.err).toContain('There are no results to show.');
  });

  it.each([
    [['windov'], 'There is no study "windov"; did you mean "window"?'],
    [['window', '--set', 'window=1K'], 'parameter "window" is a whole number from 4096 to 67108864, and not 1024.'],
    [['--csv', 'x.csv'], '--csv is about one study: name it.'],
    [['window', '--seed', 'x'], '--seed takes a whole number from 0 to 9007199254740991, not "x".'],
  ])('%j: one sentence', async (args, sentence) => {
    const { code, err } = await ioasim('study', ...args);
    expect(code).toBe(2);
    expect(err).toContain(sentence);
  });
});

describe('Without the plotting library', () => {
  const missing = async (): Promise<never> => {
    throw Object.assign(new Error("Cannot find package 'vega' imported from x"), { code: 'ERR_MODULE_NOT_FOUND' });
  };

  it('a plot is refused in one sentence before anything runs, and a table is not', async () => {
    const out: string[] = [];
    const terminal: Terminal = { out: (line) => out.push(line), err: () => {}, pause: async () => {}, close: () => {} };
    const run = (...args: string[]): Promise<unknown> =>
      studyCommand(studies, terminal, () => loadPlotting(missing)).parseAsync(args, { from: 'user' });
    await expect(run('window', ...small, '--svg', join(folder, 'no.svg'))).rejects.toThrow(
      'A plot needs the package "vega", which is not installed: npm install vega.',
    );
    expect(out).toEqual([]);
    await run('window', ...small);
    expect(out).toHaveLength(7);
  });

  it('another failure of the library is not taken for its absence', async () => {
    const broken = async (): Promise<never> => {
      throw new Error('broken');
    };
    await expect(optional('vega', 'A plot', broken)).rejects.toThrow('broken');
  });
});

describe('The progress of a study', () => {
  it('says how much is done and how much time is left', () => {
    const lines: (string | null)[] = [];
    let now = 0;
    const progress = new Progress(
      4,
      (line) => lines.push(line),
      () => now,
    );
    for (now = 30_000; now <= 120_000; now += 30_000) progress.step();
    progress.end();
    expect(lines).toEqual([
      '[#######                       ] 1 of 4, 1 min 30 s left',
      '[###############               ] 2 of 4, 1 min 0 s left',
      '[######################        ] 3 of 4, 30 s left',
      '[##############################] 4 of 4, 0 s left',
      null,
    ]);
  });
});
