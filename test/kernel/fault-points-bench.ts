/**
 * Programs whose allocations fail, each in its turn. A program says of each call whether it may; the trial makes it fail at each
 * place where it allocates and sees to it that the call said why, that nothing else has changed, and that it can be repeated.
 */
import { expect } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import type { Kernel, Process } from '../../src/kernel/index.ts';
import type { DomainIds } from '../../src/kernel/iommu/domain-ids.ts';
import { formatResult } from '../../src/uapi/index.ts';
import { Program } from '../../src/user/index.ts';

/** How often a call is refused: at one place, or from there on. */
export const REFUSALS = ['once', 'from then on'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What a call gives; failures are negative numbers. */
type Result = number | bigint | object;

export class Trial {
  readonly kernel: Kernel;
  readonly #refusal: Refusal;
  /** Points at which a call has failed as it should. */
  readonly reached = new Set<FaultPoint>();
  /** Points that a call did without, with the call. */
  readonly absorbed: string[] = [];
  /** Calls that were refused. */
  refused = 0;
  readonly #programs: Program[] = [];
  readonly #probes: (() => Script<unknown>)[] = [];
  readonly #ends: (() => Script<unknown>)[] = [];

  constructor(kernel: Kernel, refusal: Refusal) {
    this.kernel = kernel;
    this.#refusal = refusal;
  }

  program(name: string): Program {
    return this.adopt(new Program(this.kernel.process(name)));
  }

  /** A program whose memory and files are looked at too. */
  adopt(program: Program): Program {
    this.#programs.push(program);
    return program;
  }

  /** Looks whether something is as it was, from now on: what a device reads, or does not. */
  watch(probe: () => Script<unknown>): void {
    this.#probes.push(probe);
  }

  /** What is done before the programs end. */
  atEnd(end: () => Script<unknown>): void {
    this.#ends.push(end);
  }

  /**
   * Repeats a call until it succeeds: each time it is refused at the next place where it allocates. `prepares`: what it makes
   * ready for those that come after it may stay when it fails.
   */
  *call<R extends Result>(name: string, call: () => Script<R>, { prepares = false } = {}): Script<R> {
    const { faultPoints } = this.kernel;
    const before = yield* this.state();
    for (let failing = 0; ; failing++) {
      const asked: string[] = [];
      faultPoints.refuse = (point) => {
        if (!isFailing(point)) return false;
        const at = asked.push(point) - 1;
        return this.#refusal === 'once' ? at === failing : at >= failing;
      };
      const result = yield* call();
      faultPoints.refuse = null;
      const point = asked[failing] as FaultPoint | undefined;
      if (point === undefined) return sure(name, result);
      if (!isErrno(result)) {
        this.absorbed.push(`${name}: ${point}`);
        return result;
      }
      this.refused++;
      this.reached.add(point);
      expectErrno(name, result, point);
      if (!prepares) expect(yield* this.state(), `after ${name} without ${point}`).toEqual(before);
    }
  }

  /** Everything that can leak, and what devices reach. */
  *state(): Script<object> {
    const { kernel } = this;
    const drivers = new Set(kernel.iommu.groups.map(({ driver }) => driver));
    const ids = [...drivers].map((driver) => [...((driver as { domainIds?: DomainIds }).domainIds?.used ?? [])]);
    const seen: unknown[] = [];
    for (const probe of this.#probes) seen.push(yield* probe());
    return {
      ...belongings(kernel),
      ids,
      processes: this.#programs.map(({ system }) => {
        const { space, files } = system as Process;
        return { locked: space.locked, files: files.descriptors };
      }),
      seen,
    };
  }

  /** The programs end. */
  *end(): Script {
    for (const end of this.#ends) yield* end();
    for (const program of [...this.#programs].reverse()) yield* program.exit();
  }
}

/** A program that is refused one allocation, by its number among all that it makes, and ends there. */
export class LastCall extends Trial {
  readonly #number: number;
  #places = 0;
  /** The program has been refused it. */
  isOver = false;

  constructor(kernel: Kernel, number: number) {
    super(kernel, 'once');
    this.#number = number;
  }

  override *call<R extends Result>(name: string, call: () => Script<R>): Script<R> {
    const { faultPoints } = this.kernel;
    let refused: FaultPoint | null = null;
    faultPoints.refuse = (point) => {
      if (!isFailing(point) || this.#places++ !== this.#number) return false;
      refused = point as FaultPoint;
      return true;
    };
    const result = yield* call();
    faultPoints.refuse = null;
    if (refused === null) return sure(name, result);
    expectErrno(name, result, refused);
    this.isOver = true;
    throw new Ended();
  }

  /** Runs the program until it is refused, then it ends. */
  *run(program: Script): Script {
    try {
      yield* program;
    } catch (cause) {
      if (!(cause instanceof Ended)) throw cause;
    }
    yield* this.end();
  }
}

class Ended extends Error {}

/** A call fails there; every point is declared. */
function isFailing(point: string): boolean {
  if (!Object.hasOwn(FAULT_POINTS, point)) throw new Error(`nobody has declared the fault point ${point}`);
  return FAULT_POINTS[point as FaultPoint] !== null;
}

function isErrno(result: Result): boolean {
  return typeof result !== 'object' && Number(result) < 0;
}

function sure<R extends Result>(name: string, result: R): R {
  if (isErrno(result)) throw new Error(`${name}: ${formatResult(Number(result))}`);
  return result;
}

function expectErrno(name: string, result: Result, point: FaultPoint): void {
  expect(formatResult(Number(result)), `${name} without ${point}`).toBe(formatResult(-FAULT_POINTS[point]!));
}

/** What a machine has given out. */
export function held({ allocator, pages, interrupts }: Kernel) {
  const vectors = interrupts.counts.handled.map(({ name }) => name);
  return { free: allocator.free, inUse: allocator.inUse, pinned: pages.pinned, vectors };
}

/** The same, and which devices and groups there are. */
export function belongings(kernel: Kernel) {
  const groups = kernel.iommu.groups.map(({ devices }) => devices.map(({ address }) => address));
  return { ...held(kernel), groups, devices: kernel.devices.map(({ address }) => address) };
}
