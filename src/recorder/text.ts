/**
 * Events as text: one line each, `time  who  what  (detail)`. The lines of a run are the same on every host, so that a
 * trace can be kept in version control and reviewed like code.
 */
import { hex } from '../../hardware/bits/index.ts';
import { formatTime } from '../../hardware/sim/index.ts';
import type { DecodedFields, TraceEvent } from './events.ts';

/** What happened in a few words, and its particulars. */
export interface Description {
  readonly what: string;
  readonly detail: string;
}

export function describe(event: TraceEvent): Description {
  switch (event.kind) {
    case 'hit':
      return { what: 'IOTLB hit', detail: `${event.requester}: ${hex(event.address)} is ${hex(event.to)}` };
    case 'miss':
      return { what: 'IOTLB miss', detail: `${event.requester}: ${hex(event.address)}` };
    case 'read':
      return {
        what: `reads ${event.what}`,
        detail: `at ${hex(event.address)}: ${fieldsText(event.fields) || event.value}`,
      };
    case 'translated': {
      const page = `page of ${sizeText(event.pageBytes)}`;
      return { what: 'translated', detail: `${event.requester}: ${hex(event.address)} is ${hex(event.to)}, ${page}` };
    }
    case 'fault': {
      const access = event.write ? 'write' : 'read';
      const pasid = event.pasid < 0 ? '' : `, PASID ${event.pasid}`;
      const recorded = event.recorded ? '' : ', not recorded';
      return {
        what: `fault ${hex(event.code)} ${event.name}`,
        detail: `${event.requester}, ${access} of ${hex(event.address)}${pasid}${recorded}`,
      };
    }
    case 'invalidated':
      return { what: `invalidates ${event.what}`, detail: pairs(Object.entries(event.detail)) };
    case 'register':
      return { what: `${event.name} written`, detail: hex(event.value) };
    case 'interrupt':
      return { what: 'interrupt', detail: `${hex(event.data)} to ${hex(event.address)}` };
    case 'packet':
      return { what: event.packet, detail: `to ${event.to}${event.detail === '' ? '' : `, ${event.detail}`}` };
    case 'log':
      return { what: event.message, detail: '' };
    case 'call':
      return { what: `${event.call} = ${event.result}`, detail: '' };
    case 'step':
      return { what: `step ${event.number}`, detail: event.text };
    case 'note':
      return { what: 'note', detail: event.text };
    case 'expectation': {
      const found = event.holds ? '' : `; expected ${event.expected ?? 'true'}, got ${event.actual ?? 'false'}`;
      return { what: event.holds ? 'as expected' : 'NOT AS EXPECTED', detail: event.sentence + found };
    }
  }
}

/** One line of a text trace, without its line end. */
export function formatLine(event: TraceEvent): string {
  const { what, detail } = describe(event);
  const line = `${formatTime(event.at).padStart(14)}  ${event.who.padEnd(8)}  ${what}`;
  return detail === '' ? line : `${line}  (${detail})`;
}

/** Plain data as one line of JSON, without its end, in which 64-bit values are hexadecimal strings. */
export function formatJson(data: unknown): string {
  return JSON.stringify(data, (_, value: unknown) => (typeof value === 'bigint' ? hex(value) : value));
}

/** A size as people say it: 4 KiB, 2 MiB, 64 bytes. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = bytes;
  while (size >= 1024 && size % 1024 === 0 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size} ${units[unit]}`;
}

/** Fields that are not zero; what is zero says little on one line. */
function fieldsText(fields: DecodedFields): string {
  return pairs(Object.entries(fields).filter(([, value]) => value !== 0n));
}

function pairs(entries: readonly (readonly [string, number | bigint | string])[]): string {
  return entries.map(([name, value]) => `${name}=${typeof value === 'string' ? value : small(value)}`).join(' ');
}

/** Small numbers in decimal, addresses and masks in hexadecimal. */
function small(value: number | bigint): string {
  return value < 10 ? String(value) : hex(value);
}
