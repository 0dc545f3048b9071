/** What large studies cost: no memory for each DMA, and no CPU time for being in several threads. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-long-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 2 ** 20;

/** Bytes of the largest resident set of a process that runs one point of the study `window`. */
function peakOf(transfers: number): number {
  const script = [
    `import { main } from ${JSON.stringify(new URL('dist/src/cli/main.js', ROOT).href)};`,
    `const set = ['kind=read', 'translation=4K', 'bytes=64', 'window=64M', 'transfers=${transfers}'];`,
    "const code = await main(['study', 'window', ...set.flatMap((one) => ['--set', one])]);",
    'process.stderr.write(String(process.resourceUsage().maxRSS * 1024));',
    'process.exit(code);',
  ];
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script.join('\n')], {
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  return Number(stderr);
}

describe('A study of many DMAs', () => {
  it('takes as much memory for 10,000,000 reads as for 1,000,000', ({ annotate }) => {
    const [few, many] = [peakOf(1e6), peakOf(1e7)];
    annotate(`${Math.round(few / MIB)} MiB and ${Math.round(many / MIB)} MiB`);
    expect(many - few).toBeLessThan(16 * MIB);
  });
});

describe('A sweep', () => {
  it('takes at most 1.1 times the CPU time in two threads', ({ annotate }) => {
    const parameters = 'kind: write, translation: 4K, bytes: 64, window: [1M, 2M, 4M, 8M], transfers: 10000000';
    writeFileSync(join(folder, 'cpu.yaml'), `study: window\nparameters: { ${parameters} }\n`);
    const cpuOf = (threads: number): number => {
      const output = join(folder, `${threads}.jsonl`);
      const command = [fileURLToPath(new URL('bin/ioasim.js', ROOT)), 'sweep', join(folder, 'cpu.yaml')];
      const { stdout } = spawnSync(process.execPath, [...command, '--threads', `${threads}`, '-o', output], {
        encoding: 'utf8',
      });
      return Number(/CPU time ([\d.]+) s/.exec(stdout)![1]);
    };
    const [one, two] = [cpuOf(1), cpuOf(2)];
    annotate(`CPU time ${one} s in one thread, ${two} s in two`);
    expect(two / one).toBeLessThanOrEqual(1.1);
    const lines = (threads: number): string[] =>
      readFileSync(join(folder, `${threads}.jsonl`), 'utf8')
        .split('\n')
        .sort();
    expect(lines(2)).toEqual(lines(1));
  });
});
