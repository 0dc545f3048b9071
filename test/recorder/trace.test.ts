/** Traces that tools open: read back by readers that know nothing of the writers. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PathRun } from '../../src/machine/index.ts';
import { TRACE_FORMATS, Trace, type TraceFilter, type TraceFormat } from '../../src/recorder/index.ts';
import { Run } from '../../src/scenario/index.ts';
import { readChrome } from './chrome-reader.ts';
import { scenarioNamed, traced } from './traces.ts';
import { readVcd } from './vcd-reader.ts';

const FIRST = '01-first-dma';
const US = 1e6;
/** The first DMA of the scenario: the register write that starts it, and its way to memory. */
const FIRST_DMA: TraceFilter = { from: 45.7 * US, until: 46.9 * US };
const TIMED = {
  machine: 'bdw',
  iommu: '4K',
  node: 'local',
  cache: 'warm',
  bytes: 64,
  window: 2 ** 21,
  offset: 0,
  seed: 1,
} as const;
const golden = (name: string): string => fileURLToPath(new URL(`../golden/traces/${name}`, import.meta.url));

describe('A trace for Perfetto', () => {
  const { text, run } = traced(FIRST, 'chrome');
  const trace = readChrome(text);

  it('has slices that nest, arrows that begin and end, and times that do not go back.', () => {
    expect(trace.slices.length).toBeGreaterThan(500);
    expect(trace.instants.length).toBeGreaterThan(200);
    const [whole] = trace.slices.filter(({ name }) => name === 'run');
    expect(whole).toMatchObject({ process: 'program', start: 0, depth: 0 });
    expect(Math.round(whole!.end * US)).toBe(run.report().picoseconds);
  });

  it('leads from a device over its link to root complex, IOMMU and memory and back.', () => {
    const ways = [...trace.flows.values()].map((way) => way.join(' > '));
    expect(ways).toContain('dma0 > link dma0 > root > iommu0 > iommu0 > memory > dma0');
    expect(ways).toContain('dma0 > link dma0 > root > iommu0 > iommu0 > memory > link dma0 > dma0');
    // A program's system call, for which the kernel reads a register of the device.
    expect(ways).toContain('app > cpu');
    expect(ways).toContain('kernel > cpu');
  });

  it('ends each way where it began.', () => {
    const ways = [...trace.flows.values()].filter((way) => way.length > 2);
    expect(ways.filter((way) => way.at(0) !== way.at(-1))).toEqual([]);
    expect(ways.length).toBeGreaterThan(50);
  });

  it('has no part with more tasks at the end than are under way.', () => {
    for (const name of ['dma0', 'link dma0', 'root', 'iommu0', 'memory', 'cpu']) {
      expect(Math.max(...trace.counts.get(name)!)).toBeGreaterThan(0);
      expect(trace.counts.get(name)!.at(-1)).toBe(0);
    }
  });

  it('tells picoseconds, so that each wait begins when the one before it ends.', () => {
    const call = trace.slices.find(({ name, process }) => process === 'dma0' && name === 'DMA write')!;
    const waits = trace.slices.filter(
      ({ process, depth, start, end }) => process === 'dma0' && depth === 1 && start >= call.start && end <= call.end,
    );
    expect(waits.map(({ name }) => name)).toEqual(['link up', 'route', 'lookup', 'walk', 'memory']);
    expect(waits.map(({ start }) => start)).toEqual([call.start, ...waits.slice(0, -1).map(({ end }) => end)]);
    expect(waits.at(-1)!.end).toBe(call.end);
  });

  it.each(['13-nic-at-line-rate', '20-peer-to-peer', '05-page-requests', '47-pulled-out'])(
    'is whole with much under way at a time, and with what is lost: %s.',
    (name) => {
      expect(readChrome(traced(name, 'chrome').text).slices.length).toBeGreaterThan(500);
    },
  );
});

describe('A trace for a waveform viewer', () => {
  const { text, run } = traced(FIRST, 'vcd');
  const { signals, timescale, end } = readVcd(text);

  it('ends when the run ends, in picoseconds.', () => {
    expect([timescale, end]).toEqual(['1 ps', run.report().picoseconds]);
  });

  it('has an event for each that was recorded, at its instant.', () => {
    const { statistics } = run.report();
    expect(signals.get('iommu0.miss')!.changes).toHaveLength(statistics.iotlbMisses);
    expect(signals.get('iommu0.read')!.changes).toHaveLength(statistics.entryReads);
    expect(signals.get('iommu0.fault')!.changes).toHaveLength(statistics.faults);
    expect(signals.get('software.call')!.changes).toHaveLength(statistics.systemCalls);
  });

  it('counts tasks where they are, and shows the address of the last request.', () => {
    const { type, bits, changes } = signals.get('iommu0.tasks')!;
    expect([type, bits]).toEqual(['integer', 32]);
    expect(changes.map(([, value]) => value).slice(0, 3)).toEqual(['0', '1', '0']);
    const [, ...addresses] = signals.get('iommu0.address')!.changes.map(([, value]) => Number.parseInt(value, 2));
    expect(addresses[0]).toBe(0x10_0000);
  });

  it('counts the tasks of processes together, and ends with none.', () => {
    const under = signals.get('software.tasks')!.changes.map(([, value]) => Number.parseInt(value, 2));
    expect(Math.max(...under)).toBeGreaterThan(0);
    expect(under.at(-1)).toBe(0);
  });

  it('declares no events of the timed path, which has none.', () => {
    const pieces: string[] = [];
    const trace = new Trace(TRACE_FORMATS.vcd, (piece) => pieces.push(piece));
    trace.begin(new PathRun(TIMED, 'read').source, { now: 0 });
    trace.end();
    expect(new Set([...readVcd(pieces.join('')).signals.keys()].map((name) => name.split('.')[1]))).toEqual(
      new Set(['tasks']),
    );
  });

  it('declares for each part only what it can tell.', () => {
    const told = (part: string) =>
      [...signals.keys()].filter((name) => name.startsWith(`${part}.`)).map((name) => name.slice(part.length + 1));
    expect([told('cpu'), told('program'), told('kernel')]).toEqual([['tasks'], ['tasks'], ['tasks', 'log']]);
    expect(told('software')).toEqual(['tasks', 'call', 'step', 'note', 'expectation']);
  });
});

/** What the lines of tasks have in common. */
interface Step {
  readonly kind: string;
  readonly id: number;
  readonly at: number;
  readonly since: number;
}

describe('A trace as JSON lines', () => {
  it('accounts for each task from its beginning to its end.', () => {
    const lines = traced(FIRST, 'jsonl').text.trimEnd().split('\n');
    const records = lines.slice(1).map((line) => JSON.parse(line) as Step);
    const since = new Map<number, number>();
    for (const { kind, id, at, since: from } of records) {
      if (kind === 'task') since.set(id, at);
      if (kind !== 'wait') continue;
      expect(from).toBeGreaterThanOrEqual(since.get(id)!);
      since.set(id, at);
    }
    const times = records.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});

describe('Traces of the first DMA are as reviewed', () => {
  it.each([
    ['chrome', 'json'],
    ['vcd', 'vcd'],
    ['jsonl', 'jsonl'],
  ] as const)('as %s.', async (format, extension) => {
    await expect(traced(FIRST, format, { filter: FIRST_DMA }).text).toMatchFileSnapshot(
      golden(`first-dma.${extension}`),
    );
  });
});

describe('A filter', () => {
  const linesOf = (filter: TraceFilter) =>
    traced(FIRST, 'jsonl', { filter })
      .text.trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line) as { kind: string; who: string; at: number; since?: number });

  it('lets only some kinds pass.', () => {
    expect(new Set(linesOf({ kinds: new Set(['miss', 'fault']) }).map(({ kind }) => kind))).toEqual(
      new Set(['miss', 'fault']),
    );
  });

  it('lets only some parts pass: of tasks of others, what they wait for there.', () => {
    const lines = linesOf({ who: new Set(['iommu0']) });
    expect(new Set(lines.map(({ who }) => who))).toEqual(new Set(['iommu0']));
    expect(new Set(lines.map(({ kind }) => kind))).toContain('wait');
  });

  it('cuts what reaches over the ends of a window.', () => {
    const [from, until] = [45 * US, 46 * US];
    const lines = linesOf({ from, until });
    for (const { at, since = at } of lines) expect([since >= from, at <= until]).toEqual([true, true]);
    const whole = readChrome(traced(FIRST, 'chrome', { filter: { from, until } }).text).slices.find(
      ({ name }) => name === 'run',
    );
    expect([whole!.start, whole!.end]).toEqual([45, 46]);
  });

  it('leaves an empty but whole trace where nothing passes.', () => {
    const filter = { who: new Set(['nobody']) };
    expect(readChrome(traced(FIRST, 'chrome', { filter }).text).slices).toEqual([]);
    expect(readVcd(traced(FIRST, 'vcd', { filter }).text).signals.get('iommu0.miss')!.changes).toEqual([]);
  });
});

describe('A trace that has come to its limit', () => {
  it('says when, holds little more, and is whole.', () => {
    const limit = 40_000;
    const { text, trace } = traced(FIRST, 'chrome', { limit });
    expect(trace.fullAt).toBeGreaterThan(0);
    expect(text.length).toBeGreaterThanOrEqual(limit);
    expect(text.length).toBeLessThan(limit + 5_000);
    expect(readChrome(text).slices.length).toBeGreaterThan(10);
  });

  it('has no further run in it.', () => {
    const pieces: string[] = [];
    const trace = new Trace(TRACE_FORMATS.jsonl, (piece) => pieces.push(piece), {}, 1);
    for (const name of [FIRST, '02-stale-iotlb']) {
      const run = new Run(scenarioNamed(name));
      trace.begin(run.source, run.source.clock);
      run.recorder.on('event', (event) => trace.event(event));
      run.finish();
      trace.end();
    }
    trace.close();
    expect(
      pieces
        .join('')
        .split('\n')
        .filter((line) => line.includes('"scenario":')),
    ).toHaveLength(1);
  });
});

describe('The timed path', () => {
  it.each(['read', 'write', 'readWrite'] as const)(
    'leaves whole traces, also of what is told ahead of its time: %s.',
    (traffic) => {
      const textOf = (format: TraceFormat): string => {
        const pieces: string[] = [];
        const run = new PathRun(TIMED, traffic);
        const trace = new Trace(format, (piece) => pieces.push(piece));
        trace.begin(run.source, run.source.clock);
        run.source.watch(trace);
        run.run(200);
        trace.end();
        trace.close();
        return pieces.join('');
      };
      const trace = readChrome(textOf(TRACE_FORMATS.chrome));
      const whole = traffic === 'write' ? 'DMA write' : 'DMA read';
      expect(trace.slices.filter(({ name }) => name === whole).length).toBeGreaterThanOrEqual(200);
      if (traffic === 'read') {
        const ways = new Set([...trace.flows.values()].map((way) => way.join(' > ')));
        expect(ways).toContain('device > link up > iommu > iommu > memory > link down > device');
      }
      const { signals } = readVcd(textOf(TRACE_FORMATS.vcd));
      const under = signals.get('iommu.tasks')!.changes.map(([, value]) => Number.parseInt(value, 2));
      expect(Math.max(...under)).toBeGreaterThan(1);
      expect(Math.min(...under)).toBe(0);
    },
  );

  it('needs no more memory for a long trace than for a short one: what waits for its time is what is under way.', () => {
    let most = 0;
    let open = 0;
    const run = new PathRun(TIMED, 'read');
    run.source.watch({
      began: () => {
        open++;
        most = Math.max(most, open);
      },
      waited: () => {},
      moved: () => {},
      ended: () => void open--,
    });
    run.run(5000);
    // Tags, and those whose landing is told ahead.
    expect(most).toBeLessThan(100);
  });
});
