/**
 * What a unit sends to devices: invalidations of their device-TLBs (VT-d 4.3) and answers to their page requests
 * (VT-d 7.6). Whoever stands between unit and devices takes them. An invalidation is complete as soon as it is sent, unless
 * the taker says that devices answer.
 */
import type { DeviceTlbInvalidation, PageGroupResponse } from '../ats/index.ts';

export type DeviceMessage =
  | ({ readonly kind: 'invalidate' } & DeviceTlbInvalidation)
  | ({ readonly kind: 'page group response' } & PageGroupResponse);

export class DeviceMessages {
  /** Takes what is sent; `null` when nobody does. */
  taker: ((message: DeviceMessage) => void) | null = null;
  /** Invalidations are complete when a device has said so. */
  awaitsCompletions = false;

  invalidate(invalidation: DeviceTlbInvalidation): void {
    this.taker?.({ kind: 'invalidate', ...invalidation });
  }

  respond(response: PageGroupResponse): void {
    this.taker?.({ kind: 'page group response', ...response });
  }
}
