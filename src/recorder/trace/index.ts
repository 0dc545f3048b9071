import { CHROME } from './chrome.ts';
import { JSON_LINES, TEXT } from './lines.ts';
import type { TraceFormat } from './record.ts';
import { VCD } from './vcd.ts';

export * from './filter.ts';
export * from './record.ts';
export * from './source.ts';
export * from './trace.ts';

/** Every format of a trace, by name. A further one is a `TraceFormat`, and a line here. */
export const TRACE_FORMATS = { text: TEXT, jsonl: JSON_LINES, chrome: CHROME, vcd: VCD } as const satisfies Readonly<
  Record<string, TraceFormat>
>;
