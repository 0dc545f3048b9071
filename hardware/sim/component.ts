/**
 * What every component looks like from outside, and how the time of a request is accounted for.
 *
 * Surface: `Component`; `milestones`, `Milestone`, `TaskProbe`. A request is a task with a parent, and each of its waits
 * ends in a milestone of a closed set: timeline, report and the test "no unattributed gap" are then the same data.
 */
import type { Instant } from './time.ts';

/** A part of a machine: what it was built from, what it holds now, and how to make it new. */
export interface Component<Spec, State> {
  readonly name: string;
  /** What it was built from: plain JSON, never changed. */
  readonly spec: Spec;
  /** What it holds now, as plain JSON: no function, no reference to another component. */
  readonly state: State;
  /** Returns to the state it was built in. */
  reset(): void;
}

/** What a request can have waited for. */
export const milestones = [
  'credit',
  'link',
  'iotlb-miss',
  'walk-read',
  'queue',
  'page-request',
  'software',
  'memory',
  'service',
] as const;

export type Milestone = (typeof milestones)[number];

/** Who watches tasks. A component holds one in a field that is null when nobody does; ids come from `Engine.takeId`. */
export interface TaskProbe {
  /** Task `id` begins on behalf of task `parent`, or of nobody if that is 0. */
  begin(id: number, parent: number, kind: string, who: string, at: Instant): void;
  /** What task `id` has been waiting for since its last milestone, or since it began, is over. */
  milestone(id: number, what: Milestone, at: Instant): void;
  /** Task `id` ends. */
  end(id: number, at: Instant): void;
}
