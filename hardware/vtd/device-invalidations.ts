/**
 * Device-TLB invalidations under way (VT-d 4.3): each holds an ITag until its device has completed it or its time is up.
 *
 * Needs: whoever takes messages to devices; a timer, if time passes here. Offers: `send`, `complete` for what a device
 * answers, `expire` for time that is up, and `isOver` for those who wait for invalidations.
 *
 * Inaccuracies: MIP is not looked at: as many invalidations are under way as there are ITags.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { DeviceMessages, DeviceTlbInvalidation, InvalidationCompletion } from '../iommu/index.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import { FSTS, GSTS, IQERCD } from './spec/index.ts';

export interface DeviceInvalidationSurroundings {
  readonly file: RegisterFile;
  readonly devices: DeviceMessages;
  readonly faults: FaultRecorder;
  /** Calls back when a device has had its time; `null` where no time passes. */
  readonly timer: () => ((expired: () => void) => void) | null;
  /** One of them is over: `true` when it was completed, `false` when its time was up. */
  readonly over: (completed: boolean) => void;
}

/** An ITag has 5 bits; a completion names them as a vector. */
const ITAGS = 32;
/** A completion count of 0 stands for 8. */
const MOST_COMPLETIONS = 8;

interface UnderWay {
  readonly requester: number;
  /** InvCmpCnt. */
  completions: number;
  /** Place in the order of sending. */
  readonly order: number;
}

export class DeviceInvalidations {
  readonly #unit: DeviceInvalidationSurroundings;
  readonly #byTag: (UnderWay | null)[] = new Array<UnderWay | null>(ITAGS).fill(null);
  #sent = 0;

  constructor(unit: DeviceInvalidationSurroundings) {
    this.#unit = unit;
  }

  /** How many have been sent: a mark for `isOver`. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends an invalidation; false while no ITag is free. */
  send(invalidation: DeviceTlbInvalidation): boolean {
    const { devices, timer } = this.#unit;
    if (!devices.awaitsCompletions) {
      devices.invalidate(invalidation);
      return true;
    }
    const tag = this.#byTag.indexOf(null);
    if (tag < 0) return false;
    const one: UnderWay = { requester: invalidation.requester, completions: 0, order: this.#sent++ };
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

  /** A completion message of a device. */
  complete({ requester, tags, count }: InvalidationCompletion): void {
    const { file, faults, over } = this.#unit;
    // 1. Without remapping it is an unsupported request.
    if (!GSTS.TES.isSet(file.words)) return;
    // 2. The valid ITags: allocated, and to this device.
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
    // 3. Then the invalid ones: an error, from which the queue goes on.
    if (isInvalid) {
      if (!FSTS.ICE.isSet(file.words)) IQERCD.ICESID.set(file.words, requester);
      faults.raise(FSTS.ICE);
    }
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

  #timeOut(tag: number, { requester }: UnderWay): void {
    const { file, faults, over } = this.#unit;
    this.#byTag[tag] = null;
    if (!FSTS.ITE.isSet(file.words)) IQERCD.ITESID.set(file.words, requester);
    faults.raise(FSTS.ITE);
    over(false);
  }
}
