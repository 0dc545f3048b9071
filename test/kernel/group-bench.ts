/** Two processes on a machine with a group of two devices, whose requests carry one id. */
import { expect } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { formatResult } from '../../src/uapi/index.ts';
import { DmaEngineDriver, Program } from '../../src/user/index.ts';

export const GROUP_MACHINES = ['intel-fabric', 'amd-fabric'] as const;
/** The devices of the group, behind a bridge, and one of another group. */
const NAMES = ['pci0', 'pci1', 'dma0'];

/** Where owners map what their devices are to read. */
export const AT = 0x10_0000n;
export const HELLO = new TextEncoder().encode('hello, devices');

/** A process that has the devices and a descriptor open. */
export class GroupOwner {
  readonly program: Program;
  fd = -1;
  readonly devices: number[] = [];

  constructor(program: Program) {
    this.program = program;
  }

  *open(path: string): Script<this> {
    this.fd = yield* this.program.open(path);
    for (const name of NAMES) this.devices.push(yield* this.program.open(`/dev/vfio/devices/${name}`));
    return this;
  }

  /** What a device reads where its owner maps things; `null` when it may not. */
  *readAt(i: number, length: number): Script<Uint8Array | null> {
    const driver = yield* DmaEngineDriver.open(this.program, this.devices[i]!);
    if (typeof driver === 'number') throw new Error(`no driver: ${formatResult(driver)}`);
    const read = yield* driver.read(AT, length);
    return read.ok ? read.data : null;
  }
}

/** Runs a story of two processes, which end with it; afterwards nothing is left of them. */
export function withOwners<Owner extends GroupOwner>(
  {
    preset,
    path,
    Owner,
  }: { readonly preset: string; readonly path: string; readonly Owner: new (p: Program) => Owner },
  body: (owner: Owner, other: Owner) => Script,
): void {
  const machine = buildMachine({ preset });
  const { kernel, engine } = machine;
  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script));
  run(machine.boot());
  run(
    (function* () {
      const owner = yield* new Owner(new Program(kernel.process('owner'))).open(path);
      const other = yield* new Owner(new Program(kernel.process('other'))).open(path);
      yield* body(owner, other);
      yield* owner.program.exit();
      yield* other.program.exit();
    })(),
  );
  expect(kernel.pages.pinned).toBe(0);
  expect(kernel.iommu.groups.every(({ isFree }) => isFree)).toBe(true);
}
