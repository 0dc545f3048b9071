/** Plain data as one line of JSON, in which 64-bit values are hexadecimal text. */
import { hex } from '../machine/index.ts';

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? hex(part) : part));
}
