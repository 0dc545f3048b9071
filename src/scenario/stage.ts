/** What a scenario's script has at hand: processes, a driver, words for the reader, and expectations. */
import {
  AcceleratorDriver,
  type DeviceBuffer,
  type DeviceMemory,
  DmaEngineDriver,
  type DomainOptions,
  type Instant,
  IOMMU_NAME,
  type IommuDomain,
  type KernelDriver,
  type Machine,
  type MachineInput,
  MaliciousDriver,
  MmuEngineDriver,
  NicDriver,
  NvmeDriver,
  Program,
  portalsOf,
  Random,
  registersOf,
  type Script,
  type Task,
  waitFor,
} from '../machine/index.ts';
import { type Recorder, Statistics } from '../recorder/index.ts';
import { formatResult } from '../uapi/index.ts';
import { isSame, show } from './compare.ts';
import { tableChanges, watchEffects } from './effects.ts';
import { Look } from './look.ts';
import type { TableWalk } from './table-walk.ts';

/** Something that was expected, and whether it came so. */
export interface Expectation {
  readonly sentence: string;
  readonly holds: boolean;
  /** Picoseconds. */
  readonly at: number;
  readonly expected?: string;
  readonly actual?: string;
}

/** A blocked request as the kernel's driver read it from the fault registers. */
export interface StageFault {
  readonly device: string;
  readonly access: string;
  /** Page that was accessed. */
  readonly address: bigint;
  /** The specification's number, name and meaning of the reason. */
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
}

const WHO = 'scenario';

export class Stage {
  readonly machine: Machine;
  /** Random numbers that the machine's seed decides. */
  readonly random: Random;
  readonly expectations: Expectation[] = [];
  /** Memory and tables, to look at. */
  readonly look: Look;
  readonly #recorder: Recorder;
  readonly #statistics: Statistics;
  #steps = 0;
  /** Faults that an earlier kernel had read: a reboot starts a new list. */
  #faultsSeen = 0;

  constructor(machine: Machine, recorder: Recorder) {
    this.machine = machine;
    this.look = new Look(machine);
    this.random = new Random(machine.spec.seed);
    this.#recorder = recorder;
    this.#statistics = new Statistics(recorder);
  }

  get now(): Instant {
    return this.machine.engine.now;
  }

  /** Announces what happens next. `--step` pauses here. */
  step(text: string): void {
    this.#recorder.record('step', WHO, { number: ++this.#steps, text });
  }

  /** Says something beside the steps. */
  note(text: string): void {
    this.#recorder.record('note', WHO, { text });
  }

  /** Expects a condition. The sentence says what then is true; the story goes on either way. */
  check(sentence: string, condition: boolean): void {
    this.#expectation({ sentence, holds: condition, at: this.now });
  }

  /** Expects a value. Structures and bytes are compared by content. */
  expect(sentence: string, actual: unknown, expected: unknown): void {
    const holds = isSame(actual, expected);
    const values = holds ? {} : { expected: show(expected), actual: show(actual) };
    this.#expectation({ sentence, holds, at: this.now, ...values });
  }

  /** A new process. */
  process(name: string): Program {
    const process = this.machine.kernel.process(name);
    const program = new Program(process);
    this.look.learn(program, process.space);
    return program;
  }

  /**
   * Issues a command and says, in a note, what it did to registers and caches, and to the tables of some devices on the way to
   * an address: those of requests with a PASID, or without.
   */
  *told(
    words: string,
    call: Script<number>,
    watched: { readonly devices?: readonly string[]; readonly address?: bigint; readonly pasid?: number } = {},
  ): Script<number> {
    const { devices = [], address = 0n, pasid } = watched;
    const walk = (device: string): TableWalk => this.look.tables(device, address, pasid);
    const others = devices.length === 0 ? [] : [...this.machine.requesters.keys()].map(walk);
    const before = devices.map(walk);
    const seen = watchEffects(this.#recorder, () => this.machine.inspect().queue());
    const result = yield* call;
    const effects = seen();
    const changed = devices.map((device, i) => ({ device, before: before[i]!, after: walk(device) }));
    const changes = tableChanges(changed, others, (at) => this.look.word(at));
    const all = [...changes, ...effects];
    this.note(`${words} = ${show(result)}${all.length === 0 ? ': hardware notices nothing' : `: ${all.join('; ')}`}.`);
    return result;
  }

  /** The process's driver for a DMA engine that it has bound. */
  *dmaEngine(program: Program, fd: number): Script<DmaEngineDriver> {
    const driver = yield* DmaEngineDriver.open(program, fd);
    if (typeof driver === 'number') throw new Error(`${program.name} cannot drive fd ${fd}: ${formatResult(driver)}`);
    return driver;
  }

  /** The process's hand on the MMU of a device that it has bound. */
  *mmuEngine(program: Program, fd: number): Script<MmuEngineDriver> {
    const driver = yield* MmuEngineDriver.open(program, fd);
    if (typeof driver === 'number') throw new Error(`${program.name} cannot drive fd ${fd}: ${formatResult(driver)}`);
    return driver;
  }

  /** The process's driver for a malicious device that it has bound. */
  *malicious(program: Program, fd: number): Script<MaliciousDriver> {
    const driver = yield* MaliciousDriver.open(program, fd);
    if (typeof driver === 'number') throw new Error(`${program.name} cannot drive fd ${fd}: ${formatResult(driver)}`);
    return driver;
  }

  /** The process's driver for a network interface that it has bound. */
  *nic(program: Program, fd: number): Script<NicDriver> {
    const driver = yield* NicDriver.open(program, fd);
    if (typeof driver === 'number') throw new Error(`${program.name} cannot drive fd ${fd}: ${formatResult(driver)}`);
    return driver;
  }

  /** What knows the registers of a malicious device, for a driver inside the kernel. */
  maliciousOf(driver: KernelDriver): MaliciousDriver {
    return new MaliciousDriver(registersOf(driver, 0));
  }

  /** The process's driver for an NVM Express controller that it has bound and attached, with queues in `memory`. */
  *nvme(program: Program, fd: number, memory: DeviceMemory): Script<NvmeDriver> {
    const driver = yield* NvmeDriver.open(program, fd, memory);
    if (typeof driver === 'string') throw new Error(`${program.name} cannot drive fd ${fd}: ${driver}`);
    return driver;
  }

  /** A driver inside the kernel that has taken a device. */
  driver(name: string): KernelDriver {
    const driver = this.machine.kernel.driver(name);
    if (typeof driver === 'number') throw new Error(`no driver can take ${name}: ${formatResult(driver)}`);
    return driver;
  }

  /** Memory of a driver inside the kernel, in pages. */
  buffer(driver: KernelDriver, pages: number): DeviceBuffer {
    const buffer = driver.memory.allocate(pages);
    if (typeof buffer === 'number') throw new Error(`no ${pages} pages: ${formatResult(buffer)}`);
    return buffer;
  }

  /** An empty address space for a driver's device. */
  *domain(driver: KernelDriver, options?: DomainOptions): Script<IommuDomain> {
    const domain = yield* driver.domain(options);
    if (typeof domain === 'number') throw new Error(`no address space: ${formatResult(domain)}`);
    return domain;
  }

  /** What a device has found in its device-TLB so far. */
  deviceTlb(name: string): { hits: number; misses: number; faults: number } {
    const { ats } = this.machine.snapshot()[name] as { ats: { hits: number; misses: number; faults: number } };
    return { hits: ats.hits, misses: ats.misses, faults: ats.faults };
  }

  /** What a device has found in the TLB of its own MMU so far, and what its MMU has refused. */
  deviceMmu(name: string): { hits: number; misses: number; faults: number } {
    const { mmu } = this.machine.snapshot()[name] as { mmu: { hits: number; misses: number; faults: number } };
    return { hits: mmu.hits, misses: mmu.misses, faults: mmu.faults };
  }

  /** What a network interface believes to have put into memory so far, and what it has dropped. */
  received(name: string): { frames: number; dropped: number } {
    const { registers } = this.machine.snapshot()[name] as { registers: Record<string, number> };
    return { frames: registers['RX_PACKETS.COUNT']!, dropped: registers['RX_DROPPED.COUNT']! };
  }

  /** How many requests of all devices the IOMMU has found in its IOTLB so far. */
  iotlb(): { hits: number; misses: number } {
    const { hits, misses } = this.machine.snapshot()[IOMMU_NAME] as { hits: number; misses: number };
    return { hits, misses };
  }

  /** How many invalidations the IOMMU has done so far. */
  get invalidations(): number {
    return this.#statistics.counts.invalidations;
  }

  /** Waits for what was started beside the story. */
  *join<T>(task: Task<T>): Script<T> {
    return yield* waitFor(task.done);
  }

  /** What knows the registers of a DMA engine, for a driver inside the kernel. */
  dmaEngineOf(driver: KernelDriver): DmaEngineDriver {
    return new DmaEngineDriver(registersOf(driver, 0));
  }

  /** What knows the registers and portals of an accelerator, for a driver inside the kernel. */
  acceleratorOf(driver: KernelDriver): AcceleratorDriver {
    return new AcceleratorDriver(registersOf(driver, 0), portalsOf(driver, 2));
  }

  /** The faults that the kernel has read since the last call, oldest first. */
  faults(): StageFault[] {
    const { faults } = this.machine.kernel;
    const fresh = faults.slice(this.#faultsSeen);
    this.#faultsSeen = faults.length;
    return fresh.map(({ requester, access, address, code, name, meaning }) => {
      return { device: this.machine.names.requester(requester), access, address, code, name, meaning };
    });
  }

  /** Boots another kernel on the same hardware. */
  *reboot(kernel: MachineInput['kernel']): Script {
    this.#faultsSeen = 0;
    yield* this.machine.reboot(kernel);
  }

  #expectation(expectation: Expectation): void {
    this.expectations.push(expectation);
    const { at: _, ...facts } = expectation;
    this.#recorder.record('expectation', WHO, facts);
  }
}
