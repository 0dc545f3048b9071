/** Values in expectations: when two are the same, and how one is written in a sentence. */
import { hex } from '../machine/index.ts';
import { errnoName } from '../uapi/index.ts';

/** True when two plain values have the same shape and content. A number and a bigint of the same value are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (isInteger(a) && isInteger(b)) return BigInt(a) === BigInt(b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isList(a) !== isList(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSame(at(a, name), at(b, name)))
  );
}

/** A value as a report shows it. Long lists are cut, and what looks like an errno is named. */
export function show(value: unknown): string {
  if (isInteger(value) && value < 0 && errnoName(value) !== undefined) return `${value} (${errnoName(value)})`;
  if (typeof value === 'bigint') return hex(value);
  if (value instanceof Uint8Array) return showBytes(value);
  if (Array.isArray(value)) return showList(value);
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([name, field]) => `${name}: ${show(field)}`)
      .join(', ')} }`;
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

const SHOWN_ITEMS = 4;

function showList(items: readonly unknown[]): string {
  const shown = items.slice(0, SHOWN_ITEMS).map(show).join(', ');
  return items.length > SHOWN_ITEMS ? `[${shown}, … (${items.length} items)]` : `[${shown}]`;
}

const SHOWN_BYTES = 16;

function showBytes(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, SHOWN_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > SHOWN_BYTES ? `${shown} … (${bytes.length} bytes)` : shown;
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
}

function isList(value: object): boolean {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

function at(value: object, name: string): unknown {
  return (value as Record<string, unknown>)[name];
}
