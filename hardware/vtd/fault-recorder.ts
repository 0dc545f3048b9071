/**
 * Primary fault logging (VT-d 7.2.1): the fault recording registers, FSTS and the fault event.
 *
 * Offers: `record` for a fault of a request, `raise` for the queue errors that share the event, and what happens when
 * software clears status bits.
 */
import { numberOf, type RegisterFile } from '../bits/index.ts';
import { Access, type FaultLog, NO_PASID } from '../iommu/index.ts';
import type { EventInterrupt } from './event-interrupt.ts';
import { FRCD, FSTS } from './spec/index.ts';

/** What a fault recording register says about a request. */
export interface RecordedRequest {
  readonly requester: number;
  readonly pasid: number;
  readonly access: number;
  readonly addressType: number;
  readonly hi: number;
  readonly lo: number;
  readonly isPageRequest?: boolean;
  /** The address is an interrupt's index, at the top. */
  readonly isInterrupt?: boolean;
}

export interface FaultRecorderSpec {
  /** Byte offset of the first record. */
  readonly offset: number;
  readonly records: number;
  /** Bits of the widest address that a record holds (VT-d 11.4.7.6). */
  readonly addressBits: number;
  /** ECAP.PASID and ECAP.DT: without them the fields they stand for are not written. */
  readonly pasid: boolean;
  readonly deviceTlb: boolean;
  /** Drop a fault whose requester has a record that software has not read yet (optional in the specification). */
  readonly compression: boolean;
}

const PENDING = FSTS.PFO.mask | FSTS.PPF.mask | FSTS.IQE.mask | FSTS.ICE.mask | FSTS.ITE.mask;
const STATUS_WORD = FSTS.$.offset! / 4;
const RECORD_BYTES = 16;

export class FaultRecorder implements FaultLog {
  readonly #file: RegisterFile;
  readonly #spec: FaultRecorderSpec;
  readonly #event: EventInterrupt;
  #next = 0;

  constructor(file: RegisterFile, spec: FaultRecorderSpec, event: EventInterrupt) {
    this.#file = file;
    this.#spec = spec;
    this.#event = event;
    for (let n = 0; n < spec.records; n++) {
      file.onWrite(spec.offset + n * RECORD_BYTES + RECORD_BYTES - 4, () => this.#summarise());
    }
    file.onWrite(FSTS.$.offset!, () => this.#summarise());
  }

  hasRoomFor(requester: number): boolean {
    return !this.#hasOverflowed && !this.#isCompressed(requester) && !this.#isFull;
  }

  /** Records a fault reason for a request, unless a record says enough or there is no room. */
  record(reason: number, request: RecordedRequest): void {
    const { words } = this.#file;
    // 1. After an overflow nothing is recorded until software has cleared it.
    if (this.#hasOverflowed) return;
    // 2. One unread record per requester is enough.
    if (this.#isCompressed(request.requester)) return;
    // 3. No room: an overflow.
    if (this.#isFull) {
      FSTS.PFO.set(words, 1);
      return;
    }
    // 4. Write the record, F last.
    const at = this.#at(this.#next);
    this.#write(at, reason, request);
    const first = !FSTS.PPF.isSet(words);
    const quiet = (words[STATUS_WORD]! & PENDING) === 0;
    if (first) FSTS.FRI.set(words, this.#next);
    FRCD.F.set(words, 1, at);
    FSTS.PPF.set(words, 1);
    this.#next = (this.#next + 1) % this.#spec.records;
    if (first && quiet) this.#event.signal();
  }

  /** Sets one of IQE, ICE and ITE. */
  raise(status: (typeof FSTS)['IQE']): void {
    const { words } = this.#file;
    const quiet = (words[STATUS_WORD]! & PENDING) === 0;
    status.set(words, 1);
    if (quiet) this.#event.signal();
  }

  /** Neither kind of remapping is on: the next fault goes to record 0. */
  rewind(): void {
    this.#next = 0;
  }

  get #hasOverflowed(): boolean {
    return FSTS.PFO.isSet(this.#file.words);
  }

  /** The record that is next has not been read. */
  get #isFull(): boolean {
    return FRCD.F.isSet(this.#file.words, this.#at(this.#next));
  }

  #at(n: number): number {
    return (this.#spec.offset + n * RECORD_BYTES) / 4;
  }

  #isCompressed(requester: number): boolean {
    if (!this.#spec.compression) return false;
    const { words } = this.#file;
    for (let n = 0; n < this.#spec.records; n++) {
      if (FRCD.F.isSet(words, this.#at(n)) && FRCD.SID.get(words, this.#at(n)) === requester) return true;
    }
    return false;
  }

  #write(at: number, reason: number, request: RecordedRequest): void {
    const { words } = this.#file;
    const { access, pasid } = request;
    words.fill(0, at, at + RECORD_BYTES / 4);
    const hi = request.isInterrupt === true ? request.hi : request.hi & (2 ** (this.#spec.addressBits - 32) - 1);
    FRCD.FI.setAddress(words, numberOf(hi, request.lo & ~0xfff), at);
    FRCD.SID.set(words, request.requester, at);
    FRCD.FR.set(words, reason, at);
    const isPageRequest = request.isPageRequest === true;
    FRCD.T1.set(words, (access & Access.READ) !== 0 && !isPageRequest ? 1 : 0, at);
    FRCD.T2.set(words, (access & ATOMIC) === ATOMIC || isPageRequest ? 1 : 0, at);
    if (this.#spec.deviceTlb) FRCD.AT.set(words, request.addressType, at);
    if (!this.#spec.pasid || pasid === NO_PASID) return;
    FRCD.PP.set(words, 1, at);
    FRCD.PV.set(words, pasid, at);
    FRCD.PRIV.set(words, (access & Access.PRIVILEGED) !== 0 ? 1 : 0, at);
    const isRead = (access & ATOMIC) === Access.READ;
    FRCD.EXE.set(words, isRead && (access & Access.EXECUTE) !== 0 ? 1 : 0, at);
  }

  /** PPF is the OR of all F; an event that was held back is dropped when no cause is left. */
  #summarise(): void {
    const { words } = this.#file;
    let pending = 0;
    for (let n = 0; n < this.#spec.records; n++) if (FRCD.F.isSet(words, this.#at(n))) pending = 1;
    FSTS.PPF.set(words, pending);
    if ((words[STATUS_WORD]! & PENDING) === 0) this.#event.withdraw();
  }
}

const ATOMIC = Access.READ | Access.WRITE;
