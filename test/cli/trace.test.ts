/** `--trace` and its options, `--where`, `--counters` and `ioasim path`, as a user meets them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readChrome } from '../recorder/chrome-reader.ts';
import { readVcd } from '../recorder/vcd-reader.ts';
import { ioasim } from './capture.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const textOf = (name: string): string => readFileSync(at(name), 'utf8');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-trace-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trace = (name: string, ...more: string[]) =>
  ioasim('run', '01-first-dma', '--quiet', '--trace', at(name), ...more);

describe('ioasim run --trace', () => {
  it('writes what the extension of the file says.', async () => {
    for (const name of ['t.txt', 't.jsonl', 't.json', 't.vcd']) {
      expect(await trace(name)).toMatchObject({ code: 0, err: '' });
    }
    const text = textOf('t.txt').trimEnd().split('\n');
    const json = textOf('t.jsonl').trimEnd().split('\n');
    expect(text[0]).toBe('# 01-first-dma on intel-legacy');
    expect(JSON.parse(json[0]!)).toEqual({ scenario: '01-first-dma', machine: 'intel-legacy' });
    expect(json.every((line) => typeof JSON.parse(line) === 'object')).toBe(true);
    // The same events; tasks beside them.
    const events = json.slice(1).filter((line) => !/^{"kind":"(?:task|wait|end|count)"/.test(line));
    expect(events).toHaveLength(text.length - 1);
    expect(readChrome(textOf('t.json')).slices.length).toBeGreaterThan(500);
    expect(readVcd(textOf('t.vcd')).signals.size).toBeGreaterThan(20);
  });

  it('writes another format when it is told to.', async () => {
    await trace('mine.trace', '--trace-format', 'chrome');
    expect(readChrome(textOf('mine.trace')).slices.length).toBeGreaterThan(500);
  });

  it('writes several runs one after the other.', async () => {
    await ioasim('run', '01-first-dma', '02-stale-iotlb', '--quiet', '--trace', at('two.json'));
    const { slices } = readChrome(textOf('two.json'));
    expect(slices.filter(({ name }) => name === 'run').map(({ process }) => process)).toEqual([
      'program',
      expect.stringMatching(/^program \(02-stale-iotlb on /),
    ]);
  });

  it('writes only what is asked for.', async () => {
    const window = ['--trace-from', '45.9us', '--trace-until', '46.9 us'];
    const kinds = ['--trace-kind', 'miss', '--trace-kind', 'read', '--trace-who', 'iommu0'];
    expect(await trace('few.jsonl', ...window, ...kinds)).toMatchObject({ code: 0, err: '' });
    const [, ...lines] = textOf('few.jsonl').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { kind: string }).kind)).toEqual([
      'miss',
      ...Array(6).fill('read'),
    ]);
  });

  it('ends at its limit, which is said, and what was run counts all the same.', async () => {
    const { code, err } = await trace('short.json', '--trace-limit', '20kB');
    expect(code).toBe(0);
    expect(err).toMatch(
      /^The trace ends at \d+\.\d{6} us of 01-first-dma: ".*short\.json" has come to its limit of 20000 bytes \(--trace-limit\)\.$/,
    );
    expect(statSync(at('short.json')).size).toBeLessThan(25_000);
    expect(readChrome(textOf('short.json')).slices.length).toBeGreaterThan(5);
  });
});

describe('ioasim, asked for a trace that there cannot be', () => {
  it.each([
    [['--trace-kind', 'hit'], '--trace-kind says something of a trace, and there is none without --trace <file>.'],
    [['--trace', 'x.json', '--trace-format', 'chrom'], 'There is no trace format "chrom"; did you mean "chrome"?'],
    [['--trace', 'x.json', '--trace-kind', 'mis'], '--trace-kind: there is no kind "mis"; did you mean "miss"?'],
    [
      ['--trace', 'x.json', '--trace-from', '12'],
      '--trace-from takes a time with its unit (ps, ns, us or ms) such as 12.5us, not "12".',
    ],
    [
      ['--trace', 'x.json', '--trace-from', '2us', '--trace-until', '1us'],
      '--trace-from 2us is later than --trace-until 1us.',
    ],
    [
      ['--trace', 'x.json', '--trace-limit', 'much'],
      '--trace-limit takes a number of bytes such as 500kB, 100MB or 1GB, not "much".',
    ],
  ])('%j: one sentence.', async (options, sentence) => {
    expect(await ioasim('run', '01-first-dma', ...options)).toMatchObject({ code: 2, out: '', err: sentence });
  });

  it('says who there is when nothing happened at who was named.', async () => {
    const { code, err } = await trace('none.json', '--trace-who', 'iommu9');
    expect([code, err]).toEqual([2, '--trace-who: nothing happened at "iommu9"; did you mean "iommu0"?']);
  });

  it('says that waveforms are of one run, before any.', async () => {
    const { code, out, err } = await ioasim(
      'run',
      '01-first-dma',
      '02-stale-iotlb',
      '--quiet',
      '--trace',
      at('two.vcd'),
    );
    expect([code, out]).toEqual([2, '']);
    expect(existsSync(at('two.vcd'))).toBe(false);
    expect(err).toMatch(/^".*two\.vcd" holds one run in its format: name one scenario\.$/);
  });
});

describe('--where-plot', () => {
  it('draws a bar for each kind of task of each scenario, in a picture or a page with the table, and prints nothing more.', async () => {
    const names = ['01-first-dma', '05-page-requests'];
    const plain = await ioasim('run', ...names, '--quiet');
    for (const name of ['where.svg', 'where.html']) {
      expect(await ioasim('run', ...names, '--quiet', '--where-plot', at(name))).toEqual(plain);
    }
    const svg = textOf('where.svg');
    expect(svg).toMatch(/^<svg /);
    for (const one of ['01-first-dma on intel-legacy', '05-page-requests on intel-scalable']) {
      expect(svg).toContain(`${one}: where the time went`);
    }
    // Vega says of each bar what it is.
    const bars = [...svg.matchAll(/share of the time \(%\): ([\d.]+); task: ([^;]+); waits for: ([^;"]+)/g)];
    const runs = bars.filter(([, , task]) => task === 'run');
    expect(runs.map(([, , , milestone]) => milestone)).toEqual(expect.arrayContaining(['link up', 'software']));
    const total = runs.reduce((sum, [, percent]) => sum + Number(percent), 0);
    expect(Math.abs(total - 200)).toBeLessThan(0.5);
    const html = textOf('where.html');
    expect(html).toContain('<h2>01-first-dma on intel-legacy</h2>');
    expect(html).toMatch(/<pre>run +[\d.]+ us +100\.0 %/);
  });

  it('refuses a file of another kind before anything runs.', async () => {
    const { code, out, err } = await ioasim('run', '01-first-dma', '--where-plot', at('where.png'));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^A plot file's name ends in one of \.svg, \.html, and ".*where\.png" does not\.$/);
  });

  it('loses no file for it: neither a trace beside it, nor the picture that is there.', async () => {
    for (const name of ['kept.json', 'kept.svg']) writeFileSync(at(name), 'kept');
    await ioasim('run', '01-first-dma', '--trace', at('kept.json'), '--where-plot', at('where.png'));
    await ioasim('run', '01-first-dma', '--trace', at('kept.png'), '--where-plot', at('kept.svg'));
    for (const name of ['kept.json', 'kept.svg']) expect(textOf(name)).toBe('kept');
  });

  it('draws a run on the timed path.', async () => {
    const { code } = await ioasim('path', 'bdw', '--transfers', '100', '--where-plot', at('path.svg'));
    expect(code).toBe(0);
    expect(textOf('path.svg')).toContain('task: DMA read');
  });
});

describe('ioasim run --where and --counters', () => {
  it('tell where the time went, down to the whole run, and what perf would count.', async () => {
    const { code, out } = await ioasim('run', '01-first-dma', '--quiet', '--where', '--counters');
    expect(code).toBe(0);
    expect(out).toMatch(/^ {5}run +74\.217937 us {2}100\.0 % {2}one$/m);
    expect(out).toMatch(/^ {7}walk +\d+\.\d{6} us +\d+\.\d % {2}for a walker, and for the walk$/m);
    expect(out).toMatch(/^ +4 {2}dmar0\/iotlb_lookup\/ +a translation is looked for$/m);
    expect(out).toMatch(/^ +- {2}dmar0\/iommu_clocks\/ /m);
  });

  it('give the same as data.', async () => {
    const { out } = await ioasim('run', '01-first-dma', '--json', '--where', '--counters');
    const { picoseconds, where, counters } = JSON.parse(out) as {
      picoseconds: number;
      where: { kind: string; total: number; milestones: Record<string, number> }[];
      counters: { name: string; count: number | null }[];
    };
    expect(where[0]).toMatchObject({ kind: 'run', total: picoseconds });
    for (const { total, milestones } of where) {
      expect(Object.values(milestones).reduce((sum, one) => sum + one, 0)).toBe(total);
    }
    expect(counters).toContainEqual(expect.objectContaining({ name: 'dmar0/iotlb_hit/', count: 0 }));
  });
});

describe('ioasim path', () => {
  it('measures DMA on a measured machine, traces it and tells where its time went.', async () => {
    const { code, out, err } = await ioasim(
      'path',
      'hsw',
      '--transfers',
      '100',
      '--where',
      '--counters',
      '--trace',
      at('p.json'),
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^hsw, read of 64 bytes within 1048576: 100 in \d+\.\d{6} us, \d+\.\d{2} Gb\/s, \d+ hits and \d+ misses/,
    );
    expect(out).toMatch(/^ {7}landing /m);
    expect(out).toMatch(/dmar0\/iotlb_lookup\//);
    expect(readChrome(textOf('p.json')).slices.length).toBeGreaterThan(500);
  });

  it('gives data, and the same whoever watches.', async () => {
    const plain = await ioasim('path', '--transfers', '200', '--json');
    const watched = await ioasim(
      'path',
      '--transfers',
      '200',
      '--json',
      '--where',
      '--counters',
      '--trace',
      at('q.vcd'),
    );
    const { where: _, counters: __, ...report } = JSON.parse(watched.out) as Record<string, unknown>;
    expect(report).toEqual(JSON.parse(plain.out));
  });

  it.each([
    [['bdx'], 'There is no machine "bdx"; did you mean "bdw"?'],
    [['--traffic', 'reads'], 'There is no kind of traffic "reads"; did you mean "read"?'],
    [['--iommu', 'on'], 'There is no kind of translation "on"; expected one of "4K", "superpages", "off".'],
    [['--bytes', '0'], '--bytes takes a whole number from 1 to 4096, not "0".'],
    [['--window', 'large'], '--window takes a whole number from 4 to 65536, not "large".'],
  ])('%j: one sentence.', async (args, sentence) => {
    expect(await ioasim('path', ...args)).toMatchObject({ code: 2, out: '', err: sentence });
  });
});
