/** Invalidations as software asks for them, and their descriptors in literal bits (vtd.md section 5.2). */
import { PAGE, type Range } from '../../caching/radix.ts';

interface Domain<Op extends string, By extends string> {
  readonly op: Op;
  readonly by: By;
  readonly did: number;
}

interface WithPasid {
  readonly pasid: number;
}

export type ContextCommand =
  | Domain<'context', 'global'>
  | Domain<'context', 'domain'>
  | (Domain<'context', 'device'> & { readonly sid: number; readonly fm: number });
export type PasidCommand = Domain<'pasid', 'global' | 'domain' | 'pasid'> & WithPasid;
export type IotlbCommand = Domain<'iotlb', 'global'> | Domain<'iotlb', 'domain'> | (Domain<'iotlb', 'page'> & Pages);
export type FirstCommand = (Domain<'first', 'pasid'> & WithPasid) | (Domain<'first', 'page'> & WithPasid & Pages);
/** To the device-TLB of a requester. `pasid` is -1 for what it holds without PASID, and ANY_PASID for all else. */
export type DeviceCommand = { readonly op: 'device'; readonly sid: number } & WithPasid & Range;
export type HostCommand =
  | Domain<'host', 'global'>
  | Domain<'host', 'domain'>
  | (Domain<'host', 'page'> & Range & { readonly levels: number });
export type Command = ContextCommand | PasidCommand | IotlbCommand | FirstCommand | DeviceCommand | HostCommand;

export const ANY_PASID = -2;
/** Order of the range that is every page. */
export const EVERY_PAGE = 52;

export interface Pages extends Range {
  /** IH. */
  readonly leavesOnly: boolean;
}

const FUNCTION_MASKS = [0, 0b100, 0b110, 0b111] as const;

export const maskedBy = (fm: number): number => ~FUNCTION_MASKS[fm]!;

const wide = (n: number, at: number): bigint => BigInt(n) << BigInt(at);
const pages = ({ address, order, leavesOnly }: Pages): bigint =>
  BigInt(address) | (leavesOnly ? 0x40n : 0n) | BigInt(order);

/** A range as address bits 63:12 give its size: all lower ones, below the lowest 0. */
function deviceRange({ address, order }: Range, at: bigint): bigint {
  if (order === 0) return BigInt(address);
  const size = BigInt(PAGE) << BigInt(order);
  return (BigInt(address) & ~(size - 1n)) | (size / 2n - 0x1000n) | (1n << at);
}

function deviceDescriptor({ sid, pasid, ...range }: DeviceCommand): [lo: bigint, hi: bigint] {
  if (pasid === -1) return [0x3n | wide(sid, 32), deviceRange(range, 0n)];
  const whom = pasid === ANY_PASID ? 1n : 0n;
  return [0x8n | wide(sid, 16) | (whom === 1n ? 0n : wide(pasid, 32)), deviceRange(range, 11n) | whom];
}

export function descriptor(command: Command): [lo: bigint, hi: bigint] {
  if (command.op === 'device') return deviceDescriptor(command);
  const did = wide(command.did, 16);
  switch (command.op) {
    case 'context':
      if (command.by === 'global') return [0x11n, 0n];
      if (command.by === 'domain') return [0x21n | did, 0n];
      return [0x31n | did | wide(command.sid, 32) | wide(command.fm, 48), 0n];
    case 'pasid':
      if (command.by === 'global') return [0x37n, 0n];
      return [(command.by === 'domain' ? 0x07n : 0x17n | wide(command.pasid, 32)) | did, 0n];
    case 'iotlb':
      if (command.by === 'global') return [0x12n, 0n];
      return command.by === 'domain' ? [0x22n | did, 0n] : [0x32n | did, pages(command)];
    case 'host':
      if (command.by === 'global') return [0x1an, 0n];
      if (command.by === 'domain') return [0x2an | did, 0n];
      return [0x3an | did, BigInt(command.address) | wide(command.levels, 6) | BigInt(command.order)];
    default:
      if (command.by === 'pasid') return [0x26n | did | wide(command.pasid, 32), 0n];
      return [0x36n | did | wide(command.pasid, 32), pages(command)];
  }
}

/** Of every cache. */
export const global: readonly Command[] = [
  { op: 'context', by: 'global', did: 0 },
  { op: 'pasid', by: 'global', did: 0, pasid: 0 },
  { op: 'iotlb', by: 'global', did: 0 },
];
export const iotlb = (did: number): Command => ({ op: 'iotlb', by: 'domain', did });
export const pasidDomain = (did: number): Command => ({ op: 'pasid', by: 'domain', did, pasid: 0 });
export const onePasid = (did: number, pasid: number): Command => ({ op: 'pasid', by: 'pasid', did, pasid });
export const first = (did: number, pasid: number): Command => ({ op: 'first', by: 'pasid', did, pasid });
export const everyHost: Command = { op: 'host', by: 'global', did: 0 };

/** The same through registers: offset, then value; the IOTLB's are at 0F0h (vtd.md section 1.8). */
export function registerWrites(command: Command): [offset: number, value: bigint][] {
  if (command.op === 'context') {
    const did = BigInt(command.did);
    if (command.by === 'global') return [[0x28, 0xa000_0000_0000_0000n]];
    if (command.by === 'domain') return [[0x28, 0xc000_0000_0000_0000n | did]];
    return [[0x28, 0xe000_0000_0000_0000n | did | wide(command.sid, 16) | wide(command.fm, 32)]];
  }
  if (command.op !== 'iotlb') throw new Error(`no register for ${command.op}`);
  const did = wide(command.did, 32);
  if (command.by === 'global') return [[0xf8, 0x9000_0000_0000_0000n]];
  if (command.by === 'domain') return [[0xf8, 0xa000_0000_0000_0000n | did]];
  return [
    [0xf0, pages(command)],
    [0xf8, 0xb000_0000_0000_0000n | did],
  ];
}
