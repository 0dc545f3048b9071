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

/** Counts every event for whoever looks at a machine from outside, beside the counters that software has set. */
export class Tally implements PerformanceEvents {
  readonly #counts = new Map<number, number>();

  count(event: number): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1);
  }

  /** How often it has happened. */
  of(event: number): number {
    return this.#counts.get(event) ?? 0;
  }
}

/** Whoever counts, as one; `null` while nobody does. */
export function together(a: PerformanceEvents | null, b: PerformanceEvents | null): PerformanceEvents | null {
  if (a === null || b === null) return a ?? b;
  return {
    count: (event, requester, domain, pasid, detail) => {
      a.count(event, requester, domain, pasid, detail);
      b.count(event, requester, domain, pasid, detail);
    },
  };
}
