/** A device table entry from its fields, by literal bits (amd-vi.md section 2). */

/** Fields of a device table entry (section 2). */
export interface DeviceFields {
  readonly v?: boolean;
  readonly tv?: boolean;
  readonly had?: number;
  readonly mode?: number;
  readonly root?: bigint;
  readonly ir?: boolean;
  readonly iw?: boolean;
  readonly domain?: number;
  /** GV with the root of the GCR3 table. */
  readonly gcr3?: bigint;
  readonly glx?: number;
  readonly giov?: boolean;
  readonly fiveLevels?: boolean;
  /** I. */
  readonly deviceTlb?: boolean;
  /** Further bits of the whole entry that are 1. */
  readonly bits?: readonly number[];
}

export function deviceEntry(fields: DeviceFields): bigint[] {
  const { v = true, tv = true, had = 0, mode = 0, root = 0n, ir = true, iw = true, domain = 0 } = fields;
  const { gcr3, glx = 0, giov = false, fiveLevels = false, deviceTlb = false, bits = [] } = fields;
  let entry = put(v, 0) | put(tv, 1) | (BigInt(had) << 7n) | (BigInt(mode) << 9n);
  if (mode !== 0) entry |= root;
  entry |= put(giov, 54) | put(ir, 61) | put(iw, 62) | (BigInt(domain) << 64n) | put(deviceTlb, 96);
  if (gcr3 !== undefined) {
    entry |= put(true, 55) | (BigInt(glx) << 56n) | put(fiveLevels, 182);
    // The root of the GCR3 table, in three pieces.
    entry |= ((gcr3 >> 12n) & 7n) << 58n;
    entry |= ((gcr3 >> 15n) & 0xffffn) << 80n;
    entry |= (gcr3 >> 31n) << 107n;
  }
  for (const bit of bits) entry |= 1n << BigInt(bit);
  return [0n, 64n, 128n, 192n].map((at) => (entry >> at) & 0xffff_ffff_ffff_ffffn);
}

const put = (value: boolean, bit: number): bigint => (value ? 1n << BigInt(bit) : 0n);
