// docs/traces.md: the formats of traces, what they tell, and the performance counters under the names of Linux's perf.
import { table } from './markdown.mjs';

export function tracesPage({ formats, milestones, eventKinds, taskKinds, vendors }) {
  return [
    '# Traces, shares of time, and counters',
    '',
    'Written by `npm run docs` from the declarations in `src/recorder`, `hardware/sim/tasks.ts` and `src/machine/counters`.',
    '',
    '## Traces',
    '',
    '`--trace FILE` of `ioasim run` and `ioasim path` writes a trace; it is written while the run goes on, so that memory does not',
    'grow with it. The extension chooses the format, or `--trace-format`.',
    '',
    ...table(
      ['Format', 'Extension', 'What it is'],
      Object.entries(formats).map(([name, { extensions, meaning }]) => [
        `\`${name}\``,
        extensions.map((one) => `.${one}`).join(', '),
        meaning,
      ]),
    ),
    'Drop a `.json` file on https://ui.perfetto.dev, or load it in chrome://tracing where a browser still has it: each part of the machine is a process; a task is a slice',
    'there, with its waits as slices in it; a wait that is spent elsewhere is a slice there, too, and arrows lead along. What goes on at',
    'the same time stands in lanes. Times are exact to the picosecond in the file; Perfetto itself shows nanoseconds. `gtkwave FILE.vcd` and',
    'Surfer show how many tasks are at each part, and events.',
    '',
    "Traces of scenarios on machines of both vendors were opened and looked at in GTKWave 3.3.118, and in Catapult's trace viewer, which was",
    'chrome://tracing, in Chromium 156, which has it no longer itself. Perfetto was not at hand: a test holds the JSON to what the sources of',
    "its importer ask for. The engine of DevTools' performance panel, also run, does not keep slices of different threads apart.",
    '',
    '`--trace-who NAME` and `--trace-kind KIND`, each as often as you like, and `--trace-from TIME`, `--trace-until TIME` choose what is',
    `in it. Kinds are those of events (${eventKinds.join(', ')}) and`,
    `${Object.entries(taskKinds)
      .map(([kind, meaning]) => `${kind} (${meaning})`)
      .join(', ')}. \`--trace-limit BYTES\` ends the file where it has so many bytes; it is whole all`,
    'the same, and one sentence says where it ends.',
    '',
    '## Where the time went',
    '',
    '`--where` tells it for each kind of task, `--where-plot FILE` draws it (.svg, or .html with the table), and `--json` gives it as data',
    '(`where`, in picoseconds). A task is a request of a device, an',
    'access of the CPU, a system call, an interrupt handler, the boot, or the whole run; at each instant of its life it waits for one of',
    'these, so that they add up to its time, to the picosecond:',
    '',
    ...table(['Milestone', 'A task waits'], Object.entries(milestones)),
    'What a system call or the run waits for by means of another task (a register read, an invalidation) counts as what that one waits for.',
    '',
    '## Performance counters',
    '',
    '`--counters` tells what the counters of a real machine would have counted, under the names that `perf stat -e` takes there. They count',
    'whatever software does with the counters in the registers, and cost no simulated time.',
    '',
    ...vendors.flatMap(([vendor, { pmu, sources, counters }]) => [
      `### ${vendor}: \`${pmu(0)}\``,
      '',
      `Names: ${sources.join('; ')}.`,
      '',
      ...table(
        ['Counter', 'Counts when'],
        counters.filter(({ event }) => event !== null).map(({ name, meaning }) => [`\`${name}\``, meaning]),
      ),
      'Without a counterpart in the model:',
      '',
      ...table(
        ['Counter', 'Why'],
        counters.filter(({ event }) => event === null).map(({ name, meaning }) => [`\`${name}\``, meaning]),
      ),
    ]),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
