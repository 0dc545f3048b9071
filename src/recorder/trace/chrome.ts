/**
 * The JSON of Chrome's trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.
 *
 * Each part of a machine is a process. A task is a slice there, with its waits as slices in it; each wait that is spent
 * elsewhere is a slice there, too, and arrows lead from the task through all of them and back, and from a task to those
 * that go on on its behalf. What goes on at the same time stands in different lanes, which are threads: in each, slices
 * nest and times do not go back. Events are instants in a lane of their own, and counts are counters.
 *
 * What viewers ask for beyond the format: Perfetto takes an arrow's id as a number only, and it and Catapult join what has the
 * same id, category and name; Perfetto names threads by their id alone, so that no two processes may share one, and takes the
 * thread that has the number of its process as the main one. Catapult takes what an arrow touches by its instant, and of two
 * slices that meet the earlier one: arrows are fastened within a slice.
 *
 * Times are microseconds with six decimals: picoseconds. Viewers that count in nanoseconds round them down, which keeps order.
 */
import type { TraceEvent } from '../events.ts';
import { describe, formatJson } from '../text.ts';
import type { TaskRecord, TraceFormat, TraceRecord, TraceSection, TraceWriter, WaitRecord } from './record.ts';

interface Place {
  readonly pid: number;
  readonly tid: number;
}

/** A thread: a task has it to itself, or it is free from `busyUntil` on. */
interface Lane extends Place {
  isTaken: boolean;
  busyUntil: number;
}

/** What an arrow has in common from its beginning to its end. */
type Flow = Readonly<{ name: string; cat: string; id: number; bp: 'e' }>;

interface ShownTask {
  readonly lane: Lane;
  readonly since: number;
  /** The task on whose behalf it goes on, until an arrow has come from there. */
  above: ShownTask | null;
  /** That arrow, where it has begun already. */
  cause: Flow | null;
  /** Tasks to which no arrow has begun yet. */
  readonly below: Set<ShownTask>;
  /** Its way, once that has begun. */
  flow: Flow | null;
}

type Fields = Readonly<Record<string, unknown>>;

const NOTHING: Fields = {};

const OWN_FIELDS: ReadonlySet<string> = new Set(['kind', 'at', 'who']);

class ChromeWriter implements TraceWriter {
  readonly #out: (text: string) => void;
  #isFirst = true;
  #run = 0;
  #title = '';
  /** Processes and threads, of which no two have the same number. */
  #places = 0;
  #flows = 0;
  readonly #pids = new Map<string, number>();
  readonly #lanes = new Map<number, Lane[]>();
  readonly #tasks = new Map<number, ShownTask>();

  constructor(out: (text: string) => void) {
    this.#out = out;
    out('{"displayTimeUnit":"ns","traceEvents":[');
  }

  section({ scenario, machine, parts }: TraceSection): void {
    this.#run++;
    this.#title = `${scenario} on ${machine}`;
    this.#pids.clear();
    this.#lanes.clear();
    for (const { name } of parts) this.#pidOf(name);
  }

  write(record: TraceRecord): void {
    switch (record.type) {
      case 'event':
        this.#instant(record.event);
        break;
      case 'task':
        this.#begin(record);
        break;
      case 'wait':
        this.#wait(record);
        break;
      case 'end':
        this.#end(record.id, record.at);
        break;
      case 'count':
        this.#emit('C', record.at, this.#eventsOf(record.who), {
          name: 'tasks',
          cat: 'count',
          args: { 'under way': record.tasks },
        });
    }
  }

  end(at: number): void {
    for (const id of [...this.#tasks.keys()]) this.#end(id, at);
  }

  close(): void {
    this.#out('\n]}\n');
  }

  #begin({ id, parent, who, task, detail, at }: TaskRecord): void {
    const lane = this.#laneAt(who, at);
    lane.isTaken = true;
    const above = this.#tasks.get(parent) ?? null;
    const shown: ShownTask = { lane, since: at, above, cause: null, below: new Set(), flow: null };
    this.#tasks.set(id, shown);
    above?.below.add(shown);
    const args = { task: id, ...(parent === 0 ? {} : { parent }), ...(detail === undefined ? {} : { detail }) };
    this.#emit('B', at, lane, { name: detail ?? task, cat: task, args });
  }

  #wait({ id, who, task, what, since, at }: WaitRecord): void {
    const shown = this.#tasks.get(id);
    const isElsewhere = shown === undefined || this.#pidOf(who) !== shown.lane.pid;
    const within = Math.floor((since + at) / 2);
    if (shown !== undefined) {
      this.#emit('B', since, shown.lane, { name: what, cat: 'wait' });
      this.#arrive(shown, within);
      if (isElsewhere && shown.flow === null) {
        shown.flow = this.#flow(task, 'task');
        this.#emit('s', within, shown.lane, shown.flow);
      }
      this.#emit('E', at, shown.lane);
    }
    if (!isElsewhere) return;
    const lane = this.#laneAt(who, since);
    lane.busyUntil = at;
    this.#emit('B', since, lane, { name: `${task}: ${what}`, cat: 'wait', args: { task: id } });
    if (shown?.flow) this.#emit('t', within, lane, shown.flow);
    this.#emit('E', at, lane);
  }

  #end(id: number, at: number): void {
    const shown = this.#tasks.get(id);
    if (shown === undefined) return;
    const { lane, flow, since } = shown;
    const within = Math.max(since, at - 1);
    this.#tasks.delete(id);
    this.#arrive(shown, within);
    for (const below of shown.below) this.#leave(below, shown, below.since);
    if (flow !== null) this.#emit('f', within, lane, flow);
    this.#emit('E', at, lane);
    lane.isTaken = false;
    lane.busyUntil = at;
  }

  /** An arrow begins at the task above: when the one below first waits, or when the one above ends. */
  #leave(shown: ShownTask, above: ShownTask, at: number): Flow {
    above.below.delete(shown);
    shown.cause = this.#flow('on behalf of', 'cause');
    this.#emit('s', at, above.lane, shown.cause);
    return shown.cause;
  }

  #arrive(shown: ShownTask, at: number): void {
    if (shown.above !== null) this.#emit('f', at, shown.lane, shown.cause ?? this.#leave(shown, shown.above, at));
    shown.above = null;
  }

  #flow(name: string, cat: string): Flow {
    return { name, cat, id: ++this.#flows, bp: 'e' };
  }

  #instant(event: TraceEvent): void {
    const { what, detail } = describe(event);
    const facts = Object.entries(event).filter(([name]) => !OWN_FIELDS.has(name));
    const args = { ...(detail === '' ? {} : { detail }), ...Object.fromEntries(facts) };
    this.#emit('i', event.at, this.#eventsOf(event.who), { name: what, cat: event.kind, s: 't', args }, formatJson);
  }

  /** The first lane of a part that is free at this instant and ever since. */
  #laneAt(who: string, at: number): Lane {
    const pid = this.#pidOf(who);
    const lanes = this.#lanes.get(pid)!;
    const free = lanes.find(({ isTaken, busyUntil }) => !isTaken && busyUntil <= at);
    if (free !== undefined) return free;
    const lane = { pid, tid: ++this.#places, isTaken: false, busyUntil: 0 };
    this.#about('thread_name', lane, { name: `lane ${lanes.push(lane)}` });
    this.#about('thread_sort_index', lane, { sort_index: lanes.length });
    return lane;
  }

  #pidOf(who: string): number {
    const known = this.#pids.get(who);
    if (known !== undefined) return known;
    const pid = ++this.#places;
    this.#pids.set(who, pid);
    this.#lanes.set(pid, []);
    const events = eventsOf(pid);
    this.#about('process_name', events, { name: this.#run > 1 ? `${who} (${this.#title})` : who });
    this.#about('process_sort_index', events, { sort_index: pid });
    this.#about('thread_name', events, { name: 'events' });
    return pid;
  }

  /** Where events and counts of a part stand. */
  #eventsOf(who: string): Place {
    return eventsOf(this.#pidOf(who));
  }

  #about(what: string, { pid, tid }: Place, args: Fields): void {
    this.#line(JSON.stringify({ ph: 'M', pid, tid, name: what, args }));
  }

  #emit(
    ph: string,
    at: number,
    { pid, tid }: Place,
    fields: Fields = NOTHING,
    json: (fields: Fields) => string = JSON.stringify,
  ): void {
    const begin = `{"ph":"${ph}","ts":${microseconds(at)},"pid":${pid},"tid":${tid}`;
    this.#line(fields === NOTHING ? `${begin}}` : `${begin},${json(fields).slice(1)}`);
  }

  #line(text: string): void {
    this.#out(this.#isFirst ? '\n' : ',\n');
    this.#isFirst = false;
    this.#out(text);
  }
}

function eventsOf(pid: number): Place {
  return { pid, tid: pid };
}

/** A division would round: the decimal point is put where it belongs. */
function microseconds(picoseconds: number): string {
  const whole = Math.floor(picoseconds / 1e6);
  return `${whole}.${String(picoseconds - whole * 1e6).padStart(6, '0')}`;
}

export const CHROME: TraceFormat = {
  extensions: ['json'],
  meaning: 'slices, arrows and counters for Perfetto and chrome://tracing',
  make: (out) => new ChromeWriter(out),
};
