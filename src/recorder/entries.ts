/** Table entries field by field, for whoever wants to see what the IOMMU saw. */
import { type Field, hex, highOf, lowOf } from '../../hardware/bits/index.ts';
import type { EventOf } from './events.ts';
import type { Names } from './recorder.ts';

/** The entry, and under it a line per field: bits, name, value, meaning. Ignored fields that are 0 are left out. */
export function entryLines({ what, address, value, fields }: EventOf<'read'>, layoutOf: Names['layout']): string[] {
  const words = Uint32Array.of(lowOf(BigInt(value)), highOf(BigInt(value)));
  const shown = (layoutOf(what, words)?.$.fields ?? []).filter(
    ({ name }) => fields[name] !== 0n || !name.startsWith('IGNORED'),
  );
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  return [
    `${what} at ${hex(address)} = ${value}`,
    ...shown.map((field) => {
      const { hi, lo, doc } = field.spec;
      const place = (hi === lo ? `${hi}` : `${hi}:${lo}`).padStart(6);
      return `  ${place}  ${field.name.padEnd(width)}  ${fieldText(field, fields[field.name]!)}  ${doc}`;
    }),
  ];
}

/** A pointer's value is written as the address that it means. */
function fieldText({ width, spec }: Field, value: bigint): string {
  const isPointer = width >= 20 && (spec.lo & 63) >= 12;
  return hex(isPointer ? value << BigInt(spec.lo & 63) : value).padEnd(12);
}
