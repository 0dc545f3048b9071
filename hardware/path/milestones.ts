/**
 * Where the time of requests went. Each request is at every instant of its life in exactly one of these, so that the shares add
 * up to the whole, to the picosecond.
 */
export const Milestone = {
  /** In the device: waiting for the link behind others, and for posted credits. */
  CREDIT: 0,
  /** Bytes on the link upstream, and on their way. */
  LINK_UP: 1,
  /** In the root complex, behind requests that came before. */
  ORDER: 2,
  /** The look-up in the IOTLB. */
  LOOKUP: 3,
  /** Waiting for a walk, and walking. */
  WALK: 4,
  MEMORY: 5,
  LINK_DOWN: 6,
  /** In the device: what has come waits for what was asked for before, and is put away. */
  LANDING: 7,
} as const;

export const MILESTONES = Object.keys(Milestone) as readonly (keyof typeof Milestone)[];

/** Sums in picoseconds, one for each milestone. */
export class Shares {
  readonly sums = new Float64Array(MILESTONES.length);
  /** Requests that have come to their end. */
  requests = 0;

  get total(): number {
    return this.sums.reduce((sum, one) => sum + one, 0);
  }

  reset(): void {
    this.sums.fill(0);
    this.requests = 0;
  }
}
