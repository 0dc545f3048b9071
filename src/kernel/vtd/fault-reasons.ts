/** What programs are told of fault reasons (VT-d 7.1.3, table 30), which are the vendor's own: the same that they would hear of another's. */
import { IoasidFaultReason } from '../../uapi/index.ts';

const { UNKNOWN, PASID_FETCH, BAD_PASID_ENTRY, PASID_INVALID, WALK_EABT, PTE_FETCH, PERMISSION, OOR_ADDRESS } =
  IoasidFaultReason;

/** Codes of FRCD_REG.FR. What is not here is about the root and context tables, which are the kernel's business alone. */
const CODES: readonly (readonly [IoasidFaultReason, readonly number[]])[] = [
  [PASID_FETCH, [0x50, 0x58]],
  [BAD_PASID_ENTRY, [0x51, 0x52, 0x59, 0x5a, 0x5b]],
  [PASID_INVALID, [0x31, 0x45, 0x46, 0x48, 0x49, 0x89]],
  // Tables that could not be read, and flags in them that could not be updated.
  [WALK_EABT, [0x07, 0x70, 0x73, 0x77, 0x78, 0x7b, 0x7c, 0x7d, 0x90, 0x91, 0xa0, 0xa2]],
  // Entries that are not present, have reserved bits set, or lie where the second stage translates nothing.
  [PTE_FETCH, [0x0c, 0x71, 0x72, 0x75, 0x76, 0x79, 0x7a, 0xa1]],
  [PERMISSION, [0x05, 0x06, 0x5c, 0x5d, 0x81, 0x82, 0x85, 0x86, 0xa3, 0xa4, 0xa5]],
  // Also what lies in the interrupt range.
  [OOR_ADDRESS, [0x04, 0x0e, 0x60, 0x74, 0x80, 0x83, 0x84, 0x87]],
];

const REASONS: ReadonlyMap<number, IoasidFaultReason> = new Map(
  CODES.flatMap(([reason, codes]) => codes.map((code) => [code, reason] as const)),
);

export function reasonOf(code: number): IoasidFaultReason {
  return REASONS.get(code) ?? UNKNOWN;
}
