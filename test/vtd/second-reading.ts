/**
 * A second reading of the second stage (vtd.md sections 3.1, 3.3 and 3.5), one bit and one entry at a time in bigints:
 * what the models are held against.
 */

export interface Rules {
  readonly haw: number;
  readonly sc: boolean;
  readonly sslps: number;
  readonly zlr: boolean;
}

/** What a bit of an entry is for the unit: an entry with R or W and a reserved bit set is a fault. */
export function isReserved(bit: number, level: number, leaf: boolean, { haw, sc, sslps }: Rules): boolean {
  if (bit === 62) return true; // IW, while SSIRWE is 0
  if (bit === 7) {
    if (level >= 4) return true;
    return leaf && ((level === 2 && (sslps & 1) === 0) || (level === 3 && (sslps & 2) === 0));
  }
  if (bit === 11) return leaf ? !sc : true;
  if (bit >= 12 && bit <= 51) {
    if (bit >= haw) return true;
    if (leaf && level === 3 && bit <= 29) return true;
    return leaf && level === 2 && bit <= 20;
  }
  return false;
}

export interface Found {
  readonly kind: 'page';
  readonly address: bigint;
  readonly size: bigint;
  readonly read: boolean;
  readonly write: boolean;
  readonly snoop: boolean;
}

export type WalkResult = Found | { readonly kind: 'absent' | 'reserved' | 'top unreadable' | 'unreadable' };

/** `fetch` gives `undefined` where the access results in an error. */
export function walk(
  fetch: (address: bigint) => bigint | undefined,
  rules: Rules,
  top: bigint,
  levels: number,
  address: bigint,
): WalkResult {
  let table = top;
  let read = true;
  let write = true;
  for (let level = levels; level >= 1; level--) {
    const shift = BigInt(12 + 9 * (level - 1));
    const entry = fetch(table + ((address >> shift) % 512n) * 8n);
    if (entry === undefined) return { kind: level === levels ? 'top unreadable' : 'unreadable' };
    if ((entry & 3n) === 0n) return { kind: 'absent' };
    const leaf = level === 1 || (level <= 3 && (entry & 0x80n) !== 0n);
    for (let bit = 0; bit < 64; bit++) {
      if ((entry >> BigInt(bit)) & 1n && isReserved(bit, level, leaf, rules)) return { kind: 'reserved' };
    }
    read &&= (entry & 1n) !== 0n;
    write &&= (entry & 2n) !== 0n;
    table = entry & 0x000f_ffff_ffff_f000n;
    if (leaf) {
      const size = 1n << shift;
      const base = table - (table % size);
      return { kind: 'page', address: base + (address % size), size, read, write, snoop: (entry & 0x800n) !== 0n };
    }
  }
  throw new Error('a walk has a last level');
}

/** The output address, or the fault that the access ends in. */
export function judge(found: WalkResult, access: { write: boolean; zeroLength?: boolean }, { zlr }: Rules) {
  if (found.kind === 'top unreadable') return '03h';
  if (found.kind === 'unreadable') return '07h';
  if (found.kind === 'reserved') return '0Ch';
  if (found.kind !== 'page') return access.write ? '05h' : '06h';
  if (access.write && !found.write) return '05h';
  const excused = access.zeroLength === true && zlr && found.write;
  if (!access.write && !found.read && !excused) return '06h';
  return found.address >> 20n === 0xfeen ? '0Eh' : found.address;
}
