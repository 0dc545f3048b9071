/** A file of results that grows while a sweep goes on, and from which the next run goes on. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { InputError, quote } from '../../machine/index.ts';
import { keyOf, type Result, readResults, type Study, toLine } from '../../study/index.ts';

export class ResultFile {
  readonly path: string;
  readonly #study: Study;
  readonly #keys = new Set<string>();

  /** Reads what is there; a last line that was not written to its end is dropped. */
  constructor(path: string, study: Study) {
    this.path = path;
    this.#study = study;
    try {
      if (!existsSync(path)) appendFileSync(path, '');
      const bytes = readFileSync(path);
      const results = readResults(bytes.toString('utf8'), path);
      const whole = bytes.lastIndexOf('\n') + 1;
      if (whole < bytes.length) truncateSync(path, whole);
      for (const result of results) if (result.study === study.name) this.#keys.add(this.#keyOf(result));
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${quote(path)} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
    }
  }

  has(point: Result['point'], seed: number): boolean {
    return this.#keys.has(keyOf(this.#study, point, seed));
  }

  /** Writes a result that is not there yet, as one line in one piece. */
  add(result: Result): boolean {
    const key = this.#keyOf(result);
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    appendFileSync(this.path, toLine(result));
    return true;
  }

  #keyOf({ point, seed }: Result): string {
    return keyOf(this.#study, point, seed);
  }
}
