/** The file of `--trace`, written while the runs go on and never held as a whole. */
import { formatTime, InputError, type Instant, quote, suggest } from '../machine/index.ts';
import { Trace, type TraceSource } from '../recorder/index.ts';
import { OutputFile } from './output-file.ts';
import { checkTraceOptions, filterOf, formatOf, limitOf, type TraceOptions } from './trace-options.ts';

export class TraceFile {
  readonly #path: string;
  readonly #file: OutputFile;
  readonly #limit: number;
  readonly #who: ReadonlySet<string>;
  readonly #trace: Trace;
  /** In which scenario it has come to its limit. */
  #fullIn: string | null = null;
  #following = '';

  private constructor(path: string, options: TraceOptions, runs: number) {
    this.#path = path;
    const format = formatOf(path, options.traceFormat);
    if (runs > 1 && format.holdsOneRun === true) {
      throw new InputError(`"${path}" holds one run in its format: name one scenario.`);
    }
    this.#limit = limitOf(options);
    const filter = filterOf(options);
    this.#who = filter.who ?? new Set();
    this.#file = new OutputFile(path);
    this.#trace = new Trace(format, (text) => this.#file.write(text), filter, this.#limit);
  }

  /** Empties the file, for so many runs. Null when none is asked for. Throws an InputError for wrong options or a file that cannot be written. */
  static from(options: TraceOptions, runs = 1): TraceFile | null {
    checkTraceOptions(options);
    return options.trace === undefined ? null : new TraceFile(options.trace, options, runs);
  }

  /** Writes what happens from now on, until `end`. */
  follow(source: TraceSource): void {
    this.#trace.begin(source, source.clock);
    source.recorder?.on('event', (event) => this.#trace.event(event));
    source.watch(this.#trace);
    this.#following = source.scenario;
  }

  /** The run that was followed last is over. */
  end(): void {
    this.#trace.end();
    if (this.#trace.fullAt !== null) this.#fullIn ??= this.#following;
  }

  /** Ends the file. Gives a sentence about what is not in it, if there is something to say: wrong where it is the options' fault. */
  close(): { readonly sentence: string; readonly isWrong: boolean } | undefined {
    this.#trace.close();
    this.#file.close();
    const { fullAt, names } = this.#trace;
    if (fullAt !== null) {
      const end = `${formatTime(fullAt as Instant)} of ${this.#fullIn}`;
      const why = `"${this.#path}" has come to its limit of ${this.#limit} bytes (--trace-limit)`;
      return { sentence: `The trace ends at ${end}: ${why}.`, isWrong: false };
    }
    const unknown = [...this.#who].find((name) => !names.has(name));
    if (unknown === undefined || this.#following === '') return undefined;
    const sentence = `--trace-who: nothing happened at ${quote(unknown)}; ${suggest(unknown, [...names])}`;
    return { sentence, isWrong: true };
  }
}
