/** Traces of scenarios, as text. */

import { scenarios } from '../../scenarios/index.ts';
import { TRACE_FORMATS, Trace, type TraceFilter } from '../../src/recorder/index.ts';
import { Run, type RunOptions } from '../../src/scenario/index.ts';

export interface Traced {
  readonly text: string;
  readonly trace: Trace;
  readonly run: Run;
}

export function scenarioNamed(name: string) {
  return scenarios.find((one) => one.name === name)!;
}

export function traced(
  scenario: string,
  format: keyof typeof TRACE_FORMATS,
  { filter, limit, options }: { filter?: TraceFilter; limit?: number; options?: RunOptions } = {},
): Traced {
  const pieces: string[] = [];
  const trace = new Trace(TRACE_FORMATS[format], (text) => pieces.push(text), filter, limit);
  const run = new Run(scenarioNamed(scenario), options);
  const { source } = run;
  trace.begin(source, source.clock);
  run.recorder.on('event', (event) => trace.event(event));
  run.watch(trace);
  run.finish();
  run.unwatch();
  trace.end();
  trace.close();
  return { text: pieces.join(''), trace, run };
}
