/**
 * Tasks as they go on, made from what a `TaskProbe` is told: which are open, on whose behalf, and each wait with its beginning.
 * Whoever wants to know listens. Memory is bounded by what is under way.
 */
import type { Instant, Milestone, TaskProbe, TaskStart } from '../../hardware/sim/index.ts';

/** A task that has not ended. */
export interface OpenTask extends TaskStart {
  /** Instant up to which its time is accounted for. */
  since: number;
  /** Where it is. */
  where: string;
  /** The task that does nothing but wait for this one. */
  readonly awaitedBy: OpenTask | null;
}

export interface TaskListener {
  began(task: OpenTask): void;
  /**
   * The task has been waiting at `task.where` from `since` to `at`, which are not the same. With `isInherited`, it was another
   * task that waited, which this one awaits.
   */
  waited(task: OpenTask, what: Milestone, since: number, at: number, isInherited: boolean): void;
  /** The task is no longer at `task.where`, but at `to`. */
  moved(task: OpenTask, to: string, at: number): void;
  /** `isCut`: it goes on, but nobody watches any more. */
  ended(task: OpenTask, at: number, isCut: boolean): void;
}

export class TaskLog implements TaskProbe {
  /** Picoseconds that nobody has accounted for: there are none, unless a model has forgotten something. */
  gaps = 0;
  readonly #open = new Map<number, OpenTask>();
  readonly #listeners: readonly TaskListener[];

  constructor(listeners: readonly TaskListener[]) {
    this.#listeners = listeners;
  }

  /** Tasks that have not ended. */
  get open(): number {
    return this.#open.size;
  }

  begin(start: TaskStart): void {
    const parent = this.#open.get(start.parent) ?? null;
    const awaitedBy = start.isAwaited === true ? parent : null;
    if (awaitedBy !== null) this.#waitOwn(awaitedBy, start.at);
    const task = { ...start, since: start.at, where: start.who, awaitedBy };
    this.#open.set(start.id, task);
    for (const one of this.#listeners) one.began(task);
  }

  milestone(id: number, what: Milestone, at: Instant, where: string): void {
    const task = this.#open.get(id);
    if (task === undefined) return;
    this.#wait(task, what, at);
    if (where !== task.where) for (const one of this.#listeners) one.moved(task, where, at);
    task.where = where;
  }

  end(id: number, at: Instant): void {
    const task = this.#open.get(id);
    if (task === undefined) return;
    this.#waitOwn(task, at);
    this.#end(task, at, false);
  }

  /** The watch is over. Whose wait nobody has told yet is cut: what it has waited for so far counts. */
  close(at: Instant): void {
    for (const task of [...this.#open.values()].reverse()) {
      if (task.own !== undefined) this.end(task.id, at);
      else this.#end(task, Math.max(task.since, at), true);
    }
  }

  #end(task: OpenTask, at: number, isCut: boolean): void {
    this.#open.delete(task.id);
    for (const one of this.#listeners) one.ended(task, at, isCut);
  }

  /** What nothing has accounted for is the task's own. */
  #waitOwn(task: OpenTask, at: number): void {
    if (task.own === undefined) this.gaps += at - task.since;
    this.#wait(task, task.own ?? 'lost', at);
  }

  #wait(task: OpenTask, what: Milestone, at: number): void {
    let isInherited = false;
    for (let one: OpenTask | null = task; one !== null; one = one.awaitedBy) {
      const { since } = one;
      if (at > since) for (const listener of this.#listeners) listener.waited(one, what, since, at, isInherited);
      one.since = Math.max(since, at);
      isInherited = true;
    }
  }
}
