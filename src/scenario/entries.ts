/** Table entries field by field, for whoever wants to see what the IOMMU saw. */
import { type EntryView, entryView, type FieldView, rawView } from '../../hardware/index.ts';
import { hex, splitWords } from '../machine/index.ts';
import type { EventOf, Names } from '../recorder/index.ts';

/** The entry that an event tells of. */
export function viewOf({ what, address, value }: EventOf<'read'>, layoutOf: Names['layout']): EntryView {
  const words = splitWords(BigInt(value));
  const layout = layoutOf(what, words);
  if (layout === undefined) return rawView(what, words, words.length, address);
  return entryView(layout, splitWords(BigInt(value), layout.$.words), address, 0, what);
}

/** Fields that say nothing where they are 0: what is ignored, and permissions for the many pages of one entry. */
const QUIET = /^(?:IGNORED|PP\d+$)/;

/** The entry and under it its fields: bits, name, value, meaning. */
export function entryLines({ what, address, value, fields }: EntryView, place = 'at'): string[] {
  const shown = fields.filter(({ name, value: bits }) => bits !== 0n || !QUIET.test(name));
  const nameWidth = Math.max(0, ...shown.map(({ name }) => name.length));
  const textWidth = Math.max(0, ...shown.map(({ text }) => text.length));
  return [
    `${what} ${place} ${hex(address)} = ${hex(value)}`,
    ...shown.map(
      ({ bits, name, text, meaning }) =>
        `${bits.padStart(9)}  ${name.padEnd(nameWidth)}  ${text.padEnd(textWidth)}  ${meaning}`,
    ),
  ];
}

/** Fields that are not 0, on one line; of a flag that is set, the name says all. `named`: those whose 0 has a name too. */
export function fieldsText(fields: readonly FieldView[], named = false): string {
  return fields
    .filter(({ value, text }) => value !== 0n || (named && text.includes('(')))
    .map(({ name, bits, text }) => (bits.includes(':') || text.includes('(') ? `${name}=${text}` : name))
    .join(' ');
}
