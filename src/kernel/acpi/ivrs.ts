/**
 * Decodes an IVRS table into plain words. The bytes are firmware's and may be anything: whatever cannot be right makes
 * the whole table unusable, as one sentence, because nobody knows where its next block or entry begins.
 */

import { TABLE_HEADER } from '../../../hardware/acpi/spec.ts';
import {
  ACPI_ENTRY,
  ACPI_ENTRY_BYTES,
  BLOCK_HEADER,
  BLOCK_LAYOUTS,
  BlockType,
  type DeviceEntry,
  type DeviceEntryName,
  DeviceEntryType,
  ENTRY_LAYOUTS,
  entryBytes,
  type Fields,
  fieldsOf,
  IVRS,
  type IvrsBlock,
  type IvrsTable,
} from '../../../hardware/amdvi/spec/ivrs.ts';
import type { AnyLayout } from '../../../hardware/bits/index.ts';
import { fieldsAt } from './bytes.ts';

const START = (TABLE_HEADER.$.bits + IVRS.$.bits) / 8;
const HEADER_BYTES = BLOCK_HEADER.$.bits / 8;

const BLOCKS = new Map(
  Object.entries(BlockType).map(([name, code]) => [code as number, name as keyof typeof BlockType]),
);
const ENTRIES = new Map(
  Object.entries(DeviceEntryType).map(([name, code]) => [code as number, name as DeviceEntryName]),
);

/** An IVRS table whose header is known to be sound; or what is wrong with the rest. */
export function decodeIvrs(bytes: Uint8Array): IvrsTable | string {
  if (bytes.length < START) return `the IVRS table has only ${bytes.length} bytes`;
  const blocks: IvrsBlock[] = [];
  for (let at = START; at < bytes.length; ) {
    const left = bytes.length - at;
    const length = left < HEADER_BYTES ? 0 : Number(fieldsAt(BLOCK_HEADER, bytes, at).Length);
    if (length < HEADER_BYTES || length > left) {
      return `the IVRS table has a block at byte ${at} whose length cannot be`;
    }
    const block = blockOf(bytes.subarray(at, at + length));
    if (block === undefined) return `the IVRS table has a block at byte ${at} that is damaged`;
    blocks.push(block);
    at += length;
  }
  return { info: fieldsIn(IVRS, bytes.subarray(TABLE_HEADER.$.bits / 8)), blocks };
}

/** `bytes` are those of one block. `undefined` when they are too few or its device entries do not fit. */
function blockOf(bytes: Uint8Array): IvrsBlock | undefined {
  const { Type, Flags } = fieldsAt(BLOCK_HEADER, bytes, 0);
  const type = BLOCKS.get(Number(Type));
  if (type === undefined) {
    return { type: 'other', code: Number(Type), flags: Number(Flags), body: [...bytes.subarray(HEADER_BYTES)] };
  }
  const of = BLOCK_LAYOUTS[type];
  const size = of.$.bits / 8;
  if (bytes.length < size) return undefined;
  const fields = fieldsIn(of, bytes);
  // What follows the layout of an IVMD block says nothing.
  if (type.startsWith('IVMD')) return { type, fields } as IvrsBlock;
  const entries = entriesIn(bytes.subarray(size));
  return entries && ({ type, fields, entries } as IvrsBlock);
}

/** The device entries that fill `bytes`; `undefined` when they do not. */
function entriesIn(bytes: Uint8Array): DeviceEntry[] | undefined {
  const entries: DeviceEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes.subarray(at));
    if (length === undefined || length > bytes.length - at) return undefined;
    entries.push(entryOf(bytes.subarray(at, at + length)));
    at += length;
  }
  return entries;
}

function lengthOf(bytes: Uint8Array): number | undefined {
  const type = bytes[0]!;
  if (type !== DeviceEntryType.ACPI_HID) return entryBytes(type);
  return ACPI_ENTRY_BYTES + Number(fieldsAt(ACPI_ENTRY, bytes, 0).UIDLength);
}

function entryOf(bytes: Uint8Array): DeviceEntry {
  const code = bytes[0]!;
  const type = ENTRIES.get(code);
  if (type === undefined) return { type: 'other', code, body: [...bytes.subarray(1)] };
  const fields = fieldsIn(ENTRY_LAYOUTS[type], bytes);
  const entry = type === 'ACPI_HID' ? { type, fields, uid: [...bytes.subarray(ACPI_ENTRY_BYTES)] } : { type, fields };
  return entry as DeviceEntry;
}

function fieldsIn<L extends AnyLayout>(of: L, bytes: Uint8Array): Fields<L> {
  return fieldsOf<AnyLayout>(of, fieldsAt(of, bytes, 0)) as Fields<L>;
}
