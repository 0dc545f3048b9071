/**
 * Reads a trace in Chrome's trace event format, and throws where a viewer would not show what is meant: in each thread slices nest
 * and times do not go back; an arrow begins, goes on and ends in a slice, in the order of time; counters have numbers.
 *
 * Beyond the format, it is as particular as Perfetto's and Catapult's importers: pieces of an arrow belong together if id,
 * category and name are the same, and its id is a number; no two processes have threads with the same id. As they do, it puts
 * everything into the order of time first, and leaves what is of the same instant as it is. An arrow is fastened within a slice:
 * where two meet, one cannot tell which of them is meant.
 */
export interface Slice {
  readonly process: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

export interface ChromeTrace {
  readonly slices: readonly Slice[];
  /** By id: the processes that an arrow leads through. */
  readonly flows: ReadonlyMap<string, readonly string[]>;
  readonly instants: readonly { readonly process: string; readonly name: string; readonly at: number }[];
  readonly counts: ReadonlyMap<string, readonly number[]>;
  readonly lanes: number;
}

interface Line {
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly name?: string;
  readonly cat?: string;
  readonly id?: unknown;
  readonly bp?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

interface Thread {
  /** End of the last slice that stood in no other. */
  endedAt: number;
  readonly open: { readonly name: string; readonly start: number }[];
}

export function readChrome(text: string): ChromeTrace {
  const { traceEvents } = JSON.parse(text) as { traceEvents: Line[] };
  const processes = new Map<number, string>();
  const threads = new Map<string, Thread>();
  const owners = new Map<number, number>();
  const slices: Slice[] = [];
  const flows = new Map<string, { readonly name: string; readonly at: number; readonly ph: string }[]>();
  const instants: { process: string; name: string; at: number }[] = [];
  const counts = new Map<string, number[]>();
  const written = new Map<number, number>();
  for (const { ph, tid, ts = 0 } of traceEvents) {
    if (ph !== 'B' && ph !== 'E') continue;
    if (ts < (written.get(tid) ?? 0)) throw new Error(`thread ${tid}: time goes back to ${ts}`);
    written.set(tid, ts);
  }
  const inOrder = [...traceEvents].sort((a, b) => (a.ts ?? 0) - (b.ts ?? 0));
  for (const line of inOrder) {
    const { ph, pid, tid, name = '', ts } = line;
    if ((owners.get(tid) ?? pid) !== pid) throw new Error(`two processes have a thread ${tid}`);
    owners.set(tid, pid);
    if (ph === 'M') {
      if (name === 'process_name') processes.set(pid, String(line.args?.['name']));
      continue;
    }
    const process = processes.get(pid);
    if (process === undefined || typeof ts !== 'number' || !(ts >= 0))
      throw new Error(`nobody's: ${JSON.stringify(line)}`);
    const thread = threads.get(`${pid}.${tid}`) ?? { endedAt: -1, open: [] };
    threads.set(`${pid}.${tid}`, thread);
    if (ph === 'B') thread.open.push({ name, start: ts });
    else if (ph === 'E') {
      const slice = thread.open.pop();
      if (slice === undefined) throw new Error(`${process}: a slice ends at ${ts} that has not begun`);
      slices.push({ ...slice, process, end: ts, depth: thread.open.length });
      if (thread.open.length === 0) thread.endedAt = ts;
    } else if (ph === 's' || ph === 't' || ph === 'f') {
      if (thread.open.length === 0) throw new Error(`${process}: an arrow at ${ts} is in no slice`);
      const { start } = thread.open[0]!;
      if (start === ts && thread.endedAt === ts)
        throw new Error(`${process}: an arrow at ${ts} is where two slices meet`);
      if (!Number.isSafeInteger(line.id)) throw new Error(`${process}: no number of an arrow: ${line.id}`);
      if (ph === 'f' && line.bp !== 'e') throw new Error(`${process}: an arrow at ${ts} leads to the next slice`);
      const id = `${line.cat} ${name} ${line.id}`;
      const flow = flows.get(id) ?? [];
      flows.set(id, [...flow, { name: process, at: ts, ph }]);
    } else if (ph === 'i') instants.push({ process, name, at: ts });
    else if (ph === 'C') counts.set(process, [...(counts.get(process) ?? []), Number(line.args?.['under way'])]);
    else throw new Error(`unknown: ${JSON.stringify(line)}`);
  }
  for (const [thread, { open }] of threads) {
    if (open.length > 0) throw new Error(`thread ${thread}: ${open.length} slices do not end`);
  }
  for (const [id, flow] of flows) {
    if (!/^st*f$/.test(flow.map(({ ph }) => ph).join(''))) throw new Error(`arrow ${id} does not begin, go on and end`);
    flow.forEach(({ at }, i) => {
      if (i > 0 && at < flow[i - 1]!.at) throw new Error(`arrow ${id} leads back in time`);
    });
  }
  for (const [process, values] of counts) {
    if (!values.every((value) => Number.isInteger(value) && value >= 0)) throw new Error(`${process}: ${values}`);
  }
  const names = new Map([...flows].map(([id, flow]) => [id, flow.map(({ name }) => name)]));
  return { slices, flows: names, instants, counts, lanes: threads.size };
}
