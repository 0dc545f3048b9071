/**
 * How firmware describes a machine in memory: ACPI's root pointer, its table header and the table of tables (ACPI 6.5,
 * 5.2.5 to 5.2.8). Structures in memory have no access classes; multi-byte fields need not be aligned there.
 */
import { bits, layout } from '../bits/index.ts';

/** Four or eight characters as a field holds them: the first in the lowest byte. */
export function characters(text: string): bigint {
  return [...text].reduceRight((value, character) => (value << 8n) | BigInt(character.charCodeAt(0)), 0n);
}

/** A kernel that was told nothing looks for the root pointer here, at every 16 bytes. */
export const RSDP_SEARCH = { start: 0xe_0000, end: 0x10_0000, step: 16 } as const;

export const RSDP_SIGNATURE = 'RSD PTR ';
/** The first checksum covers these bytes, all that revision 0 had. */
export const RSDP_FIRST_BYTES = 20;

export const RSDP = layout('RSDP', 288, 'ACPI 5.2.5.3', {
  SIGNATURE: bits(63, 0, 'RW', '"RSD PTR "'),
  CHECKSUM: bits(71, 64, 'RW', 'Makes the first 20 bytes sum up to 0'),
  OEMID: bits(119, 72, 'RW', 'Who made the firmware'),
  REVISION: bits(127, 120, 'RW', '2 since ACPI 2.0'),
  RSDT_ADDRESS: bits(159, 128, 'RW', 'Physical address of the 32-bit table of tables'),
  LENGTH: bits(191, 160, 'RW', 'Bytes of this structure'),
  XSDT_ADDRESS: bits(255, 192, 'RW', 'Physical address of the 64-bit table of tables'),
  EXTENDED_CHECKSUM: bits(263, 256, 'RW', 'Makes the whole structure sum up to 0'),
});

/** Every table begins like this. */
export const TABLE_HEADER = layout('ACPI table header', 288, 'ACPI 5.2.6', {
  SIGNATURE: bits(31, 0, 'RW', 'Four characters'),
  LENGTH: bits(63, 32, 'RW', 'Bytes of the table, this header included'),
  REVISION: bits(71, 64, 'RW', 'Of the structure that the signature names'),
  CHECKSUM: bits(79, 72, 'RW', 'Makes the table sum up to 0'),
  OEMID: bits(127, 80, 'RW', 'Who made the firmware'),
  OEM_TABLE_ID: bits(191, 128, 'RW', 'Which of its tables'),
  OEM_REVISION: bits(223, 192, 'RW', 'Revision of that table'),
  CREATOR_ID: bits(255, 224, 'RW', 'Who made the compiler'),
  CREATOR_REVISION: bits(287, 256, 'RW', 'Revision of the compiler'),
});

/** The XSDT goes on with 64-bit addresses of tables. */
export const XSDT_ENTRY_BYTES = 8;
