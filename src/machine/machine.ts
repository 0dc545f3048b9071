/**
 * The composition root: one machine from one plain specification. Models, kernel and user space meet here and nowhere
 * else; everything hangs from the `Machine`, so that two of them in one process share nothing.
 *
 * Surface: `boot`; `kernel`; `attach` and `detach` a recorder; `snapshot` shows every component as plain data; `reset`.
 */
import { hex } from '../../hardware/bits/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { type Firmware, Kernel } from '../kernel/index.ts';
import type { Names, Recorder } from '../recorder/index.ts';
import { formatResult } from '../uapi/index.ts';
import { MachineBus } from './bus.ts';
import { buildHardware, type Hardware, IOMMU_BASE, IOMMU_NAME, MMIO_WINDOW } from './hardware.ts';
import { namesOf } from './names.ts';
import { packetText } from './packets.ts';
import type { MachineSpec } from './schema.ts';
import { type MachineInput, merge, resolveSpec } from './spec.ts';

type KernelSpec = MachineSpec['kernel'];

/** The first MiB stays with firmware. */
const FIRMWARE_BYTES = 2 ** 20;

export class Machine {
  readonly spec: MachineSpec;
  readonly engine = new Engine();
  /** What a recorder calls what it sees. */
  readonly names: Names;
  readonly #hardware: Hardware;
  #kernel: Kernel;
  #recorder: Recorder | null = null;

  /** The specification is complete and valid: see `buildMachine`. */
  constructor(spec: MachineSpec) {
    this.spec = spec;
    this.#hardware = buildHardware(this.engine, spec, (address, data) => this.#kernel.interrupt(address, data));
    const { devices, unit } = this.#hardware;
    const names = [...devices.values()].map((device) => [device.spec.requester, device.name] as const);
    this.names = namesOf(new Map(names), unit.capabilities);
    this.#kernel = this.#loadKernel(spec.kernel);
  }

  /** The kernel that runs now: a reset loads a new one. */
  get kernel(): Kernel {
    return this.#kernel;
  }

  /** Firmware hands over to the kernel, which takes its hardware into service. */
  boot(): Script {
    return this.#kernel.boot();
  }

  /** Reports everything to `recorder` from now on; `null` reports to nobody, and costs next to nothing. */
  attach(recorder: Recorder | null): void {
    this.#recorder = recorder;
    const { unit, links } = this.#hardware;
    unit.probe = recorder?.iommu(IOMMU_NAME) ?? null;
    for (const link of links) {
      link.probe =
        recorder &&
        ((tlp, direction) => {
          const [who, to] = direction === 'upstream' ? [link.name, 'root'] : ['root', link.name];
          recorder.record('packet', who, { to, ...packetText(tlp) });
        });
    }
    this.#watchKernel();
  }

  /** Every component's state as plain data, by name. */
  snapshot(): Readonly<Record<string, unknown>> {
    const { controller, rootComplex, links, devices, unit } = this.#hardware;
    const parts = {
      [controller.name]: controller.state,
      [rootComplex.name]: rootComplex.state,
      ...Object.fromEntries(links.map((link) => [`link ${link.name}`, link.state])),
      ...Object.fromEntries([...devices].map(([name, device]) => [name, device.state])),
      [IOMMU_NAME]: { iotlb: unit.translator.iotlb?.entries() ?? [] },
    };
    // A copy: what a component goes on changing must not change in the reader's hand.
    return JSON.parse(JSON.stringify(parts)) as Readonly<Record<string, unknown>>;
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

  #resetHardware(): void {
    const { controller, rootComplex, agent, devices } = this.#hardware;
    for (const part of [controller, rootComplex, agent, ...devices.values()]) part.reset();
  }

  #loadKernel({ invalidate, costs }: KernelSpec): Kernel {
    const { memory, ram, rootComplex, devices } = this.#hardware;
    const firmware: Firmware = {
      memory: ram.map(([start, length]) => (start === 0 ? [FIRMWARE_BYTES, length - FIRMWARE_BYTES] : [start, length])),
      mmio: MMIO_WINDOW,
      iommus: [{ vendor: 'intel', registerBase: IOMMU_BASE, segment: 0 }],
      pciBuses: [0],
    };
    const deviceNames = Object.fromEntries([...devices].map(([name, { spec }]) => [spec.requester, name]));
    const options = { invalidateOnUnmap: invalidate === 'strict', deviceNames };
    return new Kernel(this.engine, new MachineBus(rootComplex, memory, costs), firmware, options);
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

/** Addresses in hexadecimal, failures by name. */
function resultText(result: number | bigint): string {
  return result < 0x1_0000 ? formatResult(result) : hex(result);
}

/** Builds a machine from a preset's name or from what differs from one. Throws an InputError for a wrong specification. */
export function buildMachine(input?: string | MachineInput, settings: readonly string[] = []): Machine {
  return new Machine(resolveSpec(input, settings));
}
