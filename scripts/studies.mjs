// Runs studies over their own grids and keeps what was found in bench/studies/results, from which `npm run docs` makes the pages.
//   node scripts/studies.mjs [NAME...]     all studies unless some are named; minutes on two cores
// Published values beside them are kept, too, where the files of published points are at hand; where they are not, those kept before
// stay.
import { writeFileSync } from 'node:fs';
import { built, SetupError, setUp } from './setup.mjs';
import { publishedPath, resultsPath, STUDIES } from './study-files.mjs';

async function main(names) {
  await setUp();
  const { studies } = await built(STUDIES);
  const study = await built('src/study/index.js');
  const { findStudy } = await built('src/cli/study/index.js');
  const { openPool, threadsOf } = await built('src/cli/sweep/pool.js');
  const { runLocally } = await built('src/cli/sweep/local.js');
  const { Progress } = await built('src/cli/progress.js');
  const { ProcessTerminal } = await built('src/cli/terminal.js');
  const { publishedFiles, publishedPoints } = await built('src/cli/published-files.js');
  const terminal = new ProcessTerminal();
  const chosen = names.length === 0 ? studies : names.map((name) => findStudy(studies, name));
  const pool = await openPool(threadsOf(undefined), studies);
  for (const one of chosen) {
    const points = study.gridOf(one);
    const seed = study.SEED;
    const found = [];
    const progress = new Progress(points.length, (line) => terminal.progress(line && `${one.name} ${line}`));
    await runLocally({ study: one, points, seed }, pool, (result) => {
      found.push(result);
      progress.step();
    });
    progress.end();
    const lines = study.resultsOf(one, points, seed, found).map(study.toLine);
    writeFileSync(resultsPath(one.name), lines.join(''));
    terminal.out(`${one.name}: ${lines.length} points`);
    if (publishedFiles().length === 0) continue;
    // Of what is published only what the page shows.
    const isInGrid = (wanted) => points.some((point) => study.agrees(point, wanted));
    const isShown = ({ point, outcome }) =>
      one.plots.some(({ x, y, where = {} }) => {
        const { [x]: _, ...line } = { ...where, ...point };
        return y === outcome && isInGrid(line);
      });
    const values = study.curveOf(one, publishedPoints()).filter((value) => isShown(value) || isInGrid(value.point));
    if (values.length === 0) continue;
    writeFileSync(publishedPath(one.name), values.map((value) => `${JSON.stringify(value)}\n`).join(''));
  }
  await pool.close();
}

main(process.argv.slice(2)).catch((error) => {
  const plain = error instanceof SetupError || error?.name === 'InputError';
  process.stderr.write(`studies: ${plain ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
