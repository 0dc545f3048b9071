// Writes the reference pages that follow from declarations: docs/vtd.md and docs/uapi.md.
//   node scripts/docs.mjs           writes them
//   node scripts/docs.mjs --check   fails when one of them is not what would be written
// What docs/vtd.md calls acted on is what docs/evidence/vtd-proofs.json says, which `npm run prove` writes.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, setUp } from './setup.mjs';
import { uapiPage } from './uapi-page.mjs';
import { vtdPage } from './vtd-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const EVIDENCE = 'docs/evidence/vtd-proofs.json';

/** The page cannot be made; the message is for the user as it stands. */
class Complaint extends Error {}

const built = (path) => import(new URL(`../dist/${path}`, import.meta.url));

function read(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function evidence() {
  const text = read(EVIDENCE);
  if (text === undefined) throw new Complaint(`${EVIDENCE} does not exist: npm run prove writes it.`);
  return JSON.parse(text).rows;
}

async function pages() {
  await setUp();
  const [rows, vtd, uapi] = await Promise.all(
    ['hardware/vtd/rows.js', 'hardware/vtd/spec/index.js', 'src/uapi/index.js'].map(built),
  );
  const page = vtdPage({ vtd, rows, proven: evidence() });
  if (page.unknown.length > 0) {
    throw new Complaint(`${EVIDENCE} has rows that nothing declares (${page.unknown.join(', ')}): npm run prove.`);
  }
  if (page.unexplained.length > 0) {
    throw new Complaint(
      `nothing proves these rows, and hardware/vtd/spec/not-acted-on.ts does not name them: ${page.unexplained.join(', ')}.`,
    );
  }
  return { 'docs/vtd.md': page.text, 'docs/uapi.md': uapiPage(uapi) };
}

async function main([option]) {
  for (const [path, text] of Object.entries(await pages())) {
    if (option !== '--check') writeFileSync(join(root, path), text);
    else if (read(path) !== text) throw new Complaint(`${path} is not what the declarations give: npm run docs.`);
  }
}

main(process.argv.slice(2)).catch((error) => {
  const plain = error instanceof Complaint || error instanceof SetupError;
  process.stderr.write(`docs: ${plain ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
