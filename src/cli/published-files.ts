/** What a working copy of this project has beside it: lists of published measurements. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Point, readPoints } from '../machine/index.ts';
import { packageRoot } from './package-root.ts';
import { readJson } from './read-json.ts';

const PUBLISHED = ['published-calibration.json', 'published-validation.json'];

/** The files that are there. */
export function publishedFiles(root = packageRoot()): string[] {
  const files = PUBLISHED.map((name) => root && fileURLToPath(new URL(`../shared/data/${name}`, root)));
  return files.filter((file) => file !== undefined && existsSync(file)) as string[];
}

export function publishedPoints(files: readonly string[] = publishedFiles()): Point[] {
  return files.flatMap((file) => readPoints(readJson(file), file));
}
