/**
 * Builds the IVRS table from plain words. The blocks stand in the order in which they are given: of several descriptions
 * of one unit software takes the last whose type it knows.
 */

import {
  ACPI_ENTRY,
  ACPI_ENTRY_BYTES,
  BLOCK_HEADER,
  BLOCK_LAYOUTS,
  BlockType,
  type DeviceEntry,
  DeviceEntryType,
  ENTRY_LAYOUTS,
  entryBytes,
  IVRS,
  IVRS_SIGNATURE,
  type IvrsBlock,
  IvrsRevision,
  type IvrsTable,
} from '../../../hardware/amdvi/spec/ivrs.ts';
import type { AnyLayout } from '../../../hardware/bits/index.ts';
import { exactBytesOf } from './bytes.ts';
import { buildTable } from './table.ts';

/** The table's bytes. Throws a RangeError for what its fields cannot hold. */
export function buildIvrs({ info, blocks }: IvrsTable): number[] {
  const revision = blocks.some(({ type }) => type === 'IVHD_40') ? IvrsRevision.WITH_IVHD_40 : IvrsRevision.FIXED;
  return buildTable(IVRS_SIGNATURE, revision, [...exactBytesOf(IVRS, info), ...blocks.flatMap(blockBytes)]);
}

function blockBytes(block: IvrsBlock): number[] {
  if (block.type === 'other') {
    const { code, flags, body } = block;
    const length = BLOCK_HEADER.$.bits / 8 + body.length;
    return [...exactBytesOf(BLOCK_HEADER, { Type: code, Flags: flags, Length: length }), ...body];
  }
  const entries = 'entries' in block ? block.entries.flatMap(entryBytesOf) : [];
  const of: AnyLayout = BLOCK_LAYOUTS[block.type];
  const length = of.$.bits / 8 + entries.length;
  return [...exactBytesOf(of, { ...block.fields, Type: BlockType[block.type], Length: length }), ...entries];
}

function entryBytesOf(entry: DeviceEntry): number[] {
  if (entry.type === 'other') {
    const { code, body } = entry;
    if (entryBytes(code) !== body.length + 1) {
      throw new RangeError(`device entry: type ${code} does not have ${body.length + 1} bytes`);
    }
    return [code, ...body];
  }
  const Type = DeviceEntryType[entry.type];
  if (entry.type === 'ACPI_HID') {
    const { fields, uid } = entry;
    const values = { ...fields, Type, UIDLength: uid.length };
    return [...exactBytesOf(ACPI_ENTRY, values).slice(0, ACPI_ENTRY_BYTES), ...uid];
  }
  const of: AnyLayout = ENTRY_LAYOUTS[entry.type];
  return exactBytesOf(of, { ...entry.fields, Type });
}
