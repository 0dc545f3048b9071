/** The file of `--trace`: its extension says whether it holds text or JSON lines. */
import { extname } from 'node:path';
import { type Recorder, TRACE_FORMATS } from '../recorder/index.ts';
import { formatFor, OutputFile } from './output-file.ts';

export class TraceFile {
  readonly #file: OutputFile;
  readonly #format: (typeof TRACE_FORMATS)[string];
  readonly #heading: (scenario: string, machine: string) => string;

  /** Empties the file. Throws an InputError for an unknown extension or a file that cannot be written. */
  constructor(path: string) {
    this.#format = formatFor(TRACE_FORMATS, path, 'trace');
    this.#heading = extname(path).startsWith('.json')
      ? (scenario, machine) => JSON.stringify({ scenario, machine })
      : (scenario, machine) => `# ${scenario} on ${machine}`;
    this.#file = new OutputFile(path);
  }

  /** Writes what `recorder` reports from now on. */
  follow(recorder: Recorder, scenario: string, machine: string): void {
    this.#file.write(`${this.#heading(scenario, machine)}\n`);
    recorder.on('event', (event) => this.#file.write(`${this.#format!(event)}\n`));
  }

  close(): void {
    this.#file.close();
  }
}
