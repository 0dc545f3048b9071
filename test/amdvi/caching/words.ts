/** Table entries in literal bits (amd-vi.md sections 2 and 3). */
import type { Entry } from '../../caching/radix.ts';
import type { Device, HostEntry, Setting } from './world.ts';

const at = (n: number, on: boolean): bigint => (on ? 1n << BigInt(n) : 0n);

/** The four quadwords of a device table entry. */
export function deviceWords(device: Device, { gcr3Levels, guestLevels, hostFlags }: Setting): readonly bigint[] {
  const { kind, interrupts, tables, rights, giov, silent } = device;
  const { domain, host, gcr3 } = tables;
  const root = BigInt(gcr3 ?? 0);
  const guest = gcr3 === null ? 0n : at(54, giov) | at(55, true) | (BigInt(gcr3Levels - 1) << 56n);
  return [
    at(0, kind !== 'absent') |
      at(1, kind !== 'blocked') |
      at(2, kind === 'illegal') |
      (hostFlags ? 0x180n : 0n) |
      (BigInt(host?.level ?? 0) << 9n) |
      BigInt(host?.top ?? 0) |
      guest |
      (((root >> 12n) & 7n) << 58n) |
      (BigInt(rights) << 61n),
    BigInt(domain) | (((root >> 15n) & 0xffffn) << 16n) | at(34, silent) | ((root >> 31n) << 43n),
    at(0, interrupts) | at(54, guestLevels === 5),
    0n,
  ];
}

/** `unused` leaves the accessed and dirty flags to hardware; `ignored` sets bits that mean nothing. */
export function hostWord({ kind, target, rights, next, shift }: HostEntry, level: number, marks: Marks): bigint {
  const flags = (marks.isUnused ? 0n : 0x60n) | (marks.hasIgnored ? 0x8000_0000_0000_011en : 0n);
  if (kind === 'none') return flags;
  // Bit 52 of an entry that leads to a table is reserved.
  if (kind === 'bad') return 0x6010_0000_0000_0201n | flags;
  const common = flags | 1n | (BigInt(rights) << 61n);
  if (kind === 'table') return common | BigInt(target) | (BigInt(next) << 9n);
  const size = 1n << BigInt(shift);
  if (shift === 12 + 9 * (level - 1)) return common | BigInt(target);
  return common | ((BigInt(target) | (size - 1n)) & ~(size >> 1n) & ~0xfffn) | 0xe00n;
}

export interface Marks {
  readonly isUnused: boolean;
  readonly hasIgnored: boolean;
}

/** Rights of a guest entry: 2 RW, 4 US. */
export function guestWord({ kind, target, rights }: Entry, level: number, { isUnused, hasIgnored }: Marks): bigint {
  if (kind === 'none') return 0x8000_0000_0000_0000n;
  const flags = (isUnused ? 1n : 0x61n) | (hasIgnored ? 0x0020_0000_0000_0e00n : 0n);
  // Bit 13 of a page of 2 MiB or more is reserved, and so is PS above level 3.
  if (kind === 'bad') return flags | 0x2080n;
  return BigInt(target) | BigInt(rights) | flags | (kind === 'leaf' && level > 1 ? 0x80n : 0n);
}

export function gcr3Word({ kind, target }: Entry): bigint {
  if (kind === 'none') return 0x2n;
  return kind === 'bad' ? 0x3n : BigInt(target) | 1n;
}
