/** Every row that docs/vtd.md and docs/amd-vi.md call acted on: each test that claims it fails when the row is switched off. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('Every claim of a test to prove a row of a reference page holds, and the evidence names exactly these rows.', () => {
  const prove = fileURLToPath(new URL('../../scripts/prove.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [prove, '--check'], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
});
