/** The scenario language: what a scenario is made of. It teaches, so its words stand beside its script. */
import { type Duration, InputError, type MachineFeature, type MachineInput, type Script } from '../machine/index.ts';
import type { Stage } from './stage.ts';

export interface ScenarioDefinition {
  /** What the command line calls it: lower-case words joined by dashes and dots. */
  readonly name: string;
  readonly title: string;
  /** What somebody who watches should be able to answer afterwards. */
  readonly question?: string;
  /** What to look at in the trace. */
  readonly look?: readonly string[];
  /** What to try next. */
  readonly next?: readonly string[];
  /** The machine it is written for: a preset's name or what differs from one. */
  readonly machine?: string | MachineInput;
  /** What the story asks of the kernel, on whatever machine it runs. */
  readonly kernel?: MachineInput['kernel'];
  /** The size of the IOTLB that the story is told with, on whatever machine it runs. */
  readonly iotlb?: { readonly sets: number; readonly ways: number };
  /** The devices that the story is about and the way to them, on whatever machine it runs. */
  readonly hardware?: Pick<MachineInput, 'devices' | 'rootPorts' | 'switches' | 'bridges'>;
  /** It measures: what it expects holds for machines as they are, and not with every change of their settings. */
  readonly measures?: true;
  /** What the machine's IOMMU must be able to do. */
  readonly needs?: readonly MachineFeature[];
  /** Simulated time after which it counts as stuck; 1 s unless given. */
  readonly limit?: Duration;
  /** The story. Simulated time passes at each `yield`. */
  run(stage: Stage): Script;
}

/** A definition that `scenario` has looked at. */
export interface Scenario extends ScenarioDefinition {
  readonly question: string;
  readonly look: readonly string[];
  readonly next: readonly string[];
}

const checked = new WeakSet<object>();

/** Declares a scenario. Throws an InputError when something is missing. */
export function scenario(definition: ScenarioDefinition): Scenario {
  const { name, title, run } = definition;
  if (typeof name !== 'string' || !/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(name)) {
    throw new InputError(
      `A scenario's name is made of lower-case words and digits joined by dashes and dots, and ${JSON.stringify(name)} is not.`,
    );
  }
  if (typeof title !== 'string' || title === '') throw new InputError(`Scenario "${name}" needs a title.`);
  if (typeof run !== 'function') throw new InputError(`Scenario "${name}" needs a script: *run(stage) { … }.`);
  const declared: Scenario = { question: '', look: [], next: [], ...definition };
  checked.add(declared);
  return declared;
}

export function isScenario(value: unknown): value is Scenario {
  return typeof value === 'object' && value !== null && checked.has(value);
}
