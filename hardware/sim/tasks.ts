/**
 * How time is accounted for. A request is a task with a parent, and each of its waits ends in a milestone of a closed set, so
 * that timeline, report and the test "no unattributed gap" are the same data.
 *
 * Surface: `MILESTONES`, `Milestone`, `TaskProbe` (whoever watches, in `Engine.tasks`, which is null when nobody does);
 * `asTask` runs a script as a task.
 */
import type { Engine } from './engine.ts';
import type { Script } from './script.ts';
import type { Instant } from './time.ts';

/** What a task can have waited for, and what that means. */
export const MILESTONES = {
  credit: 'at its device: for its turn, a tag, credits of the link, and what else is ahead of it on the link',
  'link up': 'on a link towards memory, bytes and latency',
  'link down': 'on a link towards a device',
  route: 'on its way through root complex, switches and bridges, and for room on the link behind them',
  order: 'in the root complex, for what came before it',
  queue: 'for room in the IOMMU',
  lookup: 'for the IOTLB',
  walk: 'for a walker, and for the walk',
  memory: 'for memory',
  landing: 'at its device: what has come is put away',
  device: 'for a device that was asked',
  invalidation: 'of software, for an IOMMU that invalidates',
  'page request': 'of a device, for software that provides a page',
  interrupt: 'from an interrupt message to its handler',
  software: 'for the kernel at work, and for what it waits for by itself',
  program: 'of a program, outside the kernel: it sleeps, or waits for its device',
  lost: 'for an answer that did not come',
} as const;

export type Milestone = keyof typeof MILESTONES;

/** What is known of a task when it begins. */
export interface TaskStart {
  /** From `Engine.takeId`. */
  readonly id: number;
  /** The task on whose behalf it goes on; 0 for nobody. */
  readonly parent: number;
  readonly kind: string;
  readonly who: string;
  readonly at: Instant;
  /** What time goes to that nothing else accounts for. */
  readonly own?: Milestone;
  /** Its parent does nothing but wait for it, so that what it waits for is what its parent waits for. */
  readonly isAwaited?: boolean;
  /** Which one of its kind it is, for people. */
  readonly detail?: string;
}

/** Who watches tasks. */
export interface TaskProbe {
  begin(start: TaskStart): void;
  /** What task `id` has been waiting for since its last milestone, or since it began, is over; it is at `where` now. */
  milestone(id: number, what: Milestone, at: Instant, where: string): void;
  /** Task `id` ends. */
  end(id: number, at: Instant): void;
}

/** Runs a script as a task of its own, for which the script around it waits. */
export function* asTask<T>(
  engine: Engine,
  task: Pick<TaskStart, 'kind' | 'who' | 'own' | 'detail'>,
  script: Script<T>,
): Script<T> {
  const { tasks, running } = engine;
  if (tasks === null || running === null) return yield* script;
  const id = engine.takeId();
  const { cause: parent, isTask: isAwaited } = running;
  tasks.begin({ ...task, id, parent, at: engine.now, isAwaited });
  running.cause = id;
  running.isTask = true;
  const result = yield* script;
  running.cause = parent;
  running.isTask = isAwaited;
  tasks.end(id, engine.now);
  return result;
}
