/** The file of `--trace`: its extension says whether it holds text or JSON lines. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError } from '../machine/index.ts';
import { type Recorder, TRACE_FORMATS } from '../recorder/index.ts';

const FLUSH_AT = 1 << 16;

export class TraceFile {
  readonly #file: number;
  readonly #format: (typeof TRACE_FORMATS)[string];
  readonly #heading: (scenario: string, machine: string) => string;
  #buffer = '';

  /** Empties the file. Throws an InputError for an unknown extension or a file that cannot be written. */
  constructor(path: string) {
    const extension = extname(path).slice(1);
    const format = Object.hasOwn(TRACE_FORMATS, extension) ? TRACE_FORMATS[extension] : undefined;
    if (format === undefined) {
      const accepted = Object.keys(TRACE_FORMATS).map((name) => `.${name}`);
      throw new InputError(`A trace file's name ends in one of ${accepted.join(', ')}, and "${path}" does not.`);
    }
    this.#format = format;
    this.#heading = extension.startsWith('json')
      ? (scenario, machine) => JSON.stringify({ scenario, machine })
      : (scenario, machine) => `# ${scenario} on ${machine}`;
    try {
      this.#file = openSync(path, 'w');
    } catch (error) {
      throw new InputError(`"${path}" cannot be written (${(error as NodeJS.ErrnoException).code}).`);
    }
  }

  /** Writes what `recorder` reports from now on. */
  follow(recorder: Recorder, scenario: string, machine: string): void {
    this.#write(this.#heading(scenario, machine));
    recorder.on('event', (event) => this.#write(this.#format!(event)));
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #write(line: string): void {
    this.#buffer += `${line}\n`;
    if (this.#buffer.length >= FLUSH_AT) this.#flush();
  }

  #flush(): void {
    writeSync(this.#file, this.#buffer);
    this.#buffer = '';
  }
}
