/**
 * What a unit sends to devices: invalidations of their device-TLBs (VT-d 4.3) and answers to their page requests
 * (VT-d 7.6). Whoever stands between unit and devices takes them. An invalidation is complete as soon as it is sent, unless
 * the taker says that devices answer.
 */

export interface DeviceTlbInvalidation {
  readonly requester: number;
  readonly pasid: number | undefined;
  /** GI: every PASID. */
  readonly global: boolean;
  readonly address: bigint;
  /** S: the lowest 0 bit of the page number gives the size of the range. */
  readonly isRange: boolean;
  /** ITag: what the completion has to name, where completions are awaited. */
  readonly tag?: number;
}

/** What a device answers when it has carried invalidations out (VT-d 4.3). */
export interface InvalidationCompletion {
  readonly requester: number;
  /** ITag vector: bit n stands for tag n. */
  readonly tags: number;
  /** How many such completions there are for each of them; 0 stands for 8. */
  readonly count: number;
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
  /** Invalidations are complete when a device has said so. */
  awaitsCompletions = false;

  invalidate(invalidation: DeviceTlbInvalidation): void {
    this.taker?.({ kind: 'invalidate', ...invalidation });
  }

  respond(response: PageGroupResponse): void {
    this.taker?.({ kind: 'page group response', ...response });
  }
}
