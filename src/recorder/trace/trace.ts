/**
 * A trace of one run after the other: brings what it is told into the order of time, lets a filter choose, and hands it to a
 * writer. What a model tells ahead of its time waits here, so that memory is bounded by what is under way.
 *
 * Needs a writer and, for each run, a clock. Offers `begin` and `end` of a run, and is a `TaskListener` of it.
 */
import type { Milestone } from '../../../hardware/sim/index.ts';
import type { TraceEvent } from '../events.ts';
import type { OpenTask, TaskListener } from '../tasks.ts';
import { FilteredTrace, type TraceFilter } from './filter.ts';
import type { TraceFormat, TraceRecord, TraceSection, TraceWriter } from './record.ts';

export class Trace implements TaskListener {
  /** When the text had come to its limit: from then on nothing more is written. */
  fullAt: number | null = null;
  readonly #writer: TraceWriter;
  readonly #filter: TraceFilter;
  readonly #limit: number;
  #length = 0;
  #filtered: FilteredTrace | null = null;
  #clock: { readonly now: number } = { now: 0 };
  /** What waits for its time, in its order. */
  readonly #ahead: TraceRecord[] = [];
  readonly #counts = new Map<string, number>();
  /** Everybody who was told of, let through or not. */
  readonly names = new Set<string>();

  /** `out` takes the text, piece by piece; about `limit` characters of it. */
  constructor(format: TraceFormat, out: (text: string) => void, filter: TraceFilter = {}, limit = Infinity) {
    this.#filter = filter;
    this.#limit = limit;
    this.#writer = format.make((text) => {
      this.#length += text.length;
      out(text);
    });
  }

  begin(section: TraceSection, clock: { readonly now: number }): void {
    this.#clock = clock;
    this.#counts.clear();
    if (this.fullAt !== null) return;
    this.#writer.section(section);
    this.#filtered = new FilteredTrace(this.#filter, (record) => this.#writer.write(record));
  }

  /** The run is over; whoever told of tasks has told their ends. */
  end(): void {
    this.#release(Infinity);
    if (this.fullAt === null) this.#writer.end(this.#filtered?.last(this.#clock.now) ?? 0);
    this.#filtered = null;
  }

  close(): void {
    this.#writer.close();
  }

  event(event: TraceEvent): void {
    this.#put({ type: 'event', at: event.at, who: event.who, event });
  }

  began({ id, parent, kind, who, at, detail }: OpenTask): void {
    this.#put({ type: 'task', at, who, id, parent, task: kind, ...(detail === undefined ? {} : { detail }) });
    this.#count(who, 1, at);
  }

  waited({ id, kind, where }: OpenTask, what: Milestone, since: number, at: number, isInherited: boolean): void {
    if (!isInherited) this.#put({ type: 'wait', at, since, who: where, id, task: kind, what });
  }

  moved({ where }: OpenTask, to: string, at: number): void {
    this.#count(where, -1, at);
    this.#count(to, 1, at);
  }

  ended({ id, who, where }: OpenTask, at: number): void {
    this.#count(where, -1, at);
    this.#put({ type: 'end', at, who, id });
  }

  /** The change is counted when its time comes. */
  #count(who: string, change: number, at: number): void {
    this.#put({ type: 'count', at, who, tasks: change });
  }

  #put(record: TraceRecord): void {
    if (this.fullAt !== null) return;
    const { now } = this.#clock;
    this.names.add(record.who);
    this.#release(now);
    if (record.at <= now && this.#ahead.length === 0) this.#write(record);
    else this.#insert(record);
    if (this.#length >= this.#limit) this.#stop(now);
  }

  /** What is still under way is ended, so that the file is whole. */
  #stop(now: number): void {
    this.#writer.end(this.#filtered?.last(now) ?? 0);
    this.fullAt = now;
    this.#filtered = null;
    this.#ahead.length = 0;
  }

  /** Behind everything of the same instant; what is told ahead is nearly always the latest. */
  #insert(record: TraceRecord): void {
    const ahead = this.#ahead;
    let i = ahead.length;
    while (i > 0 && ahead[i - 1]!.at > record.at) i--;
    ahead.splice(i, 0, record);
  }

  #release(now: number): void {
    const ahead = this.#ahead;
    let count = 0;
    while (count < ahead.length && ahead[count]!.at < now) this.#write(ahead[count++]!);
    if (count > 0) ahead.splice(0, count);
  }

  #write(record: TraceRecord): void {
    if (record.type !== 'count') {
      this.#filtered?.write(record);
      return;
    }
    const { who, at } = record;
    const tasks = (this.#counts.get(who) ?? 0) + record.tasks;
    this.#counts.set(who, tasks);
    this.#filtered?.write({ type: 'count', at, who, tasks });
  }
}
