// docs/studies: a page and a picture for each study, from what `npm run studies` has kept of it.
import { table } from './markdown.mjs';
import { built, readOr } from './setup.mjs';
import { publishedPath, resultsPath, STUDIES } from './study-files.mjs';

/** Paths and texts. Throws for a study of which nothing is kept, or something else than its grid. */
export async function studyPages(complain) {
  const { studies } = await built(STUDIES);
  const study = await built('src/study/index.js');
  const texts = await built('src/cli/study/table.js');
  const { draw } = await built('src/cli/study/index.js');
  const { loadPlotting } = await built('src/cli/plotting.js');
  const plotting = await loadPlotting();
  const pages = { 'docs/studies/README.md': overview(studies) };
  for (const one of studies) {
    const results = kept(one, study, complain);
    const published = lineByLine(readOr(publishedPath(one.name), ''));
    pages[`docs/studies/${one.name}.md`] = page(one, results, published, { ...study, ...texts });
    pages[`docs/studies/${one.name}.svg`] = await draw(one, results, published, plotting);
  }
  return pages;
}

function lineByLine(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

function kept(one, { gridOf, readResults, resultsOf, SEED }, complain) {
  const path = resultsPath(one.name);
  const all = readResults(readOr(path, ''), path);
  const points = gridOf(one);
  const results = resultsOf(one, points, SEED, all);
  if (results.length !== points.length || all.length !== points.length) {
    complain(`what is kept of the study ${one.name} is not its grid: npm run studies ${one.name}.`);
  }
  return results;
}

function overview(studies) {
  const rows = studies.map(({ name, question }) => [`[${name}](${name}.md)`, question]);
  return lines(
    '# Studies',
    '',
    'Written by `npm run docs` from the declarations in `bench/studies` and from what `npm run studies` has found.',
    '',
    ...table(['Study', 'Question'], rows),
    '`npx ioasim study NAME` runs one here; [sweeps](../sweeps.md) tells how to run large ones.',
  );
}

function page(one, results, published, { tableOf, describePoint, textOf, publishedAt }) {
  const { name, question, setUp, findings, parameters, outcomes } = one;
  const { common, heads, lines: rows } = tableOf(one, results, published);
  const [[parameter, { values }]] = Object.entries(parameters).filter(([, { values: all }]) => all.length > 1);
  const same = Object.keys(common).length === 0 ? [] : [`Everywhere: ${describePoint(one, common)}.`, ''];
  return lines(
    `# ${name}`,
    '',
    'Written by `npm run docs`.',
    '',
    `**${question}**`,
    '',
    setUp,
    '',
    `![${question}](${name}.svg)`,
    '',
    ...(findings === undefined ? [] : ['## What it shows', '', findings, '']),
    ...comparison(outcomes, results, published, publishedAt),
    '## Parameters',
    '',
    ...table(
      ['Parameter', 'Unit', 'Meaning', 'Values'],
      Object.entries(parameters).map(([of, { unit, meaning, values: all }]) => [
        of,
        unit || '-',
        meaning,
        all.map((value) => textOf(one, of, value)).join(', '),
      ]),
    ),
    '## Run it',
    '',
    '```',
    `npx ioasim study ${name} --html ${name}.html`,
    `npx ioasim study ${name} --set ${parameter}=${textOf(one, parameter, values.at(-1))} --csv ${name}.csv`,
    '```',
    '',
    '## Results',
    '',
    ...table(
      ['Outcome', 'Unit', 'Meaning'],
      Object.entries(outcomes).map(([of, { unit, meaning }]) => [of, unit || '-', meaning]),
    ),
    ...same,
    '<details><summary>All points</summary>',
    '',
    ...table(heads, rows),
    '</details>',
  );
}

/** What is published of the same, by how much it differs, and where it is from. */
function comparison(outcomes, results, published, publishedAt) {
  const rows = Object.keys(outcomes).flatMap((outcome) => {
    const errors = results.flatMap(({ point, row }) => {
      const value = publishedAt(published, point, outcome)?.value;
      return value === undefined || row[outcome] === null ? [] : [Math.abs(100 * (row[outcome] / value - 1))];
    });
    if (errors.length === 0) return [];
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    return [[outcome, errors.length, `${mean.toFixed(1)} %`, `${Math.max(...errors).toFixed(1)} %`]];
  });
  if (rows.length === 0) return [];
  const sources = [...new Set(published.map(({ source }) => publication(source)))];
  return [
    '## Beside what is published',
    '',
    ...table(['Outcome', 'Points of this grid that are published', 'Mean error', 'Largest'], rows),
    ...sources.map((source) => `- ${source}`),
    '',
  ];
}

/** Of a source that names file and publication, the publication: many files belong to one. */
function publication(source) {
  return source
    .split(/paper: /)
    .at(-1)
    .trim();
}

function lines(...all) {
  return `${all.join('\n').trimEnd()}\n`;
}
