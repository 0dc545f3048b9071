/** A page request message as a device sends it. */
export interface PageRequest {
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly hi: number;
  readonly lo: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
  /** Last page in group: it wants an answer. With neither read nor write it is a stop marker. */
  readonly last: boolean;
  /** PRGI. */
  readonly group: number;
}
