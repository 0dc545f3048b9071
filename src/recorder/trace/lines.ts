/** Traces of one line for each record: as text, which tells of events only, and as JSON, which tells of everything. */
import { formatJson, formatLine } from '../text.ts';
import type { TraceFormat, TraceRecord } from './record.ts';

export const TEXT: TraceFormat = {
  extensions: ['txt', 'log'],
  meaning: 'text, one event per line',
  make: (out) => ({
    section: ({ scenario, machine }) => out(`# ${scenario} on ${machine}\n`),
    write: (record) => {
      if (record.type === 'event') out(`${formatLine(record.event)}\n`);
    },
    end: () => {},
    close: () => {},
  }),
};

export const JSON_LINES: TraceFormat = {
  extensions: ['jsonl'],
  meaning: 'JSON, one object per line, for scripts',
  make: (out) => ({
    section: ({ scenario, machine }) => out(`${JSON.stringify({ scenario, machine })}\n`),
    write: (record) => out(`${json(record)}\n`),
    end: () => {},
    close: () => {},
  }),
};

/** An event as it is; anything else with its type as its kind. */
function json(record: TraceRecord): string {
  if (record.type === 'event') return formatJson(record.event);
  const { type: kind, ...facts } = record;
  return JSON.stringify({ kind, ...facts });
}
