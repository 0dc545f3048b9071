/** A machine and the reference model side by side: who there is, and what has been done. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { DeviceMessage } from '../../../hardware/iommu/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { PciDevice } from '../../../src/kernel/pci/index.ts';
import { formatResult, type Struct } from '../../../src/uapi/index.ts';
import type { Argument, Command, Passed } from '../../../src/uapi/ioctl.ts';
import type { Program } from '../../../src/user/index.ts';
import type { ModelBench } from './fabric-bench.ts';
import { RefContext, RefDevice, type RefFile } from './files.ts';
import { LIMITS, type ModelMachine } from './machines.ts';
import { MARK_AT, markOf, RefProcess } from './memory.ts';
import { Rules } from './rules.ts';

/** A process on both sides. */
export interface Live {
  readonly ref: RefProcess;
  readonly program: Program;
}

interface Charged {
  readonly space: { readonly locked: number };
}

/** A driver that has given some domain ids out. */
interface Numbered {
  readonly domainIds: { readonly used: Iterable<number> };
}

export class World {
  readonly bench: ModelBench;
  readonly machine: ModelMachine;
  readonly rules: Rules;
  readonly devices: readonly RefDevice[];
  /** The same as the kernel has found them. */
  readonly functions: readonly PciDevice[];
  /** And where they are opened. */
  readonly paths: readonly string[];
  readonly live: Live[] = [];
  /** What has been done, and what it gave. */
  readonly story: string[] = [];
  readonly #before: object;
  /** What devices have been answered since that was last compared. */
  readonly heard: (readonly [index: number, code: number])[] = [];
  #lastGroup = 0;
  #lastMark = 0;
  #lastName = 0;

  constructor(machine: ModelMachine, bench: ModelBench) {
    this.bench = bench;
    this.machine = machine;
    this.rules = new Rules(machine.facts, LIMITS);
    const { devices: found } = bench.kernel;
    this.functions = machine.devices.map((name) => found.find(({ address }) => address === name)!);
    this.paths = machine.devices.map((name) => `/dev/vfio/devices/${name}`);
    this.devices = machine.devices.map((name) => new RefDevice(name, name === machine.asker));
    if (machine.asker !== undefined) this.#listen();
    for (const group of machine.groups) {
      const members = group.map((i) => this.devices[i]!);
      for (const device of members) device.group = members;
      if (machine.isBridged) for (const device of members) device.alike = members;
    }
    this.#before = this.#held;
    for (const _ of [0, 1]) this.start();
  }

  #listen(): void {
    this.bench.unit.devices.taker = (message: DeviceMessage) => {
      if (message.kind === 'page group response') this.heard.push([message.group, message.code]);
    };
  }

  /** A number that no page has had yet. Its last bit is 0: it is no entry of a table. */
  mark(): number {
    this.#lastMark += 2;
    return this.#lastMark;
  }

  /** A number for a group of page requests that none has had lately. */
  get nextGroup(): number {
    return this.#lastGroup++;
  }

  start(): Live {
    const name = `p${this.#lastName++}`;
    const live = { ref: new RefProcess(name), program: this.bench.program(name) };
    this.live.push(live);
    return live;
  }

  adopt(parent: Live, program: Program): Live {
    const ref = new RefProcess(program.name || `p${this.#lastName++}`);
    for (const [page, cell] of parent.ref.pages) ref.pages.set(page, cell.copy());
    ref.areas.push(...parent.ref.areas);
    for (const [fd, file] of parent.ref.files) {
      file.references++;
      ref.files.set(fd, file);
    }
    const live = { ref, program };
    this.live.push(live);
    return live;
  }

  get nextName(): string {
    return `p${this.#lastName++}`;
  }

  /** Compares what a call gave with what it should. */
  same(what: string, actual: number | bigint, wanted: number | bigint): void {
    this.story.push(`${what} = ${formatResult(actual)}`);
    if (actual !== wanted) this.fail(`${what} gives ${formatResult(actual)}, not ${formatResult(wanted)}`);
  }

  fail(sentence: string): never {
    throw new Error(`${sentence}, after:\n${this.story.map((line) => `  ${line}`).join('\n')}`);
  }

  /** Issues a command and compares its result. */
  *ioctl<A extends Argument>(
    { ref, program }: Live,
    fd: number,
    command: Command<A>,
    [argument, wanted]: readonly [Passed<A>, number],
  ): Script {
    const result = yield* program.ioctl(fd, command, argument);
    const said = argument === undefined ? '' : ` ${describe(command.argument, argument)}`;
    this.same(`${ref.name}: ${command.name}(${fd})${said}`, result, wanted);
  }

  contextOf({ ref }: Live, fd: number): RefContext | undefined {
    const target = ref.files.get(fd)?.target;
    return target instanceof RefContext ? target : undefined;
  }

  deviceOf({ ref }: Live, fd: number): { readonly device: RefDevice; readonly file: RefFile } | undefined {
    const file = ref.files.get(fd);
    return file?.target instanceof RefDevice ? { device: file.target, file } : undefined;
  }

  /** Every process is charged what it should be. */
  checkCharges(): void {
    for (const { ref, program } of this.live) {
      const { locked } = (program.system as unknown as Charged).space;
      const wanted = this.rules.locked(ref);
      if (locked !== wanted) this.fail(`${ref.name} is charged ${locked} pages, not ${wanted}`);
    }
  }

  /** Every page of every process holds what it should. */
  checkMemory(): void {
    for (const { ref, program } of this.live) {
      for (const [page, { mark }] of ref.pages) {
        if (mark === 0) continue;
        const found = markOf(program.read(BigInt(page * PAGE_SIZE + MARK_AT), 4));
        if (found !== mark) this.fail(`page ${page} of ${ref.name} holds ${found}, not ${mark}`);
      }
    }
  }

  /** What the kernel has given out. */
  get #held(): object {
    const { allocator, iommu } = this.bench.kernel;
    const drivers = new Set(iommu.groups.map(({ driver }) => driver as unknown as Numbered));
    const { free, inUse } = allocator;
    return { free, inUse, domainIds: [...drivers].map(({ domainIds }) => [...domainIds.used]) };
  }

  /** After everybody has gone nothing is left. */
  checkNothingLeft(): void {
    const { kernel } = this.bench;
    const after = this.#held;
    if (JSON.stringify(after) !== JSON.stringify(this.#before)) {
      this.fail(`something is left: ${JSON.stringify(after)}, not ${JSON.stringify(this.#before)}`);
    }
    if (kernel.pages.pinned !== 0) this.fail(`${kernel.pages.pinned} pages are pinned at the end`);
    const groups = kernel.iommu.groups.filter(({ isFree }) => !isFree);
    if (groups.length > 0) this.fail(`group ${groups[0]!.id} is not free at the end`);
    const { attachments } = kernel.iommu.groups[0]!.driver;
    if (kernel.devices.some((device) => attachments.uses(device))) this.fail('a device is attached at the end');
  }
}

function describe(argument: Argument, passed: unknown): string {
  if (typeof argument === 'string') return String(passed);
  return (argument as Struct).describe((argument as Struct).encode(passed as object));
}
