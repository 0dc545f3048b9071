/** Invalidations as software asks for them, and their commands in literal bits (amd-vi.md sections 4.1 and 4.2). */
import { PAGE, type Range } from '../../caching/radix.ts';

export interface DeviceCommand {
  readonly op: 'device';
  readonly sid: number;
}

export interface PagesCommand extends Range {
  readonly op: 'pages';
  readonly domain: number;
  /** With GN; -1 for addresses of the host table. */
  readonly pasid: number;
  /** PDE. */
  readonly directories: boolean;
}

export type Command = DeviceCommand | PagesCommand | { readonly op: 'all' };

/** Order of the range that is every page. */
export const EVERY_PAGE = 52;
/** The largest range that is not. */
export const MAX_ORDER = 39;

export const everything: Command = { op: 'all' };
export const whole = (domain: number, pasid: number): PagesCommand => ({
  ...{ op: 'pages', domain, pasid, address: 0, order: EVERY_PAGE, directories: true },
});

/** A range as address bits give its size: all lower ones, below the lowest 0. */
function addressField({ address, order }: Range): bigint {
  if (order === 0) return BigInt(address);
  if (order === EVERY_PAGE) return 0x7fff_ffff_ffff_f001n;
  const size = BigInt(PAGE) << BigInt(order);
  return (BigInt(address) & ~(size - 1n)) | (size / 2n - 0x1000n) | 1n;
}

export function commandWords(command: Command): readonly [lo: bigint, hi: bigint] {
  if (command.op === 'all') return [0x8000_0000_0000_0000n, 0n];
  if (command.op === 'device') return [0x2000_0000_0000_0000n | BigInt(command.sid), 0n];
  const { domain, pasid, directories } = command;
  const guest = pasid < 0 ? 0n : 4n;
  return [
    0x3000_0000_0000_0000n | (BigInt(domain) << 32n) | (pasid < 0 ? 0n : BigInt(pasid)),
    addressField(command) | (directories ? 2n : 0n) | guest,
  ];
}
