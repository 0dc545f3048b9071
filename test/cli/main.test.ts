import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { presets } from '../../src/machine/index.ts';
import { ioasim } from './capture.ts';

const ALL_OK = new RegExp(`${scenarios.length} scenarios: ${scenarios.length} ok, 0 failed\\.$`);

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('ioasim', () => {
  it('explains itself when nothing is asked', async () => {
    const { code, out } = await ioasim();
    expect(code).toBe(0);
    for (const command of ['list', 'machines', 'run', 'explain', 'inspect', 'replay', 'validate'])
      expect(out).toMatch(new RegExp(`^ +${command} `, 'm'));
  });

  it('tells its version, which is the package’s', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await ioasim('--version')).toMatchObject({ code: 0, out: version });
  });

  it('lists every scenario with its title and its question', async () => {
    const { code, out } = await ioasim('list');
    expect(code).toBe(0);
    expect(out.match(/^\S+/gm)).toEqual(scenarios.map(({ name }) => name));
    expect(out.match(/\?$/gm)).toHaveLength(scenarios.length);
  });

  it('lists the machines and prints one as JSON that it accepts again', async () => {
    const { out } = await ioasim('machines');
    expect(out.match(/^\S+/gm)).toEqual(Object.keys(presets));
    expect(out.trim().split('\n')).toHaveLength(Object.keys(presets).length);
    const { out: json } = await ioasim('machines', 'intel-legacy-39');
    writeFileSync(at('mine.json'), json);
    expect(await ioasim('run', '01-first-dma', '--quiet', '--machine', at('mine.json'))).toMatchObject({
      code: 0,
      err: '',
    });
  });
});

describe('ioasim run', () => {
  it('runs every scenario and says how many went well', async () => {
    const { code, out } = await ioasim('run', '--quiet');
    expect(code).toBe(0);
    expect(out).toMatch(ALL_OK);
  });

  it.each([
    ['damage three of ten TLPs', 'link.errors={"tlpErrorRate":0.3}'],
    ['damage one of 100 000 bits', 'link.errors={"bitErrorRate":0.00001}'],
    ['have room for one posted request', 'link.credits={"PH":1,"PD":32}'],
    ['give credits back late', 'link.updateFc=500'],
    ['lose a share to DLLPs', 'link.dllp="published"'],
  ])('runs every scenario to the same end on links that %s', async (_, setting) => {
    const { code, out } = await ioasim('run', '--quiet', '--set', setting);
    expect(code).toBe(0);
    // Who measures the machine gets other figures on such links.
    const able = scenarios.filter(({ measures }) => measures !== true).length;
    expect(out).toMatch(new RegExp(`${able} scenarios: ${able} ok, 0 failed\\.$`));
  });

  it('narrates one scenario: question, steps with their times, what holds, what to look at and to try next', async () => {
    const { code, out } = await ioasim('run', '01-first-dma');
    expect(code).toBe(0);
    expect(out).toMatch(/^01-first-dma: /);
    expect(out).toMatch(/^ +\d+\.\d{6} us {2}1\. /m);
    expect(out).toContain('✓');
    expect(out).toContain('Look at');
    expect(out).toContain('Try next');
    expect(out).not.toContain('✗');
  });

  it('prints one JSON object per scenario and nothing else', async () => {
    const { out } = await ioasim('run', '--json');
    const reports = out.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(reports.map(({ scenario, ok }) => [scenario, ok])).toEqual(scenarios.map(({ name }) => [name, true]));
  });

  it('pauses at each step and shows the table entries field by field', async () => {
    const { code, out, pauses } = await ioasim('run', '01-first-dma', '--step');
    expect(code).toBe(0);
    expect(pauses).toBe(out.match(/^ +\d+\.\d{6} us {2}\d+\. /gm)!.length);
    expect(out).toMatch(/root entry at 0x/);
    expect(out).toMatch(/\| +63:12 {2}CTP +0x[0-9a-f]+ +\w/);
  });

  it('lets a field of the machine be set and the seed be chosen', async () => {
    const { out } = await ioasim('run', '01-first-dma', '--json', '--set', 'name=mine', '--seed', '7');
    expect(JSON.parse(out)).toMatchObject({ machine: 'mine', seed: 7, ok: true });
  });

  it('ends with 1 when an expectation fails, and shows what was expected, what came and when', async () => {
    // Hardware that counts as dead after a nanosecond never finishes an invalidation in time.
    const { code, out } = await ioasim('run', '01-first-dma', '--quiet', '--set', 'kernel.costs.hardwareTimeout=1');
    expect(code).toBe(1);
    expect(out).toMatch(/^FAILED {2}01-first-dma: 10 of 11 expectations hold$/m);
    expect(out).toMatch(/✗ It is unmapped\.\n +expected 0\n +got {6}-5 \(EIO\)\n +at \d+\.\d{6} us/);
  });
});

describe('ioasim, asked for something that does not exist', () => {
  it.each([
    [['rnu'], 'There is no command "rnu"; did you mean "run"?'],
    [
      ['frobnicate'],
      'There is no command "frobnicate"; expected one of "list", "machines", "run", "path", "explain", "inspect", "replay", "validate", "study", "sweep", "help".',
    ],
    [['help', 'rnu'], 'There is no command "rnu"; did you mean "run"?'],
    [['run', '--quite'], 'There is no option "--quite"; did you mean "--quiet"?'],
    [['run', '--machine'], "Option '-m, --machine <name|file.json>' argument missing."],
    [['run', '--step', '--json'], "Option '--step' cannot be used with option '--json'."],
    [['list', 'more'], "Too many arguments for 'list'. Expected 0 arguments but got 1."],
    [
      ['machines', 'intel'],
      `There is no machine "intel"; did you mean ${Object.keys(presets)
        .filter((name) => name.startsWith('intel-'))
        .map((name) => JSON.stringify(name))
        .join(' or ')}?`,
    ],
    [['run', 'first-dma'], 'There is no scenario "first-dma"; did you mean "01-first-dma"?'],
    [
      ['run', '4.7-user-example.v2'],
      'There is no scenario "4.7-user-example.v2"; did you mean "flow-4.7-user-example.v2"?',
    ],
    [
      ['run', 'zzz'],
      `There is no scenario "zzz"; expected one of ${scenarios.map(({ name }) => `"${name}"`).join(', ')}.`,
    ],
    [
      ['run', '--machine', 'intel-legcy'],
      'There is no machine "intel-legcy"; did you mean "intel-legacy" or "intel-legacy-39"?',
    ],
    [['run', '--machine', 'no.json'], 'There is no file "no.json".'],
    [
      ['run', '--set', 'iommu.iotlb.ways=many'],
      'machine.iommu.iotlb.ways: expected a whole number from 1 to 4096, got "many".',
    ],
    [['run', '--set', 'iommu.iotlb.wayz=4'], 'machine.iommu.iotlb: there is no field "wayz"; did you mean "ways"?'],
    [['run', '--seed', 'abc'], 'machine.seed: expected a whole number from 0 to 4294967295, got "abc".'],
    [
      ['run', '--trace', 'trace.pcap'],
      'A trace file\'s name ends in one of .txt, .log, .jsonl, .json, .vcd, and "trace.pcap" does not.',
    ],
    [['run', '--trace', 'no/such/folder.txt'], '"no/such/folder.txt" cannot be written (ENOENT).'],
    [['run', './no-scenario.ts'], "There is no file './no-scenario.ts'."],
  ])('ioasim %j says one sentence and ends with 2', async (args, sentence) => {
    expect(await ioasim(...args)).toMatchObject({ code: 2, out: '', err: sentence });
  });

  it('still runs the scenarios that do exist', async () => {
    const { code, out, err } = await ioasim('run', '01-first-dma', 'nonsense', '03-two-devices-one-ioasid', '--quiet');
    expect(code).toBe(2);
    expect(out).toMatch(/2 scenarios: 2 ok, 0 failed\.$/);
    expect(err).toMatch(/^There is no scenario "nonsense"/);
  });

  it.each([
    ['broken.json', '{ "iommu": ', /^".*broken\.json" is not JSON: .+\.$/],
    ['list.json', '[]', /list\.json: machine: expected an object, got \[\]\.$/],
    [
      'field.json',
      '{ "iommu": { "walker": 3 } }',
      /field\.json: machine\.iommu: there is no field "walker"; did you mean "walkers"\?$/,
    ],
    [
      'value.json',
      '{ "memory": { "megabytes": "4 GB" } }',
      /value\.json: machine\.memory\.megabytes: expected a whole number from 64 to 1048576, got "4 GB"\.$/,
    ],
  ])('a machine file %s that says %s is refused in one sentence', async (name, text, sentence) => {
    writeFileSync(at(name), text);
    const { code, out, err } = await ioasim('run', '--machine', at(name));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(sentence);
    expect(err).not.toContain('\n');
  });
});
