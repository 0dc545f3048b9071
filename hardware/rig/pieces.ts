/** How an access of a device becomes requests: it is split at 4 KiB, and each piece is a request of its own. */
import { highOf, lowOf } from '../bits/index.ts';
import { accessBits, inInterruptRange } from '../iommu/index.ts';
import type { TranslateRequest } from './types.ts';

export const PAGE = 4096;

export interface Piece {
  readonly address: bigint;
  /** Where the piece begins within the access. */
  readonly from: number;
  readonly length: number;
}

/** Splits an access at 4 KiB: each piece is a request of its own. Addresses wrap at 64 bits. */
export function piecesOf(address: bigint, length: number): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  do {
    const at = BigInt.asUintN(64, address + BigInt(from));
    const room = PAGE - Number(at & BigInt(PAGE - 1));
    const part = Math.min(room, length - from);
    pieces.push({ address: at, from, length: part });
    from += part;
  } while (from < length);
  return pieces;
}

export function accessOf(request: Omit<TranslateRequest, 'probe'>, piece: Piece): number {
  const { write, execute, privileged } = request;
  return accessBits({ read: !write, write, execute, privileged, zeroLength: !write && piece.length === 0 });
}

/** A DWORD write without PASID to 0xFEEx_xxxx. */
export function isInterrupt(request: Omit<TranslateRequest, 'probe'>, piece: Piece): boolean {
  const { address, length } = piece;
  if (!request.write || request.pasid !== undefined || request.addressType === 'translated') return false;
  return length === 4 && (address & 3n) === 0n && inInterruptRange(highOf(address), lowOf(address));
}
