// Where studies, what was found and what is published of them lie.
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

export const STUDIES = 'bench/studies/index.js';
export const resultsPath = (name) => at(`bench/studies/results/${name}.jsonl`);
export const publishedPath = (name) => at(`bench/studies/results/${name}.published.jsonl`);
