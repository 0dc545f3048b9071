/**
 * `ioasim replay FILE…`: recorded cases of another implementation, replayed through the rig.
 *
 * Exit code 0 when every outcome is allowed, 1 when one is not, 2 when a file could not be used.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRig } from '../../../hardware/index.ts';
import { type Contested, type Corpus, CorpusError, parseContested, parseCorpus } from './corpus.ts';
import { failureLines, replayCorpus, summaryLines } from './report.ts';

export interface ReplayOptions {
  /** One JSON object per file on `print`; failures then go to `complain`. */
  readonly json?: boolean;
  readonly print?: (line: string) => void;
  readonly complain?: (line: string) => void;
}

/** Replays `files` one after the other and gives the exit code. A file that cannot be used does not stop the others. */
export async function replayCommand(files: readonly string[], options: ReplayOptions = {}): Promise<number> {
  const print = options.print ?? ((line) => process.stdout.write(`${line}\n`));
  const complain = options.complain ?? ((line) => process.stderr.write(`${line}\n`));
  let exitCode = 0;
  for (const file of files) {
    const input = readInput(file);
    if (typeof input === 'string') {
      complain(input);
      exitCode = 2;
      continue;
    }
    const report = replayCorpus(file, input.corpus, input.contested, createRig);
    for (const line of failureLines(report)) (options.json ? complain : print)(line);
    if (options.json) print(JSON.stringify(report.tally));
    else for (const line of summaryLines(report)) print(line);
    if (report.failures.length > 0) exitCode = Math.max(exitCode, 1);
  }
  return exitCode;
}

/** A corpus and the contested steps listed beside it, or one sentence about what is wrong with them. */
function readInput(file: string): { corpus: Corpus; contested: Contested } | string {
  let reading = file;
  try {
    const corpus = parseCorpus(readFileSync(file, 'utf8'));
    reading = join(dirname(file), `contested-${corpus.vendor}.json`);
    const text = readOptional(reading);
    return { corpus, contested: text === undefined ? new Map() : parseContested(text) };
  } catch (error) {
    if (error instanceof CorpusError) return `${reading}: ${error.message}`;
    if (error instanceof Error && 'code' in error) return `${reading}: cannot be read (${String(error.code)})`;
    throw error;
  }
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
