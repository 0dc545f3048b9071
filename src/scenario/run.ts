/**
 * One scenario on one machine. Time is let pass from outside, one narrated step at a time if so wished; what happens is
 * recorded; expectations that fail, and a script that throws or never ends, become part of the report.
 */
import type { Question } from '../../hardware/index.ts';
import {
  after,
  asTask,
  buildMachine,
  featuresOf,
  formatTime,
  InputError,
  type Instant,
  type Machine,
  type MachineFeature,
  type MachineInput,
  ms,
  resolveSpec,
  START,
  type Task,
} from '../machine/index.ts';
import { type Counter, Recorder, Statistics, type TaskListener, TaskLog, type TraceSource } from '../recorder/index.ts';
import type { Scenario } from './scenario.ts';
import { type Expectation, Stage } from './stage.ts';

export interface RunOptions {
  /** Instead of the machine that the scenario names. */
  readonly machine?: string | MachineInput;
  /** Edits of the machine, as `path=value`. */
  readonly settings?: readonly string[];
}

/** How a run ended, as plain data. */
export interface Report {
  readonly scenario: string;
  readonly title: string;
  readonly machine: string;
  readonly seed: number;
  readonly ok: boolean;
  readonly expectations: readonly Expectation[];
  /** Why the script did not come to its end, in one sentence. */
  readonly error?: string;
  readonly picoseconds: number;
  readonly statistics: Readonly<Record<Counter, number>>;
}

const NO_WAY = { rootPorts: [], switches: [], bridges: [] };
const DEFAULT_LIMIT = ms(1000);

export class Run {
  readonly scenario: Scenario;
  readonly machine: Machine;
  readonly recorder: Recorder;
  readonly #stage: Stage;
  readonly #statistics: Statistics;
  readonly #task: Task<void>;
  readonly #deadline: Instant;
  readonly #watchers: TaskListener[] = [];
  #tasks: TaskLog | null = null;
  #stepReached = false;
  #endedAt: Instant | null = null;
  #error: string | undefined;

  /** Builds the machine and attaches a recorder; nothing happens before `advance`. Throws an InputError for a wrong machine. */
  constructor(scenario: Scenario, options: RunOptions = {}) {
    const missing = missingFor(scenario, options);
    const machine = buildMachine(machineFor(scenario, options.machine), options.settings);
    if (missing.length > 0) {
      throw new InputError(
        `Scenario ${scenario.name} needs ${missing.join(', ')}, which ${machine.spec.name} has not.`,
      );
    }
    this.scenario = scenario;
    this.machine = machine;
    this.recorder = new Recorder(machine.engine, machine.names);
    this.#statistics = new Statistics(this.recorder);
    machine.attach(this.recorder);
    this.#stage = new Stage(machine, this.recorder);
    this.recorder.on('step', () => {
      this.#stepReached = true;
    });
    this.#deadline = after(START, scenario.limit ?? DEFAULT_LIMIT);
    this.#task = machine.engine.spawn(this.#play(), scenario.name);
  }

  /** When the script came to its end; `null` while it has not. */
  get endedAt(): Instant | null {
    return this.#endedAt;
  }

  /** Tells `listener` of every task: before time passes. `unwatch` says that it is over. */
  watch(listener: TaskListener): void {
    this.#watchers.push(listener);
    this.#tasks ??= new TaskLog(this.#watchers);
    this.machine.watch(this.#tasks);
  }

  /** As something to trace and to measure. */
  get source(): TraceSource {
    const { machine, recorder, scenario } = this;
    const { engine, parts, spec } = machine;
    const watch = (listener: TaskListener): void => this.watch(listener);
    return { scenario: scenario.name, machine: spec.name, parts, clock: engine, recorder, watch };
  }

  /** Picoseconds of watched tasks that nobody has accounted for. */
  get unaccounted(): number {
    return this.#tasks?.gaps ?? 0;
  }

  /** What is still under way has come so far. */
  unwatch(): void {
    this.#tasks?.close(this.machine.engine.now);
    this.machine.watch(null);
  }

  /** Lets time pass until the next step has been announced. False when the scenario has ended. */
  advance(): boolean {
    this.#stepReached = false;
    return this.#goOn(() => this.#stepReached);
  }

  /**
   * Lets time pass until the `n`-th DMA request from now on has reached the IOMMU, and has not been looked up yet. Gives
   * the request, or how many there were when the scenario ended before.
   */
  advanceToRequest(n: number): Question | number {
    let seen = 0;
    let last: Question | null = null;
    this.machine.onRequest = (request) => {
      if (++seen === n) last = request;
    };
    const reached = this.#goOn(() => seen >= n);
    this.machine.onRequest = null;
    return reached && last !== null ? last : seen;
  }

  /** Lets time pass until instant `t`. False when the script has ended before. */
  advanceTo(t: Instant): boolean {
    try {
      this.machine.engine.runUntil(t);
    } catch (error) {
      this.#error = sentence(error);
    }
    return this.#error === undefined && (this.#endedAt === null || this.#endedAt >= t);
  }

  /** Lets time pass until the end. */
  finish(): Report {
    while (this.advance());
    return this.report();
  }

  report(): Report {
    const { spec, engine } = this.machine;
    const { expectations } = this.#stage;
    const error = this.#error;
    return {
      scenario: this.scenario.name,
      title: this.scenario.title,
      machine: spec.name,
      seed: spec.seed,
      ok: error === undefined && expectations.every(({ holds }) => holds),
      expectations,
      ...(error === undefined ? {} : { error }),
      picoseconds: engine.now,
      statistics: this.#statistics.counts,
    };
  }

  /** Fires events until `reached`; false when the scenario has ended. */
  #goOn(reached: () => boolean): boolean {
    const { engine } = this.machine;
    try {
      while (!this.#task.ended && this.#error === undefined) {
        if (reached()) return true;
        if (engine.now > this.#deadline)
          this.#error = `It has not ended after ${formatTime(engine.now)} of simulated time.`;
        else if (!engine.step())
          this.#error = `Nothing is left to happen at ${formatTime(engine.now)}, but ${this.#task.plight}.`;
      }
    } catch (error) {
      this.#error = sentence(error);
    }
    return false;
  }

  *#play() {
    const { engine } = this.machine;
    const task = { kind: 'run', who: 'program', own: 'program' } as const;
    yield* asTask(engine, task, play(this.scenario, this.machine, this.#stage));
    this.#endedAt = engine.now;
  }
}

/** Runs a scenario to its end. */
export function runScenario(scenario: Scenario, options: RunOptions = {}): Report {
  return new Run(scenario, options).finish();
}

/** The machine that was asked for, or else the scenario's own, with the kernel that the story needs. */
function machineFor(scenario: Scenario, asked: string | MachineInput | undefined): MachineInput {
  const machine = asked ?? scenario.machine ?? {};
  // A story that brings devices brings all of the way to them.
  const hardware = scenario.hardware && { ...NO_WAY, ...scenario.hardware };
  const input: MachineInput = { ...(typeof machine === 'string' ? { preset: machine } : machine), ...hardware };
  const { iotlb, kernel } = scenario;
  return {
    ...input,
    ...(iotlb && { iommu: { ...input.iommu, iotlb: { ...input.iommu?.iotlb, ...iotlb } } }),
    ...(kernel && { kernel: { ...input.kernel, ...kernel } }),
  };
}

/** What a scenario needs and the machine that it would run on has not; the scenario cannot be told there. */
export function missingFor(scenario: Scenario, options: RunOptions = {}): MachineFeature[] {
  const has = featuresOf(resolveSpec(machineFor(scenario, options.machine), options.settings));
  return (scenario.needs ?? []).filter((feature) => !has.has(feature));
}

function* play(scenario: Scenario, machine: Machine, stage: Stage) {
  yield* machine.boot();
  const script = scenario.run(stage) as unknown;
  if (typeof script !== 'object' || script === null || !(Symbol.iterator in script)) {
    throw new InputError(`run of scenario "${scenario.name}" is not a generator: write *run(stage) { … }`);
  }
  yield* script as ReturnType<Scenario['run']>;
}

/** What was thrown, as one sentence. */
function sentence(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim();
  const text =
    message === '' ? 'It threw an error without a message' : `${message[0]!.toUpperCase()}${message.slice(1)}`;
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
