/** What a VT-d unit makes of device-TLB invalidations that end otherwise than they should (VT-d 4.3). */
import type { RegisterFile } from '../bits/index.ts';
import {
  type DeviceMessages,
  type InvalidationCompletion,
  DeviceInvalidations as Invalidations,
} from '../iommu/index.ts';
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

export class DeviceInvalidations extends Invalidations<null> {
  readonly #words: RegisterFile['words'];

  constructor({ file, devices, faults, timer, over }: DeviceInvalidationSurroundings) {
    const { words } = file;
    super({
      devices,
      timer,
      over,
      // An error, from which the queue goes on.
      unexpected: (requester) => {
        if (!FSTS.ICE.isSet(words)) IQERCD.ICESID.set(words, requester);
        faults.raise(FSTS.ICE);
      },
      timedOut: (requester) => {
        if (!FSTS.ITE.isSet(words)) IQERCD.ITESID.set(words, requester);
        faults.raise(FSTS.ITE);
      },
    });
    this.#words = words;
  }

  /** A completion message of a device; without remapping it is an unsupported request. */
  override complete(completion: InvalidationCompletion): void {
    if (GSTS.TES.isSet(this.#words)) super.complete(completion);
  }
}
