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

/** By value of `Milestone`: what tasks call it. */
const TOLD: readonly TaskMilestone[] = [
  'credit',
  'link up',
  'order',
  'lookup',
  'walk',
  'memory',
  'link down',
  'landing',
];

/** What is known of a request when one of its waits is over. */
export interface Told {
  readonly task: number;
  readonly isWrite: boolean;
  readonly translated: boolean;
  readonly request: { readonly walked: boolean };
}

/** The parts of a path, in the order of a read. */
export const PLACES = ['device', 'link up', 'root complex', 'iommu', 'memory', 'link down'] as const;

/** Where a request is when it has waited for something. */
function placeAfter(milestone: number, { isWrite, translated, request }: Told): (typeof PLACES)[number] {
  switch (milestone) {
    case Milestone.CREDIT:
      return 'link up';
    case Milestone.LINK_UP:
      return isWrite ? 'iommu' : 'root complex';
    case Milestone.ORDER:
      return translated ? 'memory' : 'iommu';
    case Milestone.LOOKUP:
      return request.walked ? 'iommu' : 'root complex';
    case Milestone.WALK:
      return 'root complex';
    case Milestone.MEMORY:
      return 'link down';
    default:
      return 'device';
  }
}

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

  tell(request: Told, milestone: number, at: number): void {
    this.tasks?.milestone(request.task, TOLD[milestone]!, at as Instant, placeAfter(milestone, request));
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
