/**
 * Finds a table that firmware left in memory: root pointer, table of tables, table (ACPI 5.2.5 to 5.2.8).
 *
 * Nothing there is trusted. Only reserved memory is read, lengths are held against it, and every failure is a sentence.
 */

import {
  characters,
  RSDP,
  RSDP_FIRST_BYTES,
  RSDP_SIGNATURE,
  TABLE_HEADER,
  XSDT_ENTRY_BYTES,
} from '../../../hardware/acpi/spec.ts';
import { hex } from '../../../hardware/bits/index.ts';
import type { CpuMemory, Firmware } from '../bus.ts';
import { fieldsAt, isSound } from './bytes.ts';

const RSDP_BYTES = RSDP.$.bits / 8;
const HEADER_BYTES = TABLE_HEADER.$.bits / 8;
/** Root pointers of this revision and later have a 64-bit table of tables. */
const FIRST_REVISION = 2n;

/** The whole table with this signature; `undefined` when there is none; or what is wrong. */
export function findTable(memory: CpuMemory, firmware: Firmware, signature: string): Uint8Array | string | undefined {
  const read = (address: bigint, length: number): Uint8Array | undefined =>
    isReserved(firmware, address, length) ? memory.read(Number(address), length) : undefined;
  const xsdt = tableOfTables(read, BigInt(firmware.rsdp));
  if (typeof xsdt === 'string') return xsdt;
  const view = new DataView(xsdt.buffer, xsdt.byteOffset, xsdt.byteLength);
  for (let at = HEADER_BYTES; at + XSDT_ENTRY_BYTES <= xsdt.length; at += XSDT_ENTRY_BYTES) {
    const address = view.getBigUint64(at, true);
    const header = read(address, HEADER_BYTES);
    if (header !== undefined && fieldsAt(TABLE_HEADER, header, 0).SIGNATURE === characters(signature)) {
      return tableAt(read, address, signature);
    }
  }
  return undefined;
}

/** Reads reserved memory; `undefined` where there is something else. */
type Read = (address: bigint, length: number) => Uint8Array | undefined;

function isReserved({ reserved }: Firmware, address: bigint, length: number): boolean {
  return reserved.some(([start, size]) => address >= start && address + BigInt(length) <= start + size);
}

function tableOfTables(read: Read, at: bigint): Uint8Array | string {
  const bytes = read(at, RSDP_BYTES);
  if (bytes === undefined) return `the root pointer at ${hex(at)} is not in reserved memory`;
  const { SIGNATURE, REVISION, LENGTH, XSDT_ADDRESS } = fieldsAt(RSDP, bytes, 0);
  if (SIGNATURE !== characters(RSDP_SIGNATURE)) return `there is no root pointer at ${hex(at)}`;
  const isWhole = LENGTH === BigInt(RSDP_BYTES) && isSound(bytes.subarray(0, RSDP_FIRST_BYTES)) && isSound(bytes);
  if (REVISION < FIRST_REVISION || !isWhole) return `the root pointer at ${hex(at)} is damaged`;
  return tableAt(read, XSDT_ADDRESS, 'XSDT');
}

/** The table at `address` if it is what it should be, is there as a whole, and sums up to 0. */
function tableAt(read: Read, address: bigint, signature: string): Uint8Array | string {
  const header = read(address, HEADER_BYTES);
  const name = `the ${signature} table at ${hex(address)}`;
  if (header === undefined) return `${name} is not in reserved memory`;
  const { SIGNATURE, LENGTH } = fieldsAt(TABLE_HEADER, header, 0);
  if (SIGNATURE !== characters(signature)) return `${name} is something else`;
  const bytes = LENGTH < HEADER_BYTES ? undefined : read(address, Number(LENGTH));
  if (bytes === undefined) return `${name} has an impossible length of ${LENGTH} bytes`;
  return isSound(bytes) ? bytes : `${name} has a wrong checksum`;
}
