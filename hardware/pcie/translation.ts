/**
 * What a root complex asks of a translation agent (an IOMMU), and the answer, in one object that the root complex owns
 * and reuses. Addresses are int32 halves and results integers, because they cross the hot path.
 */
import { PAGE_SIZE } from '../bits/index.ts';
import type { Port } from '../sim/index.ts';
import { AddressType, CompletionStatus } from './spec/index.ts';
import { NO_PASID, type Tlp, TlpKind } from './tlp.ts';

/** Bits of an access. A fetch-and-add or compare-and-swap is READ | WRITE. */
export const Access = {
  READ: 1,
  WRITE: 2,
  EXECUTE: 4,
  PRIVILEGED: 8,
  /** A read of length 0, which asks for nothing but completion. */
  ZERO_LENGTH: 16,
} as const;

/** How a request ended. */
export const TranslationStatus = { SUCCESS: 0, UNSUPPORTED_REQUEST: 1, COMPLETER_ABORT: 2 } as const;

/** What the completion of a refused read says. */
export function completionStatus(status: number): number {
  return status === TranslationStatus.COMPLETER_ABORT
    ? CompletionStatus.COMPLETER_ABORT
    : CompletionStatus.UNSUPPORTED_REQUEST;
}

/** Entries of a translation completion that fills a read completion boundary of 128 bytes. */
export const MOST_TRANSLATIONS = 16;

export class TranslationRequest {
  // The question. It never crosses a 4 KiB boundary.
  requester = 0;
  pasid: number = NO_PASID;
  /** Bits of `Access`. */
  access = 0;
  /** AT field: 0 untranslated, 1 translation request, 2 translated. */
  addressType = 0;
  /** Of a translation request: how many consecutive translations are wanted, 1 to 16, and NW, the device will not write. */
  wanted = 0;
  noWrite = false;
  addressHi = 0;
  addressLo = 0;
  /** Bytes. */
  length = 0;
  /** True for a 4-byte write without PASID into 0xFEE0_0000 to 0xFEEF_FFFF; `data` is then what it writes. */
  interrupt = false;
  data = 0;

  // The answer, valid when the agent calls `answers`. For an interrupt: the message address, and its data in `data`.
  status: number = TranslationStatus.SUCCESS;
  hpaHi = 0;
  hpaLo = 0;
  /** False where the translation asks for accesses that do not snoop the CPU's caches. */
  snoop = true;
  /** Of a translation request that succeeded: the entries that answer it, two words each, the upper one first, and their number. */
  readonly translations = new Uint32Array(MOST_TRANSLATIONS * 2);
  translated = 0;
  /** For an interrupt: the agent has recorded it in memory, and nothing is left to deliver. */
  absorbed = false;
  /** The agent's caches did not have it. */
  walked = false;

  /** The traced task that it belongs to; 0 while nobody watches. */
  task = 0;
  /** For who asks: what the request is part of. */
  readonly owner: unknown;

  constructor(owner: unknown = null) {
    this.owner = owner;
  }

  /** Answers with the address that was asked about: the passage without translation. */
  passThrough(): void {
    this.status = TranslationStatus.SUCCESS;
    this.hpaHi = this.addressHi;
    this.hpaLo = this.addressLo;
    this.snoop = true;
    this.absorbed = false;
  }
}

/** What stands between the root complex and memory. It may answer in any order, each request once. */
export interface TranslationAgent {
  readonly name: string;
  /** The root complex sends here, and takes `onFree`. */
  readonly requests: Port<TranslationRequest>;
  /** Set by the root complex. */
  answers: (request: TranslationRequest) => void;
  /**
   * Set by the root complex, for an agent that records interrupts in memory: calls `go` when everything has taken effect
   * that came through the same port before `request`. The answer does not come from within `go`.
   */
  inTurn?: (request: TranslationRequest, go: () => void) => void;
  /** Takes a message of a device in its turn, a page request or an invalidate completion; false when it is not for it. */
  message?: (tlp: Tlp) => boolean;
  /** Set by the root complex, for an agent that has something to say to devices: sends the message that `fill` makes. */
  transmit?: (fill: (tlp: Tlp) => Tlp) => void;
}

/** Puts the question that a memory request is. */
export function describe(request: TranslationRequest, tlp: Tlp): void {
  const isRead = tlp.kind === TlpKind.MEMORY_READ;
  const isTranslation = tlp.addressType === AddressType.TRANSLATION;
  request.task = tlp.task;
  request.requester = tlp.requester;
  request.pasid = tlp.pasid;
  request.access =
    (isRead || tlp.isAtomic ? Access.READ : 0) |
    (isRead ? 0 : Access.WRITE) |
    (tlp.execute ? Access.EXECUTE : 0) |
    (tlp.privileged ? Access.PRIVILEGED : 0) |
    (tlp.length === 0 ? Access.ZERO_LENGTH : 0);
  request.addressType = tlp.addressType;
  request.addressHi = tlp.addressHi;
  // The low bits of a translation request are no address.
  request.addressLo = isTranslation ? tlp.addressLo & ~(PAGE_SIZE - 1) : tlp.addressLo;
  request.length = tlp.length;
  request.wanted = isTranslation ? Math.min(Math.max(tlp.length >>> 3, 1), MOST_TRANSLATIONS) : 0;
  request.noWrite = isTranslation && (tlp.addressLo & 1) !== 0;
  request.translated = 0;
  request.interrupt = isInterrupt(tlp);
  request.data = request.interrupt ? tlp.word : 0;
}

const INTERRUPT_RANGE = 0xfee;

/** 0xFEE0_0000 to 0xFEEF_FFFF: writes here are interrupts, not memory accesses. */
export function inInterruptRange(hi: number, lo: number): boolean {
  return hi === 0 && lo >>> 20 === INTERRUPT_RANGE;
}

/** A DWORD write without PASID into the interrupt range. */
export function isInterrupt(tlp: Tlp): boolean {
  return (
    tlp.kind === TlpKind.MEMORY_WRITE &&
    tlp.length === 4 &&
    (tlp.addressLo & 3) === 0 &&
    tlp.pasid === NO_PASID &&
    tlp.addressType === AddressType.UNTRANSLATED &&
    inInterruptRange(tlp.addressHi, tlp.addressLo)
  );
}
