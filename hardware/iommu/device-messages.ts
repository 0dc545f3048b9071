/**
 * What a unit sends to devices: invalidations of their device-TLBs (VT-d 4.3) and answers to their page requests
 * (VT-d 7.6). Whoever stands between unit and devices takes them; an invalidation without a taker is complete at once.
 *
 * Inaccuracies: completions are not awaited and invalidations do not time out; that needs devices that answer.
 */

export interface DeviceTlbInvalidation {
  readonly requester: number;
  readonly pasid: number | undefined;
  /** GI: every PASID. */
  readonly global: boolean;
  readonly address: bigint;
  /** S: the lowest 0 bit of the page number gives the size of the range. */
  readonly isRange: boolean;
}

export interface PageGroupResponse {
  readonly requester: number;
  readonly pasid: number | undefined;
  /** PRGI. */
  readonly group: number;
  /** 0 success, 1 invalid request, 15 response failure. */
  readonly code: number;
}

export type DeviceMessage =
  | ({ readonly kind: 'invalidate' } & DeviceTlbInvalidation)
  | ({ readonly kind: 'page group response' } & PageGroupResponse);

export class DeviceMessages {
  /** Takes what is sent; `null` when nobody does. */
  taker: ((message: DeviceMessage) => void) | null = null;

  invalidate(invalidation: DeviceTlbInvalidation): void {
    this.taker?.({ kind: 'invalidate', ...invalidation });
  }

  respond(response: PageGroupResponse): void {
    this.taker?.({ kind: 'page group response', ...response });
  }
}
