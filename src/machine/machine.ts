/**
 * The composition root: one machine from one plain specification. Models, kernel and user space meet here and nowhere
 * else; everything hangs from the `Machine`, so that two of them in one process share nothing.
 *
 * Surface: `boot`; `kernel`; `unplug` and `plug` what stands in a slot; `attach` a recorder, or none; `watch` tasks, and `count` events; `capture` what crosses the links; `onRequest` for each DMA request that reaches the IOMMU;
 * `snapshot` and `inspect` show every component as plain data; `reset`.
 */
import { hex, joinHalves } from '../../hardware/bits/index.ts';
import { Nic, type Wire } from '../../hardware/devices/nic/index.ts';
import type { IommuInspector, Question } from '../../hardware/index.ts';
import { qualifiersOf, Tally } from '../../hardware/iommu/index.ts';
import { Access, type Direction, type Link, type Tlp, type TranslationRequest } from '../../hardware/pcie/index.ts';
import { asTask, Engine, type Script, type TaskProbe } from '../../hardware/sim/index.ts';
import { Kernel } from '../kernel/index.ts';
import type { Names, Recorder, TracePart } from '../recorder/index.ts';
import { formatResult } from '../uapi/index.ts';
import { MachineBus } from './bus.ts';
import type { Capture } from './capture.ts';
import { type CounterValue, readCounters } from './counters/index.ts';
import { digestOf } from './digest.ts';
import { installFirmware } from './firmware/index.ts';
import { buildHardware, type Hardware, IOMMU_NAME } from './hardware.ts';
import { InputError, quote, suggest } from './input-error.ts';
import { namesOf } from './names.ts';
import { packetText } from './packets.ts';
import { partsOf } from './parts.ts';
import type { MachineSpec } from './schema.ts';
import { type MachineInput, merge, resolveSpec } from './spec.ts';

type KernelSpec = MachineSpec['kernel'];

export class Machine {
  readonly spec: MachineSpec;
  readonly engine = new Engine();
  /** What a recorder calls what it sees. */
  readonly names: Names;
  /** Hears of each DMA request that reaches the IOMMU, before it is looked up; interrupts are none. */
  onRequest: ((request: Question) => void) | null = null;
  readonly #hardware: Hardware;
  #kernel: Kernel;
  #recorder: Recorder | null = null;
  #tally = new Tally();
  #capture: Capture | null = null;

  /** The specification is complete and valid: see `buildMachine`. */
  constructor(spec: MachineSpec) {
    this.spec = spec;
    this.#hardware = buildHardware(this.engine, spec, (address, data) => this.#kernel.interrupt(address, data));
    const { requesters, iommu } = this.#hardware;
    const names = [...requesters].map(([name, requester]) => [requester, name] as const);
    this.names = namesOf(new Map(names), iommu);
    this.#kernel = this.#loadKernel(spec.kernel);
    this.#tapRequests();
  }

  /** Requester ids by the devices' names. */
  get requesters(): ReadonlyMap<string, number> {
    return this.#hardware.requesters;
  }

  /** The cable of the network interface `name`. Throws when there is no such one. */
  wire(name: string): Wire {
    const device = this.#hardware.devices.get(name);
    if (device instanceof Nic) return device.wire;
    throw new Error(`the machine has no network interface ${name}`);
  }

  /** The kernel that runs now: a reset loads a new one. */
  get kernel(): Kernel {
    return this.#kernel;
  }

  /** Firmware hands over to the kernel, which takes its hardware into service. */
  boot(): Script {
    return asTask(this.engine, { kind: 'boot', who: 'kernel', own: 'software' }, this.#kernel.boot());
  }

  /** Somebody pulls a device, switch or bridge out of its slot, whatever it does. Throws an InputError when it is in none. */
  unplug(name: string): void {
    this.#slotOf(name).unplug();
  }

  /** Puts it back, as it is after power-on. */
  plug(name: string): void {
    this.#slotOf(name).plug();
  }

  /** Reports everything to `recorder` from now on; `null` reports to nobody, and costs next to nothing. */
  attach(recorder: Recorder | null): void {
    this.#recorder = recorder;
    this.#hardware.iommu.unit.probe = recorder?.iommu(IOMMU_NAME) ?? null;
    this.#watchLinks();
    this.#watchKernel();
  }

  /** Tells `probe` of every task from now on; `null` tells nobody. */
  watch(probe: TaskProbe | null): void {
    this.engine.tasks = probe;
  }

  /** Counts from now on what the performance counters of a real IOMMU would count, whatever software does with those. */
  count(): void {
    this.#tally = new Tally();
    this.#hardware.iommu.unit.tally = this.#tally;
  }

  /** What the counters have come to, under the names of Linux's perf; all zero before `count`. */
  counters(): CounterValue[] {
    return readCounters(this.#hardware.iommu.counters, (event) => this.#tally.of(event));
  }

  /** Whoever a trace may tell of, beside processes. */
  get parts(): readonly TracePart[] {
    return partsOf(this.#hardware);
  }

  /** Begins a section of `capture` with this title, in which what crosses the links from now on is written down. */
  capture(capture: Capture, title: string): void {
    this.#capture = capture;
    capture.section(title, this.#hardware.fabric.links);
    this.#watchLinks();
  }

  /** Every component's state as plain data, by name. */
  snapshot(): Readonly<Record<string, unknown>> {
    const { controller, rootComplex, fabric, devices, iommu, agent } = this.#hardware;
    const parts = {
      [controller.name]: controller.state,
      [rootComplex.name]: rootComplex.state,
      ...Object.fromEntries([...fabric.switches].map(([name, { state }]) => [name, state])),
      ...Object.fromEntries(fabric.links.map(({ link }) => [`link ${link.name}`, link.state])),
      ...Object.fromEntries([...devices].map(([name, device]) => [name, device.state])),
      [IOMMU_NAME]: { ...agent.state, iotlb: iommu.iotlb?.entries() ?? [] },
    };
    // A copy: what a component goes on changing must not change in the reader's hand.
    return JSON.parse(JSON.stringify(parts)) as Readonly<Record<string, unknown>>;
  }

  /** The IOMMU's registers, tables and caches, and what it would do; asking changes nothing. */
  inspect(): IommuInspector {
    return this.#hardware.iommu.inspector();
  }

  /** The 64-bit word at a host address, which is RAM; asking changes nothing. */
  word(address: number): bigint {
    const bytes = this.#hardware.memory.read(address, 8);
    if (bytes === undefined) throw new InputError(`There is no RAM at ${hex(address)}.`);
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  }

  /** A text that differs as soon as the state differs: memory, registers, caches, components, what is scheduled. */
  digest(): string {
    const { now, pending } = this.engine;
    return digestOf(this.#hardware, { now, pending, parts: this.snapshot(), caches: this.inspect().caches() });
  }

  /** Resets the hardware and boots a kernel that differs by `kernel`; memory keeps what it holds. Nothing may be under way. */
  *reboot(kernel: MachineInput['kernel']): Script {
    if (this.engine.pending > 0) throw new Error('a machine is rebooted while something is still under way');
    this.#resetHardware();
    this.#kernel = this.#loadKernel(resolveSpec(merge(this.spec, { kernel }) as MachineInput).kernel);
    this.#watchKernel();
    yield* this.boot();
  }

  /** Back to the built state: instant zero, memory empty, a kernel that has not booted. A recorder stays attached. */
  reset(): void {
    this.engine.reset();
    this.#hardware.memory.reset();
    this.#resetHardware();
    this.#kernel = this.#loadKernel(this.spec.kernel);
    this.#watchKernel();
  }

  #slotOf(name: string): Link {
    const { slots } = this.#hardware.fabric;
    const link = slots.get(name);
    if (link === undefined)
      throw new InputError(`There is no slot with ${quote(name)} in it; ${suggest(name, [...slots.keys()])}`);
    return link;
  }

  /** A tap on the channel to the IOMMU. */
  #tapRequests(): void {
    const { requests } = this.#hardware.agent;
    const receive = requests.receive;
    requests.receive = (request, release) => {
      if (this.onRequest !== null && !request.interrupt) this.onRequest(arriving(request));
      receive(request, release);
    };
  }

  #resetHardware(): void {
    const { controller, rootComplex, fabric, agent, devices } = this.#hardware;
    for (const part of [controller, fabric, rootComplex, agent, ...devices.values()]) part.reset();
    fabric.number();
  }

  #loadKernel({
    invalidate,
    iommuMode,
    pageRequestPlaces,
    interruptRemapping,
    openBridges,
    deviceReset,
    trustDevices,
    defaultDomain,
    dmaPolicy,
    costs,
  }: KernelSpec): Kernel {
    const { controller, rootComplex, requesters } = this.#hardware;
    const firmware = installFirmware(this.spec, this.#hardware);
    const deviceNames = Object.fromEntries([...requesters].map(([name, requester]) => [requester, name]));
    const options = {
      invalidateOnUnmap: invalidate === 'strict',
      iommuMode,
      pageRequestPlaces,
      remapInterrupts: interruptRemapping === 'on',
      openBridgesLate: openBridges === 'translated',
      resetOnRelease: deviceReset === 'release',
      trustDevices,
      defaultDomain,
      dmaPolicy,
      deviceNames,
    };
    return new Kernel(this.engine, new MachineBus(rootComplex, controller, costs), firmware, options);
  }

  #watchLinks(): void {
    const recorder = this.#recorder;
    const capture = this.#capture;
    this.#hardware.fabric.links.forEach(({ link, above, below }, number) => {
      const see = (tlp: Tlp, direction: Direction): void => {
        capture?.packet({ at: this.engine.now, link: number, direction, tlp });
        const [who, to] = direction === 'upstream' ? [below, above] : [above, below];
        recorder?.record('packet', who, { to, ...packetText(tlp) });
      };
      link.probe = recorder === null && capture === null ? null : see;
    });
  }

  #watchKernel(): void {
    const recorder = this.#recorder;
    const kernel = this.#kernel;
    kernel.log.probe = recorder && (({ text }) => recorder.record('log', 'kernel', { message: text }));
    kernel.calls = recorder && {
      enter: () => {},
      leave: ({ name }, call, result) => recorder.record('call', name, { call, result: resultText(result) }),
    };
  }
}

/** A request as a question, in plain data. */
function arriving({ requester, pasid, access, addressType, addressHi, addressLo }: TranslationRequest): Question {
  const also = qualifiersOf(access, addressType);
  const question = {
    requester,
    pasid,
    address: joinHalves(addressHi, addressLo),
    write: (access & Access.WRITE) !== 0,
  };
  return also.length === 0 ? question : { ...question, also };
}

/** Addresses in hexadecimal, failures by name. */
function resultText(result: number | bigint): string {
  return result < 0x1_0000 ? formatResult(result) : hex(result);
}

/** Builds a machine from a preset's name or from what differs from one. Throws an InputError for a wrong specification. */
export function buildMachine(input?: string | MachineInput, settings: readonly string[] = []): Machine {
  return new Machine(resolveSpec(input, settings));
}
