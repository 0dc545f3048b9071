/**
 * Device-TLB invalidations under way (VT-d 4.3; INVALIDATE_IOTLB_PAGES of AMD-Vi): each holds an ITag until its device has
 * completed it or its time is up.
 *
 * Needs: whoever takes messages to devices; a timer, if time passes here. Offers: `send`, `complete` for what a device
 * answers, `expire` for time that is up, and `isOver` for those who wait for invalidations.
 *
 * Inaccuracies: MIP of VT-d is not looked at: as many invalidations are under way as there are ITags.
 */
import { type DeviceTlbInvalidation, type InvalidationCompletion, ITAGS, MOST_COMPLETIONS } from '../ats/index.ts';
import type { DeviceMessages } from './device-messages.ts';

/** `Origin` is what the unit wants to know of an invalidation whose time is up. */
export interface DeviceInvalidationSurroundings<Origin> {
  readonly devices: DeviceMessages;
  /** Calls back when a device has had its time; `null` where it has all the time that it needs. */
  readonly timer: () => ((expired: () => void) => void) | null;
  /** A completion named an ITag that is not under way for its sender. */
  readonly unexpected: (requester: number) => void;
  readonly timedOut: (requester: number, origin: Origin) => void;
  /** One of them is over: `true` when it was completed, `false` when its time was up. */
  readonly over: (completed: boolean) => void;
}

interface UnderWay<Origin> {
  readonly requester: number;
  readonly origin: Origin;
  /** InvCmpCnt. */
  completions: number;
  /** Place in the order of sending. */
  readonly order: number;
}

export class DeviceInvalidations<Origin> {
  readonly #unit: DeviceInvalidationSurroundings<Origin>;
  readonly #byTag: (UnderWay<Origin> | null)[] = new Array<UnderWay<Origin> | null>(ITAGS).fill(null);
  #sent = 0;

  constructor(unit: DeviceInvalidationSurroundings<Origin>) {
    this.#unit = unit;
  }

  /** How many have been sent: a mark for `isOver`. */
  get sent(): number {
    return this.#sent;
  }

  /** How many are under way of those that `select` accepts. */
  count(select: (origin: Origin) => boolean): number {
    return this.#byTag.filter((one) => one !== null && select(one.origin)).length;
  }

  /** Sends an invalidation; false while no ITag is free. */
  send(invalidation: DeviceTlbInvalidation, origin: Origin): boolean {
    const { devices, timer } = this.#unit;
    if (!devices.awaitsCompletions) {
      devices.invalidate(invalidation);
      return true;
    }
    const tag = this.#byTag.indexOf(null);
    if (tag < 0) return false;
    const one: UnderWay<Origin> = { requester: invalidation.requester, origin, completions: 0, order: this.#sent++ };
    this.#byTag[tag] = one;
    timer()?.(() => {
      if (this.#byTag[tag] === one) this.#timeOut(tag, one);
    });
    devices.invalidate({ ...invalidation, tag });
    return true;
  }

  /** All that were sent before `mark` are over. */
  isOver(mark: number): boolean {
    return this.#byTag.every((one) => one === null || one.order >= mark);
  }

  /** A completion message of a device: first its valid ITags, allocated and to this device, then the others. */
  complete({ requester, tags, count }: InvalidationCompletion): void {
    const { unexpected, over } = this.#unit;
    const expected = count === 0 ? MOST_COMPLETIONS : count;
    let isInvalid = false;
    let isOver = false;
    for (const [tag, one] of this.#byTag.entries()) {
      if (((tags >>> tag) & 1) === 0) continue;
      if (one === null || one.requester !== requester) {
        isInvalid = true;
      } else if (++one.completions === expected) {
        this.#byTag[tag] = null;
        isOver = true;
      }
    }
    if (isInvalid) unexpected(requester);
    if (isOver) over(true);
  }

  /** The time of all that are under way is up. */
  expire(): void {
    const late = [...this.#byTag.entries()].sort(([, a], [, b]) => (a?.order ?? 0) - (b?.order ?? 0));
    for (const [tag, one] of late) if (one !== null) this.#timeOut(tag, one);
  }

  /** Power-on. */
  reset(): void {
    this.#byTag.fill(null);
  }

  #timeOut(tag: number, { requester, origin }: UnderWay<Origin>): void {
    this.#byTag[tag] = null;
    this.#unit.timedOut(requester, origin);
    this.#unit.over(false);
  }
}
