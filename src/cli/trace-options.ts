/** The options of `--trace`: the format, what goes into the file, and how large it may become. */
import type { Command } from 'commander';
import { InputError, quote, suggest } from '../machine/index.ts';
import {
  EVENT_KINDS,
  type RecordKind,
  TASK_KINDS,
  TRACE_FORMATS,
  type TraceFilter,
  type TraceFormat,
} from '../recorder/index.ts';
import { readInstant } from './moment/words.ts';
import { collect } from './options.ts';
import { formatFor } from './output-file.ts';

export interface TraceOptions {
  readonly trace?: string;
  readonly traceFormat?: string;
  readonly traceWho?: readonly string[];
  readonly traceKind?: readonly string[];
  readonly traceFrom?: string;
  readonly traceUntil?: string;
  readonly traceLimit?: string;
}

const KINDS: readonly string[] = [...EVENT_KINDS, ...Object.keys(TASK_KINDS)];
const FORMATS: Readonly<Record<string, TraceFormat>> = TRACE_FORMATS;
/** Bytes of a file that nobody has limited. */
const LIMIT = '1GB';
const UNITS: Readonly<Record<string, number>> = { '': 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/** Adds them to a command. */
export function withTrace(command: Command): Command {
  const formats = Object.values(FORMATS).map(({ extensions, meaning }) => `.${extensions[0]} ${meaning}`);
  return command
    .option('-t, --trace <file>', `write what happens to a file, by its extension: ${formats.join('; ')}`)
    .option('--trace-format <name>', `whatever the file is called: ${Object.keys(FORMATS).join(', ')}`)
    .option('--trace-who <name>', 'only this part of the machine or process; may be given several times', collect)
    .option('--trace-kind <kind>', `only this kind (${KINDS.join(', ')}); may be given several times`, collect)
    .option('--trace-from <time>', 'only from this instant on, such as 12.5us')
    .option('--trace-until <time>', 'only up to this instant')
    .option(
      '--trace-limit <bytes>',
      `end the trace when the file has so many bytes, such as 100MB (default: ${LIMIT})`,
    );
}

/** Throws an InputError for one without the file, which all need. */
export function checkTraceOptions(options: TraceOptions): void {
  const [stray] = Object.keys(options).filter((name) => /^trace./.test(name));
  if (options.trace !== undefined || stray === undefined) return;
  const option = `--${stray.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new InputError(`${option} says something of a trace, and there is none without --trace <file>.`);
}

export function formatOf(path: string, name: string | undefined): TraceFormat {
  if (name !== undefined) {
    if (Object.hasOwn(FORMATS, name)) return FORMATS[name]!;
    throw new InputError(`There is no trace format ${quote(name)}; ${suggest(name, Object.keys(FORMATS))}`);
  }
  const byExtension = Object.values(FORMATS).flatMap((format) =>
    format.extensions.map((one) => [one, format] as const),
  );
  return formatFor(Object.fromEntries(byExtension), path, 'trace');
}

export function filterOf({ traceWho, traceKind, traceFrom, traceUntil }: TraceOptions): TraceFilter {
  const wrong = traceKind?.find((kind) => !KINDS.includes(kind));
  if (wrong !== undefined)
    throw new InputError(`--trace-kind: there is no kind ${quote(wrong)}; ${suggest(wrong, KINDS)}`);
  const from = traceFrom === undefined ? 0 : readInstant(traceFrom, '--trace-from');
  const until = traceUntil === undefined ? Infinity : readInstant(traceUntil, '--trace-until');
  if (from > until) throw new InputError(`--trace-from ${traceFrom} is later than --trace-until ${traceUntil}.`);
  return {
    from,
    until,
    ...(traceWho && { who: new Set(traceWho) }),
    ...(traceKind && { kinds: new Set(traceKind as RecordKind[]) }),
  };
}

/** Bytes. */
export function limitOf({ traceLimit = LIMIT }: TraceOptions): number {
  const [, digits, unit] = /^(\d+)(|kB|MB|GB)$/.exec(traceLimit) ?? [];
  const bytes = Number(digits) * (UNITS[unit ?? ''] ?? 1);
  if (bytes > 0) return bytes;
  throw new InputError(`--trace-limit takes a number of bytes such as 500kB, 100MB or 1GB, not ${quote(traceLimit)}.`);
}
