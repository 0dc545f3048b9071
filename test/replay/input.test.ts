import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CorpusError, parseContested, parseCorpus } from '../../src/cli/replay/corpus.ts';
import { replayCommand } from '../../src/cli/replay/index.ts';
import { sliceFile, sliceText } from './recordings.ts';

const text = sliceText('intel');

describe('a broken corpus', () => {
  it.each([
    ['an empty file', '', 'line 1: not JSON, the text ends too early'],
    ['a list', '[]', 'the file must be a JSON object'],
    ['a file that ends early', text.slice(0, 9000), /^line \d+: not JSON/],
    ['another format', text.replace('iommu-diff/1', 'iommu-diff/2'), 'format must be "iommu-diff/1"'],
    ['another vendor', text.replace('"vendor": "intel"', '"vendor": "arm"'), 'vendor must be "intel" or "amd"'],
    ['no platform', text.replace('"platform"', '"plattform"'), 'platform is missing'],
    ['a profile without ECAP', text.replace('"ecap"', '"ekap"'), /^profiles\.\w+\.ecap is missing$/],
    [
      'an unknown operation',
      text.replace('"op":"reg"', '"op":"rug"'),
      'case intel-0001-mix, step 0, op must be one of reg, chk, mem, memrd, dma',
    ],
    [
      'bad hexadecimal',
      text.replace('"val":"0x', '"val":"0z'),
      'case intel-0001-mix, step 0, val must be a hexadecimal string of at most 64 bits such as "0x1f"',
    ],
    [
      'a number where a string should be',
      text.replace('"off":"0x20"', '"off":32'),
      'case intel-0001-mix, step 0, off must be a hexadecimal string such as "0x1f"',
    ],
    ['a DMA without address', text.replace('"iova"', '"ivoa"'), 'case intel-0001-mix, step 5, iova is missing'],
    [
      'a reading without address',
      text.replace('"ok":true,"pa"', '"ok":true,"ap"'),
      'case intel-0001-mix, step 5, fresh.pa is missing',
    ],
    [
      'an unknown profile',
      text.replace('"profile":"s2_48"', '"profile":"s3"'),
      /^case intel-0001-mix: profile "s3" is not one of /,
    ],
    [
      'an unknown device',
      text.replace('"dev":"a"', '"dev":"z"'),
      'case intel-0001-mix, step 5: dev "z" is not one of platform.devices',
    ],
    [
      'a bad legal outcome',
      text.replace('"legal":["0x', '"legal":["g:0x'),
      /legal\[0\] must be an address "0x…" or a fault "f:0x…"$/,
    ],
  ])('is one sentence that says where: %s', (_, broken, sentence) => {
    expect(broken).not.toBe(text);
    expect(() => parseCorpus(broken)).toThrow(CorpusError);
    expect(() => parseCorpus(broken)).toThrow(sentence);
  });

  it('is one sentence for the contested steps too', () => {
    expect(() => parseContested('{}')).toThrow('the file must be a JSON list');
    expect(() => parseContested('[{"step":"x#1","first":"ok","second":"maybe"}]')).toThrow(
      '[0].second must be "ok", "none" or a fault code "0x…"',
    );
  });
});

describe('ioasim replay with files that cannot be used', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ioasim-replay-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  async function replay(...files: string[]) {
    const lines: string[] = [];
    const complaints: string[] = [];
    const options = { print: (line: string) => lines.push(line), complain: (line: string) => complaints.push(line) };
    return { exitCode: await replayCommand(files, options), lines, complaints };
  }

  it('says what is wrong with each of them in one line, replays the others and ends with 2', async () => {
    const broken = file('broken.json', '{ "format": ');
    const missing = join(folder, 'missing.json');
    const { exitCode, lines, complaints } = await replay(broken, missing, sliceFile('amd'));
    expect(exitCode).toBe(2);
    expect(complaints).toEqual([
      `${broken}: line 1: not JSON, the text ends too early`,
      `${missing}: cannot be read (ENOENT)`,
    ]);
    expect(lines[0]).toMatch(/22 cases, 94 DMAs/);
  });

  it('does not judge a corpus whose contested steps it cannot read', async () => {
    const corpus = file('corpus.json', text);
    const contested = file('contested-intel.json', '[{"step":"intel-0001-mix#5"}]');
    const { exitCode, lines, complaints } = await replay(corpus);
    expect({ exitCode, lines }).toEqual({ exitCode: 2, lines: [] });
    expect(complaints).toEqual([`${contested}: [0].first is missing`]);
    rmSync(contested);
  });

  it('prints each failure with case, step, wanted and got, and ends with 1', async () => {
    // Without contested steps beside it, so that nothing but the change fails: scalable cases are left out.
    const legacyOnly = text
      .split('\n')
      .filter((line) => !/"profile":"s[12]_/.test(line))
      .join('\n')
      .replace(/,(\s*\]\s*\}\s*)$/, '$1');
    const wrong = legacyOnly.replace(
      /("id":"intel-\d+-np","title":"[^"]*","profile":"legacy48".*?"fresh":\{"ok":false,"reason":)\d+/,
      '$199',
    );
    const { exitCode, lines } = await replay(file('wrong.json', wrong));
    expect(exitCode).toBe(1);
    expect(lines[0]).toMatch(
      /^FAIL intel-\d+-np step \d+ \(dma \w (read|write) 0x[0-9a-f]+\): wanted fault 0x63, got fault 0x[56] \(source 0x18, page /,
    );
    expect(lines[1]).toMatch(/ 1 fail$/);
  });
});
