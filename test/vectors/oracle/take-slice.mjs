// Takes the slice that lies in this folder from the full recordings: node take-slice.mjs FOLDER-OF-THE-RECORDINGS
// The choice, so that it can be taken again:
//   intel  the first case of each pair of legacy profile and scenario, the first legacy case for each way in which the
//          recorder deviates, the cases named below, and the first mix, perm and sctx case of each scalable profile;
//   amd    the first case of each scenario, and the first for each way in which the recorder deviates.
// Cases stay byte for byte as they were recorded, one a line, in their order.
import { readFileSync, writeFileSync } from 'node:fs';

// Each is the first to rest on something that the recording alone explains; see src/cli/replay/checks.ts.
const NAMED = ['intel-0234-rsvd', 'intel-0614-cc', 'intel-0653-frr', 'intel-0693-qierr', 'intel-0712-qierr', 'intel-0722-regs'];
const SCALABLE = ['mix', 'perm', 'sctx'];

const folder = process.argv[2];
const scenarioOf = ({ id }) => id.split('-')[2];

for (const vendor of ['intel', 'amd']) {
  const lines = readFileSync(`${folder}/corpus-${vendor}.json`, 'utf8').split('\n');
  const seen = new Set();
  const first = (key) => !seen.has(key) && seen.add(key) !== undefined;
  const wanted = (it) => {
    const legacy = vendor === 'amd' || it.profile.startsWith('legacy');
    const deviations = it.steps.filter(({ cls }) => legacy && cls === 'deviates').map(({ why }) => why);
    const scenario = (legacy || SCALABLE.includes(scenarioOf(it))) && first(`${it.profile} ${scenarioOf(it)}`);
    return deviations.filter(first).length > 0 || scenario || NAMED.includes(it.id);
  };
  const cases = lines.filter((line) => line.startsWith('{"id"') && wanted(JSON.parse(line.replace(/,$/, ''))));
  const { format, oracle, annotations, platform, profiles } = JSON.parse(lines.join('\n'));
  const header = { format, vendor, oracle, annotations, slice: 'see take-slice.mjs', platform, profiles };
  const body = cases.map((line) => line.replace(/,$/, '')).join(',\n');
  writeFileSync(`corpus-${vendor}.json`, `${JSON.stringify(header, null, 1).slice(0, -2)},\n "cases": [\n${body}\n]}\n`);
  const contested = JSON.parse(readFileSync(`${folder}/contested-${vendor}.json`, 'utf8'));
  const kept = contested.filter(({ step }) => body.includes(`"id":"${step.split('#')[0]}"`));
  writeFileSync(`contested-${vendor}.json`, `[\n${kept.map((it) => JSON.stringify(it)).join(',\n')}\n]\n`);
}
