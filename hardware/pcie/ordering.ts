/**
 * Which TLP may overtake which, and the queue that forwards by these rules.
 *
 * PCIe: transaction ordering (section 2.4.1, the table "Ordering Rules Summary", whose cells are named here as there: row
 * letter and column number). A row is the later TLP, a column the earlier one. The rules hold within one traffic class.
 *
 * Of what the rules permit, the queue takes everything but one: the completion of a configuration write may pass posted
 * requests (D2b), and does not, as what forwards a completion cannot tell what it answers.
 */
import { Attribute, CreditClass, NO_PASID, type Tlp } from './tlp.ts';

/** What a cell of the table says: must not, may, must be able to lest everything stops. */
export const Passing = { NO: 0, MAY: 1, MUST: 2 } as const;

/** Rows and columns of the table: posted requests, reads, non-posted requests with data, completions. */
export const OrderingClass = { POSTED: 0, READ: 1, NON_POSTED_DATA: 2, COMPLETION: 3 } as const;

const { NO, MAY, MUST } = Passing;

/** Columns 2 to 5 of rows A to D, for TLPs without attributes and with different transaction ids. */
export const ORDERING_TABLE: readonly (readonly number[])[] = [
  [NO, MUST, MUST, MAY],
  [NO, MAY, MAY, MAY],
  [NO, MAY, MAY, MAY],
  [NO, MUST, MUST, MAY],
];

/** By row: with Relaxed Ordering it may pass a posted request (A2b, C2b, D2b; not a read, B2b). */
const RELAXED_PASSES_POSTED: readonly boolean[] = [true, false, true, true];

export function orderingClass(tlp: Tlp): number {
  const { creditClass } = tlp;
  if (creditClass === CreditClass.POSTED) return OrderingClass.POSTED;
  if (creditClass === CreditClass.COMPLETION) return OrderingClass.COMPLETION;
  return tlp.data === null ? OrderingClass.READ : OrderingClass.NON_POSTED_DATA;
}

/** What the table says of a later TLP that would pass an earlier one: a value of `Passing`. */
export function passing(later: Tlp, earlier: Tlp): number {
  if (later.trafficClass !== earlier.trafficClass) return MAY;
  const row = orderingClass(later);
  const column = orderingClass(earlier);
  if (column === OrderingClass.POSTED) {
    if ((later.attributes & Attribute.RELAXED_ORDERING) !== 0 && RELAXED_PASSES_POSTED[row]!) return MAY;
    return (later.attributes & Attribute.ID_ORDERING) !== 0 && areStrangers(later, earlier) ? MAY : NO;
  }
  // D5b: the completions of one request stay in order.
  if (row === OrderingClass.COMPLETION && column === row && sameTransaction(later, earlier)) return NO;
  return ORDERING_TABLE[row]![column]!;
}

export function mayPass(later: Tlp, earlier: Tlp): boolean {
  return passing(later, earlier) !== NO;
}

/** ID-based ordering: a TLP from elsewhere, or under another PASID, has nothing to do with this posted request. */
function areStrangers(later: Tlp, posted: Tlp): boolean {
  const completes = later.creditClass === CreditClass.COMPLETION;
  if ((completes ? later.completer : later.requester) !== posted.requester) return true;
  return !completes && later.pasid !== NO_PASID && posted.pasid !== NO_PASID && later.pasid !== posted.pasid;
}

function sameTransaction(one: Tlp, other: Tlp): boolean {
  return one.requester === other.requester && one.tag === other.tag;
}

/** Where a queue sends: the end of a link, or anything like it. */
export interface Egress {
  canSend(tlp: Tlp): boolean;
  send(tlp: Tlp): void;
}

/**
 * What has arrived at one ingress and has not left, in order of arrival, each with the egress that it waits for. A TLP
 * leaves as soon as its egress takes it and it may pass everything that came before it and is still there, wherever that
 * goes. Whoever owns the queue calls `pump` when an egress has credits again.
 */
export class TransactionQueue {
  readonly #sent: (tlp: Tlp) => void;
  readonly #tlps: Tlp[] = [];
  readonly #egresses: Egress[] = [];
  #count = 0;
  #sweeping = false;
  #again = false;

  /**
   * `sent` is told of each TLP when its egress has got it: its credits go back to whom it came from. Not before, as they
   * may let somebody else send by the same egress at once.
   */
  constructor(sent: (tlp: Tlp) => void) {
    this.#sent = sent;
  }

  /** TLPs that wait. */
  get length(): number {
    return this.#count;
  }

  /** True while a TLP waits here. */
  holds(tlp: Tlp): boolean {
    for (let i = 0; i < this.#count; i++) if (this.#tlps[i] === tlp) return true;
    return false;
  }

  /** Takes a TLP, and sends it at once where nothing is in its way. */
  push(tlp: Tlp, egress: Egress): void {
    this.#tlps[this.#count] = tlp;
    this.#egresses[this.#count] = egress;
    this.#count++;
    // Those before it have been looked at, and a sweep under way will come to it.
    if (!this.#sweeping) this.#sweepFrom(this.#count - 1);
  }

  /** Sends everything that may go now. */
  pump(): void {
    if (this.#sweeping) this.#again = true;
    else this.#sweepFrom(0);
  }

  /** Empties the queue; `lose` takes what was in it. */
  reset(lose: (tlp: Tlp) => void): void {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) lose(this.#tlps[i]!);
  }

  #sweepFrom(first: number): void {
    this.#sweeping = true;
    this.#again = false;
    this.#sweep(first);
    while (this.#again) {
      this.#again = false;
      this.#sweep(0);
    }
    this.#sweeping = false;
  }

  /** Those that stay move up: `kept` of them stand before the one that is looked at. Others may come meanwhile. */
  #sweep(first: number): void {
    let kept = first;
    for (let i = first; i < this.#count; i++) {
      const tlp = this.#tlps[i]!;
      const egress = this.#egresses[i]!;
      if (egress.canSend(tlp) && this.#passes(tlp, kept)) {
        egress.send(tlp);
        this.#sent(tlp);
      } else {
        this.#tlps[kept] = tlp;
        this.#egresses[kept] = egress;
        kept++;
      }
    }
    // Fewer when it was emptied meanwhile.
    this.#count = Math.min(this.#count, kept);
  }

  /** True when `tlp` may pass the first `count` TLPs of the queue. */
  #passes(tlp: Tlp, count: number): boolean {
    for (let i = 0; i < count; i++) if (!mayPass(tlp, this.#tlps[i]!)) return false;
    return true;
  }
}
