/**
 * The tags of a requester: what each stands for, and how much of its answer has come.
 *
 * Tags are kept by index; the number that travels depends on how wide software lets them be. A tag whose request was given
 * up is held: it stands for nothing, but its answer might still come.
 */

import { CompletionStatus } from './spec/index.ts';
import { Attribute, type Tlp, TlpKind } from './tlp.ts';
import type { Transfer } from './transfer.ts';

/** 10-bit tags leave out what 8 bits can express, so that a completer that drops the upper bits is found out. */
const FIRST_WIDE_TAG = 256;
export const MOST_TAGS = 768;

/** What `accept` gives for a completion that no request can have. */
export const UNEXPECTED = -1;

export class Tags {
  /** Whom the answer is for; null for a tag that is idle or held. */
  readonly owner: (Transfer | null)[];
  /** By index: where in the owner's transfer the answer goes, bytes asked for, bytes that came. */
  readonly place: Int32Array;
  readonly asked: Int32Array;
  readonly came: Int32Array;
  /** By index: the attributes of the request. */
  readonly attributes: Uint8Array;
  /** When to give up, or to hold no longer: picoseconds. */
  readonly deadline: Float64Array;
  readonly number: Int32Array;
  /** By index: the traced task of the request. */
  readonly task: Int32Array;
  /** Tags that have an owner. */
  outstanding = 0;
  /** Tags that are held. */
  held = 0;
  /** One bit for each tag that is neither. */
  readonly #idle: Int32Array;

  constructor(count: number) {
    this.owner = new Array<Transfer | null>(count).fill(null);
    this.place = new Int32Array(count);
    this.asked = new Int32Array(count);
    this.came = new Int32Array(count);
    this.attributes = new Uint8Array(count);
    this.deadline = new Float64Array(count);
    this.number = new Int32Array(count);
    this.task = new Int32Array(count);
    this.#idle = new Int32Array((count + 31) >>> 5);
    this.reset();
  }

  get count(): number {
    return this.owner.length;
  }

  /** The index of the first idle tag where software allows `allowed` tags, -1 if there is none. */
  find(allowed: number): number {
    const usable = Math.min(allowed, this.count);
    for (let word = 0; word < this.#idle.length; word++) {
      const idle = this.#idle[word]!;
      if (idle === 0) continue;
      const index = (word << 5) | (31 - Math.clz32(idle & -idle));
      return index < usable ? index : -1;
    }
    return -1;
  }

  /** Takes the idle tag `index` for a request and puts its number there. */
  take(index: number, owner: Transfer, allowed: number, request: Tlp): void {
    this.#idle[index >>> 5]! &= ~(1 << index);
    this.owner[index] = owner;
    this.came[index] = 0;
    this.outstanding++;
    const number = allowed > FIRST_WIDE_TAG ? FIRST_WIDE_TAG + index : index;
    this.number[index] = number;
    this.attributes[index] = request.attributes;
    request.tag = number;
  }

  /** The index of the tag with this number that is in use or held, -1 if there is none. */
  indexOf(number: number): number {
    const index = number >= FIRST_WIDE_TAG ? number - FIRST_WIDE_TAG : number;
    return index < this.count && this.number[index] === number && !this.isIdle(index) ? index : -1;
  }

  isIdle(index: number): boolean {
    return (this.#idle[index >>> 5]! & (1 << index)) !== 0;
  }

  /** Takes what a completion brings to the owner of tag `index`: the number of its bytes, or UNEXPECTED. */
  accept(index: number, tlp: Tlp): number {
    const transfer = this.owner[index]!;
    const { asked, came } = this;
    const place = this.place[index]! + came[index]!;
    if (!this.#isLike(index, tlp)) return UNEXPECTED;
    if (tlp.status !== CompletionStatus.SUCCESSFUL) {
      transfer.fail(transfer.statusOf(tlp.status), place);
      return 0;
    }
    // A deferrable write is answered without data, all else with.
    if ((tlp.data === null) !== (transfer.kind === TlpKind.DEFERRABLE_WRITE)) return UNEXPECTED;
    if (!transfer.isLowerAddress(tlp.addressLo, place)) return UNEXPECTED;
    // A zero-length read is answered with a byte of no meaning.
    if (tlp.data === null || asked[index] === 0) return 0;
    // Who translates may have less to say than was asked.
    if (transfer.isTranslation && came[index] === 0 && tlp.byteCount < asked[index]!) {
      asked[index] = tlp.byteCount;
      transfer.whole = tlp.byteCount;
    }
    if (tlp.byteCount !== asked[index]! - came[index]! || tlp.length > tlp.byteCount) return UNEXPECTED;
    transfer.buffer.set(tlp.data.subarray(0, tlp.length), place);
    came[index]! += tlp.length;
    return tlp.length;
  }

  /** The traffic class and the attributes that a completion must have of its request: all but ID-based ordering (PCIe 2.3.2). */
  #isLike(index: number, { trafficClass, attributes }: Tlp): boolean {
    // Those of a translation need not be (10.2.3).
    if (this.owner[index]!.isTranslation) return true;
    return trafficClass === 0 && ((attributes ^ this.attributes[index]!) & ~Attribute.ID_ORDERING) === 0;
  }

  /** The tag may be used again. */
  free(index: number): void {
    if (this.owner[index] === null) this.held--;
    else this.outstanding--;
    this.owner[index] = null;
    this.#idle[index >>> 5]! |= 1 << index;
  }

  /** Its request is given up, but until `deadline` the tag may not be used again. */
  hold(index: number, deadline: number): void {
    this.owner[index] = null;
    this.deadline[index] = deadline;
    this.outstanding--;
    this.held++;
  }

  /** When the first request is given up, or also the first tag is held no longer; Infinity if that never comes. */
  firstDeadline(alsoHeld: boolean): number {
    let first = Infinity;
    if (this.outstanding + (alsoHeld ? this.held : 0) === 0) return first;
    for (let index = 0; index < this.count; index++) {
      const counts = alsoHeld ? !this.isIdle(index) : this.owner[index] !== null;
      if (counts) first = Math.min(first, this.deadline[index]!);
    }
    return first;
  }

  /** The tags that are not idle and whose deadline has come. */
  late(now: number): number[] {
    const late: number[] = [];
    for (let index = 0; index < this.count; index++) {
      if (!this.isIdle(index) && this.deadline[index]! <= now) late.push(index);
    }
    return late;
  }

  /** All tags are idle. */
  reset(): void {
    this.owner.fill(null);
    this.#idle.fill(-1);
    this.outstanding = 0;
    this.held = 0;
  }
}
