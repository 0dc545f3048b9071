/** Requests that are answered, from the first to the last byte of the answer: what an answer may say, piece by piece. */
import { CompletionStatus, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import { type History, writerOf } from './bytes.ts';
import type { Clock } from './clocks.ts';
import type { Outcome } from './outcomes.ts';
import type { Piece } from './posted.ts';

/** A request of a function that has no whole answer yet. */
export interface Question {
  readonly kind: number;
  readonly address: number;
  readonly length: number;
  /** Of what answers it. */
  readonly attributes: number;
  readonly trafficClass: number;
  readonly outcome: Outcome;
  /** 64 or 128: where whoever answers may cut. */
  readonly boundary: number;
  /** The largest completion that may come. */
  readonly payload: number;
  /** Of what it reads; null for an AtomicOp. */
  readonly history: History | null;
  /** By byte: how many had written it when the request was sent. */
  readonly ages: readonly number[];
  /** What was posted before and had not arrived, which it must not pass. */
  readonly owed: readonly Piece[];
  readonly clock: Clock | null;
  came: number;
}

/** The CPU reads a function, and gets it in one piece. `owed` and `clock`: what its answer must not pass. */
export function questionOfCpu(
  history: History,
  address: number,
  length: number,
  pushed: Pick<Question, 'owed' | 'clock'>,
): Question {
  return {
    ...pushed,
    kind: TlpKind.MEMORY_READ,
    address,
    length,
    attributes: 0,
    trafficClass: 0,
    outcome: CompletionStatus.SUCCESSFUL,
    boundary: length,
    payload: length,
    history,
    ages: Array.from({ length }, (_, i) => history.age(address + i)),
    came: 0,
  };
}

/** Bytes of a whole answer. */
export function bytesAsked({ kind, length }: Question): number {
  if (kind === TlpKind.MEMORY_READ) return Math.max(length, 1);
  return kind === TlpKind.COMPARE_AND_SWAP ? length / 2 : length;
}

/** Completions that are still to come, at most. */
export function mostPieces(question: Question): number {
  return Math.ceil((bytesAsked(question) - question.came) / 64) + 1;
}

/** What is wrong with a completion, or nothing; `isLast` when the request is over. */
export function judge(question: Question, tlp: Tlp): { readonly wrong: string | null; readonly isLast: boolean } {
  const { outcome, kind, came, address, length } = question;
  const over = (wrong: string | null) => ({ wrong, isLast: true });
  if (tlp.status !== outcome) return over(`has status ${tlp.status} and not ${outcome}`);
  const hasData = outcome === CompletionStatus.SUCCESSFUL && kind !== TlpKind.DEFERRABLE_WRITE;
  if ((tlp.data !== null) !== hasData) return over(hasData ? 'comes without data' : 'comes with data');
  if (tlp.trafficClass !== question.trafficClass || tlp.attributes !== question.attributes) {
    return over(`has attributes ${tlp.attributes} and not ${question.attributes}`);
  }
  if (!hasData) return over(null);
  const left = bytesAsked(question) - came;
  const isLast = tlp.length >= left;
  const wrong = (what: string) => ({ wrong: what, isLast });
  if (tlp.byteCount !== left) return wrong(`has byte count ${tlp.byteCount} and not ${left}`);
  if (tlp.length > left) return wrong(`brings ${tlp.length} bytes of ${left}`);
  if ((tlp.addressLo & 3) + tlp.length > question.payload)
    return wrong(`brings ${tlp.length} bytes, above Max_Payload_Size`);
  // A request of no bytes is one for a word.
  const lower = kind === TlpKind.MEMORY_READ ? (address + came) & (length === 0 ? 0x7c : 0x7f) : 0;
  if (tlp.addressLo !== lower) return wrong(`has lower address ${tlp.addressLo} and not ${lower}`);
  if (!isLast && (address + came + tlp.length) % question.boundary !== 0) {
    return wrong('ends elsewhere than at a read completion boundary');
  }
  return { wrong: length === 0 ? null : wrongByte(question, tlp.data!.subarray(0, tlp.length)), isLast };
}

/** A byte that nobody wrote there, or that is older than what the request must see. */
export function wrongByte({ history, address, came, ages, owed }: Question, data: Uint8Array): string | null {
  if (history === null) return null;
  for (const [i, byte] of data.entries()) {
    const at = address + came + i;
    const writer = writerOf(byte, at);
    const place = history.place(at, writer);
    const where = `byte 0x${at.toString(16)}`;
    if (place < 0) return `says that ${where} is 0x${byte.toString(16)}, which it never was`;
    if (place < ages[came + i]!) return `says of ${where} what stood there before the request`;
    for (const piece of owed) {
      const isHit = at >= piece.address && at < piece.address + piece.length;
      if (isHit && place < history.place(at, piece.writer)) return `has not seen ${piece.writer} at ${where}`;
    }
  }
  return null;
}
