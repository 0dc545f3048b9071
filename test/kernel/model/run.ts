/** One run of the model: a beginning in which something can happen, random steps, and an end in which everything goes. */
import fc from 'fast-check';
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { KernelOptions } from '../../../src/kernel/index.ts';
import { trackable } from './deeds.ts';
import { attachDevice, bindDevice } from './device-calls.ts';
import { tellAll } from './dirty-steps.ts';
import { checkDma, checkTranslations, DEVICE_PAGES, GUEST, GUEST_PAGES, PASIDS, remember } from './dma.ts';
import { Draw } from './draw.ts';
import { NONE } from './facts.ts';
import { checkAnswers } from './fault-calls.ts';
import { askLast } from './fault-steps.ts';
import { buildTables } from './guest-table.ts';
import type { ModelMachine } from './machines.ts';
import { close, exit, mmap, open } from './process-calls.ts';
import { allocate, map } from './space-calls.ts';
import { perform, type Step, step } from './steps.ts';
import { World } from './world.ts';

export interface Plan {
  /** Of the descriptors of the first two processes. */
  readonly versions: readonly (1 | 2)[];
  readonly steps: readonly Step[];
  /** In which order everything goes. */
  readonly end: readonly number[];
}

const version = fc.constantFrom(1 as const, 2 as const);

export function plans(maxLength: number): fc.Arbitrary<Plan> {
  return fc.record({
    versions: fc.tuple(version, version),
    steps: fc.noBias(fc.array(step, { minLength: maxLength / 2, maxLength, size: 'max' })),
    end: fc.noBias(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })),
  });
}

/** Throws at the first difference between the machine and the model. */
export function runPlan(machine: ModelMachine, plan: Plan, kernel?: Partial<KernelOptions>): void {
  const world = new World(machine, machine.up(kernel));
  const run = <T>(script: Script<T>): T => world.bench.run(script);
  run(begin(world, plan.versions));
  for (const numbers of plan.steps) {
    const { length } = world.story;
    run(perform(world, numbers));
    if (world.story.length > length) check(world, new Draw([...numbers].reverse()), run);
  }
  run(end(world, new Draw(plan.end)));
  checkAnswers(world);
  world.checkNothingLeft();
}

/** Which of them has which device at the beginning. */
const OWNERS = [0, 0, 1, 1, 0];

/** Two processes: each has memory with tables of its own, and devices in a root space where guest memory is. */
function* begin(world: World, versions: Plan['versions']): Script {
  for (const [i, live] of [...world.live].entries()) {
    yield* mmap(world, live, GUEST_PAGES, true);
    buildTables(live);
    yield* open(world, live, versions[i] === 1 ? '/dev/ioasid' : '/dev/iommu');
    yield* allocate(world, live, 0, { ...trackable(world), type: 1, addr_width: 48 });
    for (const [k, path] of world.paths.filter((_, k) => OWNERS[k] === i).entries()) {
      yield* open(world, live, path);
      yield* bindDevice(world, live, 1 + k, [0, BigInt(k + 1)]);
      yield* attachDevice(world, live, 1 + k, { ioasid: 1, pasid: NONE, again: 0 });
    }
    const vaddr = BigInt(live.ref.areas[0]!.first * PAGE_SIZE);
    const size = BigInt(GUEST_PAGES * PAGE_SIZE);
    yield* map(world, live, 0, { ioasid: 1, flags: 3, vaddr, iova: BigInt(GUEST * PAGE_SIZE), size });
  }
}

function check(world: World, draw: Draw, run: (script: Script) => void): void {
  remember(world);
  world.checkCharges();
  checkTranslations(world);
  for (let i = 0; i < 2; i++) run(checkDma(world, requestOf(world, draw)));
  checkAnswers(world);
  world.checkMemory();
}

/** Most of a device that is attached, to pages that it may reach. */
function requestOf({ devices }: World, draw: Draw): Parameters<typeof checkDma>[1] {
  const attached = [...devices.keys()].filter((i) => devices[i]!.slots.size > 0 && !devices[i]!.asks);
  const device = attached.length === 0 || draw.rarely(8) ? draw.below(devices.length) : draw.of(attached);
  const { slots } = devices[device]!;
  const isAny = slots.size === 0 || devices[device]!.pasidTable !== undefined || draw.rarely(8);
  const pasid = isAny ? draw.of(PASIDS) : draw.of([...slots.keys()]);
  const way = devices[device]!.way(pasid);
  const reached = DEVICE_PAGES.filter((page) => way?.at(page) != null);
  const page = draw.of(reached.length === 0 || draw.rarely(4) ? DEVICE_PAGES : reached);
  return { device, pasid, page, write: draw.below(2) === 0 };
}

/** What was written is told; descriptors are closed and processes end, in whatever order. */
function* end(world: World, draw: Draw): Script {
  yield* tellAll(world);
  yield* askLast(world);
  while (world.live.length > 0) {
    const live = draw.of(world.live);
    const fds = [...live.ref.files.keys()];
    if (fds.length === 0 || draw.rarely(6)) yield* exit(world, live);
    else yield* close(world, live, draw.of(fds));
    checkAnswers(world);
  }
}
