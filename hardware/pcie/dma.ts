/**
 * What a device's own code says of its DMA: where, as whom, how it ended. `Requester` does it with plain requests; a device
 * with a device-TLB puts its translations before that behind the same interface.
 */
import { highHalf, highOf, lowHalf, lowOf } from '../bits/index.ts';
import type { Script } from '../sim/index.ts';

/** Where a DMA begins, and as whom. */
export interface DmaTarget {
  /** The address, as int32 halves. */
  readonly hi: number;
  readonly lo: number;
  /** Without one, requests carry no PASID, and the next two mean nothing. */
  readonly pasid?: number | undefined;
  readonly privileged?: boolean | undefined;
  /** Reads ask for execute permission. */
  readonly execute?: boolean | undefined;
  /** A value of `AddressType`; untranslated without one. */
  readonly addressType?: number | undefined;
  /** Bits of `Attribute`. Those that the function's configuration does not allow are not sent. */
  readonly attributes?: number | undefined;
}

/** How a DMA ended. */
export const DmaStatus = {
  SUCCESS: 0,
  /** Completed with UR; or not sent, because the function's configuration does not allow what was asked for. */
  UNSUPPORTED_REQUEST: 1,
  /** Completed with CA. */
  COMPLETER_ABORT: 2,
  /** Bus Master Enable is 0. */
  NOT_MASTER: 3,
  /** There was no completion. */
  TIMED_OUT: 4,
  /** The function was reset. */
  RESET: 5,
  /** The address has no translation, or not one that allows the access; only a device with a device-TLB learns this. */
  NO_TRANSLATION: 6,
  /** A deferrable write was not accepted this time. */
  RETRY: 7,
} as const;

export interface DmaRead {
  /** The first error, of several. */
  readonly status: number;
  /** The bytes from the first on that came without a gap: all of them after a success. */
  readonly data: Uint8Array;
}

export interface Dma {
  /** Reads `length` bytes, into `into` if that is given. */
  read(at: DmaTarget, length: number, into?: Uint8Array): Script<DmaRead>;
  /** Writes `bytes`, which must stay as they are until it ends. Success means that they are on the link. */
  write(at: DmaTarget, bytes: Uint8Array): Script<number>;
  /** An AtomicOp of a kind of `TlpKind`: the value that was in memory before. A compare-and-swap has two operands. */
  atomic(kind: number, at: DmaTarget, operands: Uint8Array): Script<DmaRead>;
}

export function dmaTarget(address: bigint | number, qualities?: Omit<DmaTarget, 'hi' | 'lo'>): DmaTarget {
  const isNumber = typeof address === 'number';
  return {
    ...qualities,
    hi: isNumber ? highHalf(address) : highOf(address),
    lo: isNumber ? lowHalf(address) : lowOf(address),
  };
}

/** The same target, `bytes` further on. */
export function beyond(at: DmaTarget, bytes: number): DmaTarget {
  return { ...at, hi: highBeyond(at, bytes), lo: (at.lo + bytes) | 0 };
}

/** The upper half of the address `bytes` further on, which are less than 4 GiB. */
export function highBeyond(at: DmaTarget, bytes: number): number {
  return (at.hi + ((at.lo >>> 0) + bytes >= 2 ** 32 ? 1 : 0)) | 0;
}
