/**
 * The interface through which models tell of what performance counters count. A model holds `counters`, which is `null`
 * unless a counter is enabled and not frozen, and lets questions (`Translation.effects` false) uncounted. Which events
 * there are is the vendor's.
 */

/** The domain is not known where the event happens. */
export const NO_DOMAIN = -1;

/** An event that belongs to no requester. */
export const NO_REQUESTER = -1;

export interface PerformanceEvents {
  /**
   * `event` has happened once. `domain` and `pasid` may be NO_DOMAIN and NO_PASID; `detail` is what the vendor says of the
   * event, 0 where it says nothing.
   */
  count(event: number, requester: number, domain: number, pasid: number, detail: number): void;
}
