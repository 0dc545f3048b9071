/**
 * INVALIDATE_IOTLB_PAGES as the unit carries it out (fact sheet 4.1, 4.3): at most Maxpend invalidations of a queue are under
 * way, and a device that has not answered within Control.InvTimeOut is reported in the event log.
 */
import { encode, type RegisterFile } from '../bits/index.ts';
import { type DeviceMessages, DeviceInvalidations as Invalidations, type InvalidationTimer } from '../iommu/index.ts';
import { CONTROL, EventCode, INVALIDATE_IOTLB_PAGES, InvTimeOut, IOTLB_INV_TIMEOUT } from './spec/index.ts';

/** Nanoseconds by InvTimeOut; the reserved value sets no limit either. */
const PATIENCE: Readonly<Record<number, number>> = {
  [InvTimeOut.MS_1]: 1e6,
  [InvTimeOut.MS_10]: 1e7,
  [InvTimeOut.MS_100]: 1e8,
  [InvTimeOut.S_1]: 1e9,
  [InvTimeOut.S_10]: 1e10,
  [InvTimeOut.S_100]: 1e11,
};

export interface DeviceInvalidationSurroundings {
  readonly file: RegisterFile;
  readonly devices: DeviceMessages;
  /** `null` where no time passes. */
  readonly timer: () => InvalidationTimer | null;
  /** Writes an entry into the event log. */
  readonly log: (entry: Uint32Array) => void;
  /** Whoever waits for invalidations may go on. */
  readonly over: () => void;
}

/** Of which command an invalidation is. */
interface Origin {
  readonly queue: number;
  readonly at: number;
}

export class DeviceInvalidations extends Invalidations<Origin> {
  readonly #words: RegisterFile['words'];

  constructor({ file, devices, timer, log, over }: DeviceInvalidationSurroundings) {
    const { words } = file;
    super({
      devices,
      over,
      timer: () => {
        const [start, patience] = [timer(), PATIENCE[CONTROL.InvTimeOut.get(words)]];
        return start === null || patience === undefined ? null : (expired) => start(expired, patience);
      },
      // The sources name no event for it.
      unexpected: () => {},
      timedOut: (DeviceID, { at }) =>
        log(encode(IOTLB_INV_TIMEOUT, { EventCode: EventCode.IOTLB_INV_TIMEOUT, DeviceID, Address: BigInt(at) >> 4n })),
    });
    this.#words = words;
  }

  /** Carries out the command at `at`; false while it has to wait. Maxpend 0 sets no limit of its own. */
  run(command: Uint32Array, at: number): boolean {
    const { DeviceID, QueueID, Maxpend, PASID_7_0, PASID_15_8, PASID_19_16, S, GN, Address } = INVALIDATE_IOTLB_PAGES;
    const queue = QueueID.get(command);
    const most = Maxpend.get(command);
    if (most > 0 && this.count((origin) => origin.queue === queue) >= most) return false;
    const pasid = (PASID_19_16.get(command) << 16) | (PASID_15_8.get(command) << 8) | PASID_7_0.get(command);
    const invalidation = {
      requester: DeviceID.get(command),
      pasid: GN.isSet(command) ? pasid : undefined,
      global: false,
      address: Address.big(command) << 12n,
      isRange: S.isSet(command),
    };
    return this.send(invalidation, { queue, at });
  }

  /** Time is up for all that are under way, where Control.InvTimeOut sets one. */
  override expire(): void {
    if (PATIENCE[CONTROL.InvTimeOut.get(this.#words)] !== undefined) super.expire();
  }
}
