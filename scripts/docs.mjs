// Writes the pages that follow from declarations: docs/vtd.md, docs/amd-vi.md, docs/uapi.md, docs/machines.md, docs/traces.md and
// those of docs/studies.
//   node scripts/docs.mjs           writes them
//   node scripts/docs.mjs --check   fails when one of them is not what would be written
// What the first two call acted on is what the files in docs/evidence say, which `npm run prove` writes; those of
// studies show what `npm run studies` has found.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AMDVI_MODULES, amdviPage } from './amdvi-page.mjs';
import { machinesPage } from './machines-page.mjs';
import { ROOMS } from './rooms.mjs';
import { built, readOr, SetupError, setUp } from './setup.mjs';
import { studyPages } from './study-pages.mjs';
import { tracesPage } from './traces-page.mjs';
import { uapiPage } from './uapi-page.mjs';
import { vtdPage } from './vtd-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The page cannot be made; the message is for the user as it stands. */
class Complaint extends Error {}

const read = (path) => readOr(join(root, path), undefined);

/** What a room's page is made from beside its declarations. Without evidence nothing is proven. */
async function about({ rows, evidence }) {
  const text = read(evidence);
  const { CATALOGUE: catalogue } = await built(rows);
  return { catalogue, evidence, proven: text === undefined ? {} : JSON.parse(text).rows };
}

function textOf({ text, unknown, unexplained }, { evidence, reasons, isComplete }) {
  if (unknown.length > 0) {
    throw new Complaint(`${evidence} has rows that nothing declares (${unknown.join(', ')}): npm run prove.`);
  }
  if (isComplete && unexplained.length > 0) {
    throw new Complaint(`nothing proves these rows, and ${reasons} does not name them: ${unexplained.join(', ')}.`);
  }
  return text;
}

async function pages() {
  await setUp();
  const [vtd, amdvi] = await Promise.all([about(ROOMS.vtd), about(ROOMS.amdvi)]);
  const spec = (path) => built(`hardware/amdvi/spec/${path}.js`);
  const modules = await Promise.all(AMDVI_MODULES.map(async (name) => [name, await spec(name)]));
  const { layoutsOf } = await built('hardware/bits/index.js');
  const ofVtd = vtdPage({ ...vtd, spec: await built('hardware/vtd/spec/index.js') });
  const ofAmdvi = amdviPage({
    ...amdvi,
    spec: await spec('index'),
    modules: Object.fromEntries(modules),
    layoutsOf,
  });
  return {
    [ROOMS.vtd.page]: textOf(ofVtd, ROOMS.vtd),
    [ROOMS.amdvi.page]: textOf(ofAmdvi, ROOMS.amdvi),
    'docs/uapi.md': uapiPage(await built('src/uapi/index.js')),
    'docs/machines.md': machinesPage(await built('src/machine/index.js')),
    ...(await studyPages((message) => {
      throw new Complaint(message);
    })),
    'docs/traces.md': await traces(),
  };
}

async function traces() {
  const {
    TRACE_FORMATS: formats,
    EVENT_KINDS: eventKinds,
    TASK_KINDS: taskKinds,
  } = await built('src/recorder/index.js');
  const { MILESTONES: milestones } = await built('hardware/sim/index.js');
  const { AMD_COUNTERS, INTEL_COUNTERS } = await built('src/machine/counters/index.js');
  const vendors = [
    ['Intel VT-d', INTEL_COUNTERS],
    ['AMD-Vi', AMD_COUNTERS],
  ];
  return tracesPage({ formats, milestones, eventKinds, taskKinds, vendors });
}

async function main([option]) {
  for (const [path, text] of Object.entries(await pages())) {
    if (option !== '--check') {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    } else if (read(path) !== text) throw new Complaint(`${path} is not what the declarations give: npm run docs.`);
  }
}

main(process.argv.slice(2)).catch((error) => {
  const plain = error instanceof Complaint || error instanceof SetupError || error?.name === 'InputError';
  process.stderr.write(`docs: ${plain ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
