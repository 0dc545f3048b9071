/** One caller's DMA, from its first request to its last completion. */
import type { Signal } from '../sim/index.ts';
import type { ConfigSpace } from './config-space.ts';
import { DmaStatus, type DmaTarget, highBeyond } from './dma.ts';
import { dress } from './request-settings.ts';
import { pieceLength } from './sizes.ts';
import { AddressType, CompletionStatus } from './spec/index.ts';
import { lowerAddress, type Tlp, TlpKind } from './tlp.ts';

export class Transfer {
  readonly kind: number;
  readonly at: DmaTarget;
  /** What is sent along. */
  readonly operands: Uint8Array;
  /** Where answers go. */
  readonly buffer: Uint8Array;
  readonly length: number;
  /** Offset of the next request. */
  next = 0;
  isSending = true;
  /** Requests that have no completion yet. */
  pending = 0;
  status: number = DmaStatus.SUCCESS;
  /** Bytes before the first one that is missing. */
  whole: number;
  ended = false;
  /** The traced task of its next request, and the one on whose behalf it goes. */
  task = 0;
  cause = 0;
  done: Signal | null = null;

  constructor(kind: number, at: DmaTarget, operands: Uint8Array, buffer: Uint8Array, length: number) {
    this.kind = kind;
    this.at = at;
    this.operands = operands;
    this.buffer = buffer;
    this.length = length;
    this.whole = length;
  }

  get isTranslation(): boolean {
    return this.kind === TlpKind.MEMORY_READ && this.at.addressType === AddressType.TRANSLATION;
  }

  get isPosted(): boolean {
    return this.kind === TlpKind.MEMORY_WRITE;
  }

  /** Makes the next request, without its data and its tag. */
  request(tlp: Tlp, requester: number, config: ConfigSpace): Tlp {
    const { kind, at, next, operands } = this;
    const hi = highBeyond(at, next);
    const lo = (at.lo + next) | 0;
    if (kind === TlpKind.MEMORY_WRITE) tlp.memoryWrite(requester, hi, lo, this.#piece(config.maxPayload));
    else if (kind === TlpKind.MEMORY_READ) tlp.memoryRead(requester, 0, hi, lo, this.#piece(config.maxReadRequest));
    else if (kind === TlpKind.DEFERRABLE_WRITE) tlp.deferrableWrite(requester, 0, hi, lo, operands.length);
    else tlp.atomic(kind, requester, 0, hi, lo, operands.length);
    return dress(config, tlp, at);
  }

  /** Fills in the data. Gives how many bytes of the transfer the request stands for. */
  load({ data, length }: Tlp): number {
    const { kind, next, operands } = this;
    data?.set(length === operands.length ? operands : operands.subarray(next, next + length));
    return kind === TlpKind.MEMORY_READ || this.isPosted ? length : this.length;
  }

  advance(bytes: number): void {
    this.next += bytes;
    if (this.next >= this.length) this.isSending = false;
  }

  /** Whether the answer with the bytes from `place` on has this Lower Address; only reads of data have one that says something. */
  isLowerAddress(lower: number, place: number): boolean {
    if (this.kind !== TlpKind.MEMORY_READ || this.isTranslation) return true;
    return lower === lowerAddress(this.at.lo + place, this.length);
  }

  /** What the status of a completion, other than success, is to the caller. Codes that mean nothing here count as UR. */
  statusOf(completion: number): number {
    if (completion === CompletionStatus.COMPLETER_ABORT) return DmaStatus.COMPLETER_ABORT;
    const isRetry = completion === CompletionStatus.REQUEST_RETRY && this.kind === TlpKind.DEFERRABLE_WRITE;
    return isRetry ? DmaStatus.RETRY : DmaStatus.UNSUPPORTED_REQUEST;
  }

  /** Bytes of the next request; a translation request is one. */
  #piece(limit: number): number {
    const left = this.length - this.next;
    return this.isTranslation ? left : pieceLength(this.at.lo + this.next, left, limit);
  }

  /** The first error counts; nothing is whole from `place` on. */
  fail(status: number, place: number): void {
    if (this.status === DmaStatus.SUCCESS) this.status = status;
    this.whole = Math.min(this.whole, place);
  }
}
