/** ACPI tables as bytes: the header with its checksum, and the chain that leads to a table. */
import {
  characters,
  RSDP,
  RSDP_FIRST_BYTES,
  RSDP_SIGNATURE,
  TABLE_HEADER,
  XSDT_ENTRY_BYTES,
} from '../../../hardware/acpi/spec.ts';
import { bytesOf, checksum } from './bytes.ts';

const OEM = characters('IOASIM');
const OEM_TABLE = characters('IOASIM  ');
const CREATOR = characters('IOAS');

/** A table with this body. */
export function buildTable(signature: string, revision: number, body: readonly number[]): number[] {
  const header = (sum: number): number[] =>
    bytesOf(TABLE_HEADER, {
      SIGNATURE: characters(signature),
      LENGTH: TABLE_HEADER.$.bits / 8 + body.length,
      REVISION: revision,
      CHECKSUM: sum,
      OEMID: OEM,
      OEM_TABLE_ID: OEM_TABLE,
      OEM_REVISION: 1,
      CREATOR_ID: CREATOR,
      CREATOR_REVISION: 1,
    });
  return [...header(checksum([...header(0), ...body])), ...body];
}

/** The table of the tables at `addresses`. */
export function buildXsdt(addresses: readonly number[]): number[] {
  const entries = addresses.flatMap((address) =>
    Array.from({ length: XSDT_ENTRY_BYTES }, (_, i) => Math.floor(address / 256 ** i) % 256),
  );
  return buildTable('XSDT', 1, entries);
}

/** The root pointer, which names no 32-bit table of tables. */
export function buildRsdp(xsdt: number): number[] {
  const values = {
    SIGNATURE: characters(RSDP_SIGNATURE),
    OEMID: OEM,
    REVISION: 2,
    LENGTH: RSDP.$.bits / 8,
    XSDT_ADDRESS: xsdt,
  };
  const CHECKSUM = checksum(bytesOf(RSDP, values).slice(0, RSDP_FIRST_BYTES));
  const EXTENDED_CHECKSUM = checksum(bytesOf(RSDP, { ...values, CHECKSUM }));
  return bytesOf(RSDP, { ...values, CHECKSUM, EXTENDED_CHECKSUM });
}
