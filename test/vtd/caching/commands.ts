/** Invalidations as software asks for them, and their descriptors in literal bits (vtd.md section 5.2). */
import { floorTo, PAGE } from './world.ts';

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
export type Command = ContextCommand | PasidCommand | IotlbCommand | FirstCommand;

export interface Pages {
  /** Any page of the range. */
  readonly address: number;
  /** The range has 2^order pages. */
  readonly order: number;
  /** IH. */
  readonly leavesOnly: boolean;
}

const FUNCTION_MASKS = [0, 0b100, 0b110, 0b111] as const;

export const maskedBy = (fm: number): number => ~FUNCTION_MASKS[fm]!;

export function inRange({ address, order }: Pages, page: number): boolean {
  const size = PAGE * 2 ** order;
  return floorTo(address, size) === floorTo(page, size);
}

/** Two ranges that are aligned to their sizes. */
export function overlaps({ address, order }: Pages, base: number, size: number): boolean {
  const larger = Math.max(size, PAGE * 2 ** order);
  return floorTo(address, larger) === floorTo(base, larger);
}

const wide = (n: number, at: number): bigint => BigInt(n) << BigInt(at);
const pages = ({ address, order, leavesOnly }: Pages): bigint =>
  BigInt(address) | (leavesOnly ? 0x40n : 0n) | BigInt(order);

export function descriptor(command: Command): [lo: bigint, hi: bigint] {
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
