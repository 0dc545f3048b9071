/** What of a run goes into a trace: by part of the machine, by kind, by time. A task that reaches into the window is cut at its ends. */
import { kindOf, type RecordKind, type TaskRecord, type TraceRecord } from './record.ts';

export interface TraceFilter {
  /** Names of parts; all of them by default. Of a task of another part, the waits at one of these. */
  readonly who?: ReadonlySet<string>;
  readonly kinds?: ReadonlySet<RecordKind>;
  /** Picoseconds: the first and the last instant. */
  readonly from?: number;
  readonly until?: number;
}

export class FilteredTrace {
  readonly #out: (record: TraceRecord) => void;
  readonly #who: ReadonlySet<string> | null;
  readonly #kinds: ReadonlySet<RecordKind> | null;
  readonly #from: number;
  readonly #until: number;
  /** Tasks that began before the window. */
  readonly #early = new Map<number, TaskRecord>();
  /** Tasks that were let through and have not ended. */
  readonly #shown = new Set<number>();
  #hasBegun = false;

  constructor({ who, kinds, from = 0, until = Infinity }: TraceFilter, out: (record: TraceRecord) => void) {
    this.#who = who ?? null;
    this.#kinds = kinds ?? null;
    this.#from = from;
    this.#until = until;
    this.#out = out;
  }

  write(record: TraceRecord): void {
    if (this.#kinds !== null && !this.#kinds.has(kindOf(record))) return;
    if (this.#who !== null && record.type !== 'end' && !this.#who.has(record.who)) return;
    if (record.at < this.#from) {
      if (record.type === 'task') this.#early.set(record.id, record);
      else if (record.type === 'end') this.#early.delete(record.id);
      return;
    }
    if (!this.#hasBegun) this.#begin();
    if (record.type === 'end') {
      if (this.#shown.delete(record.id)) this.#out({ ...record, at: Math.min(record.at, this.#until) });
    } else if (record.type === 'wait') {
      const since = Math.max(record.since, this.#from);
      const at = Math.min(record.at, this.#until);
      if (since === record.since && at === record.at) this.#out(record);
      else if (since < at) this.#out({ ...record, since, at });
    } else if (record.at <= this.#until) {
      if (record.type === 'task') this.#shown.add(record.id);
      this.#out(record);
    }
  }

  /** The last instant that counts. */
  last(at: number): number {
    return Math.min(Math.max(at, this.#from), this.#until);
  }

  #begin(): void {
    this.#hasBegun = true;
    for (const task of this.#early.values()) {
      this.#shown.add(task.id);
      this.#out({ ...task, at: this.#from });
    }
    this.#early.clear();
  }
}
