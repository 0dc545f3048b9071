/** What a descriptor can ask for, and the bitmaps that say which of it is possible. */
import { type Access, bit, type FieldSpec } from '../../../bits/index.ts';

/** Operations, by their codes. */
export const Opcode = {
  NOOP: 0x00,
  BATCH: 0x01,
  DRAIN: 0x02,
  MEMMOVE: 0x03,
  MEMFILL: 0x04,
  COMPARE: 0x05,
  COMPVAL: 0x06,
  CR_DELTA: 0x07,
  AP_DELTA: 0x08,
  DUALCAST: 0x09,
  TRANSL_FETCH: 0x0a,
  CRCGEN: 0x10,
  COPY_CRC: 0x11,
  DIF_CHECK: 0x12,
  DIF_INS: 0x13,
  DIF_STRP: 0x14,
  DIF_UPDT: 0x15,
  DIX_GEN: 0x17,
  CFLUSH: 0x20,
} as const;

export type OpcodeName = keyof typeof Opcode;

/** Bits of a bitmap of operations: 256, of which those without an operation are reserved. */
export const OPCODE_BITS = 256;

/** One bit per operation, from bit `first` on. */
export function opcodeBits(access: Access, doc: string, first = 0): Readonly<Record<OpcodeName, FieldSpec>> {
  const bits = Object.entries(Opcode).map(([name, code]) => [name, bit(first + code, access, doc)] as const);
  return Object.fromEntries(bits) as Record<OpcodeName, FieldSpec>;
}
