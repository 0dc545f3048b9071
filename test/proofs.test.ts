/** A few of the proofs behind docs/vtd.md and docs/amd-vi.md again; `npm run test:long` has all of them. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SAMPLE = 5;

it(`${SAMPLE} rows of the reference pages, chosen anew every time, are still proven.`, { timeout: 300_000 }, ({
  annotate,
}) => {
  const prove = fileURLToPath(new URL('../scripts/prove.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [prove, '--sample', `${SAMPLE}`], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  annotate(stderr.trim());
});
