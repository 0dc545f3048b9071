import type { Instant, Milestone as TaskMilestone, TaskProbe } from '../sim/index.ts';

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

/** By value of `Milestone`: what tasks call it, and where a request is when it is over. */
const TOLD: readonly (readonly [what: TaskMilestone, where: string])[] = [
  ['credit', 'link up'],
  ['link up', 'root complex'],
  ['order', 'root complex'],
  ['lookup', 'iommu'],
  ['walk', 'root complex'],
  ['memory', 'link down'],
  ['link down', 'device'],
  ['landing', 'device'],
];

/** Sums in picoseconds, one for each milestone. */
export class Shares {
  readonly sums = new Float64Array(MILESTONES.length);
  /** Requests that have come to their end. */
  requests = 0;
  /** Who watches each request; null while nobody does. */
  tasks: TaskProbe | null = null;

  get total(): number {
    return this.sums.reduce((sum, one) => sum + one, 0);
  }

  /** A request begins; `at` may lie ahead. */
  begin(id: number, kind: string, at: number): void {
    this.tasks?.begin({ id, parent: 0, kind, who: 'device', at: at as Instant });
  }

  tell(id: number, milestone: number, at: number): void {
    const [what, where] = TOLD[milestone]!;
    this.tasks?.milestone(id, what, at as Instant, where);
  }

  /** A request has come to its end. */
  end(id: number, at: number): void {
    this.requests++;
    if (this.tasks !== null) this.tasks.end(id, at as Instant);
  }

  reset(): void {
    this.sums.fill(0);
    this.requests = 0;
  }
}
