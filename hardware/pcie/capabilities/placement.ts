/** Gives each capability a place in its list: where it wants to stand, or the first place with room. */
import type { RegisterFile } from '../../bits/index.ts';
import {
  CAPABILITIES_START,
  CONFIG_BYTES,
  CONVENTIONAL_CONFIG_BYTES,
  EXTENDED_CAPABILITIES_START,
} from '../spec/index.ts';
import type { Capability } from './capability.ts';

export interface PlacedCapability {
  readonly capability: Capability;
  readonly offset: number;
}

/** Places begin at multiples of this, so that a dump of configuration space is easy to read. */
const GRANULE = 16;

/** The capabilities of one list with their places, in ascending order. Throws when one finds no room. */
export function arrange(capabilities: readonly Capability[], extended: boolean): PlacedCapability[] {
  const start = extended ? EXTENDED_CAPABILITIES_START : CAPABILITIES_START;
  const end = extended ? CONFIG_BYTES : CONVENTIONAL_CONFIG_BYTES;
  const placed: PlacedCapability[] = [];
  const isFree = (offset: number, bytes: number) =>
    placed.every((other) => offset + bytes <= other.offset || offset >= other.offset + other.capability.bytes);
  const put = (capability: Capability, offset: number) => {
    if (offset < start || offset + capability.bytes > end || !isFree(offset, capability.bytes)) {
      throw new RangeError(`no room for ${capability.shape.layout.$.name} at 0x${offset.toString(16)}`);
    }
    placed.push({ capability, offset });
  };
  const members = capabilities.filter(({ shape }) => shape.extended === extended);
  for (const one of members) if (one.shape.preferred !== undefined) put(one, one.shape.preferred);
  for (const one of members) {
    if (one.shape.preferred !== undefined) continue;
    let offset = start;
    while (!isFree(offset, one.bytes)) offset += GRANULE;
    put(one, offset);
  }
  return placed.sort((a, b) => a.offset - b.offset);
}

/** Puts the capabilities of one list into a file that has their registers, each pointing to the next. */
export function link(file: RegisterFile, list: readonly PlacedCapability[]): void {
  list.forEach(({ capability, offset }, i) => {
    capability.place(file, offset, list[i + 1]?.offset ?? 0);
  });
}
