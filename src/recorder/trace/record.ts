/** What a trace consists of: events, tasks with their waits, and how many tasks are where. In the order of time, and plain data. */
import type { Milestone } from '../../../hardware/sim/index.ts';
import type { EventKind, TraceEvent } from '../events.ts';

/** A task begins. */
export interface TaskRecord {
  readonly type: 'task';
  /** Picoseconds, as everywhere here. */
  readonly at: number;
  readonly who: string;
  readonly id: number;
  readonly parent: number;
  readonly task: string;
  readonly detail?: string;
}

/** A task has waited for something, at `who`, from `since` on. */
export interface WaitRecord {
  readonly type: 'wait';
  readonly at: number;
  readonly since: number;
  readonly who: string;
  readonly id: number;
  readonly task: string;
  readonly what: Milestone;
}

export interface EndRecord {
  readonly type: 'end';
  readonly at: number;
  readonly who: string;
  readonly id: number;
}

/** From now on so many tasks are at `who`. */
export interface CountRecord {
  readonly type: 'count';
  readonly at: number;
  readonly who: string;
  readonly tasks: number;
}

export interface EventRecord {
  readonly type: 'event';
  readonly at: number;
  readonly who: string;
  readonly event: TraceEvent;
}

export type TraceRecord = EventRecord | TaskRecord | WaitRecord | EndRecord | CountRecord;

/** What can be asked for by `--trace-kind`: the kinds of events, and these. */
export const TASK_KINDS = { task: 'tasks, each with its waits', count: 'how many tasks are where' } as const;
export type RecordKind = EventKind | keyof typeof TASK_KINDS;

export function kindOf(record: TraceRecord): RecordKind {
  if (record.type === 'event') return record.event.kind;
  return record.type === 'count' ? 'count' : 'task';
}

/** A part of a machine that a trace may tell of, and what it is. */
export interface TracePart {
  readonly name: string;
  readonly role:
    | 'iommu'
    | 'memory'
    | 'link'
    | 'device'
    | 'switch'
    | 'root'
    | 'program'
    | 'kernel'
    | 'core'
    | 'software';
}

/** One run in a trace. */
export interface TraceSection {
  readonly scenario: string;
  readonly machine: string;
  readonly parts: readonly TracePart[];
  /** It has tasks, and no events. */
  readonly isSilent?: true;
}

/** Writes one format, piece by piece. */
export interface TraceWriter {
  /** A run begins. */
  section(section: TraceSection): void;
  /** In the order of time. */
  write(record: TraceRecord): void;
  /** The run is over, at `at`; every task has ended. */
  end(at: number): void;
  /** Ends the file. */
  close(): void;
}

export interface TraceFormat {
  readonly extensions: readonly string[];
  /** In a few words, for people. */
  readonly meaning: string;
  /** A file holds one run only. */
  readonly holdsOneRun?: true;
  make(out: (text: string) => void): TraceWriter;
}
