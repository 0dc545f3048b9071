/**
 * The NVM Express controller of spec/: registers and what they start and end. A `Controller` works between enable and reset,
 * the disk outlives it.
 *
 * Surface: `function`, to be connected to a root complex; `disk`; `spec`, `state`, `reset`. All else goes through its
 * registers and through memory.
 *
 * Inaccuracies: registers answer at once; an NVM subsystem reset leaves the link up; a disk finds all blocks in the same time.
 */
import { type RegisterFile, wordAt } from '../../bits/index.ts';
import {
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
} from '../../pcie/index.ts';
import { type Component, type Engine, ns, type Script } from '../../sim/index.ts';
import { checkCount } from '../count.ts';
import { Controller, type Limits, type Place } from './controller.ts';
import { Disk, type DiskSpec } from './disk.ts';
import { Logs } from './logs.ts';
import { hasEntrySizes, nvmeRegisters, setupOf } from './register-page.ts';
import {
  CC,
  CSTS,
  DOORBELL_BYTES,
  DOORBELLS_AT,
  DOORBELLS_END,
  MSIX_PENDING_AT,
  MSIX_TABLE_AT,
  NSSR,
  NSSR_RESET,
  NVME_BAR,
  NVME_BAR_BYTES,
  NVME_CLASS,
  NVME_DEVICE,
  NVME_REGISTERS,
  NVME_REVISION,
  NVME_VENDOR,
  ShutdownNotification,
  ShutdownStatus,
} from './spec/index.ts';

export interface NvmeSpec extends Limits, DiskSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding. Software may allow fewer. */
  readonly tags: number;
  /** Nanoseconds from enable to ready. */
  readonly enable: number;
}

/** Not architectural. */
export const NVME = {
  payloadSupported: 512,
  tags: 256,
  queues: 8,
  entries: 1024,
  commands: 64,
  mdts: 5,
  access: 8000,
  enable: 20_000,
  blocks: 0x2_0000,
  blockBytes: 512,
} as const;

/** Most I/O queues of each kind: their doorbells and vectors have their places. */
export const MOST_QUEUES = 64;

export interface NvmeState {
  /** Fields of registers by name. */
  readonly registers: Readonly<Record<string, number>>;
  /** Numbers of the queues that there are. */
  readonly submissionQueues: readonly number[];
  readonly completionQueues: readonly number[];
  /** Commands that were begun and have not ended. */
  readonly commands: number;
  /** Asynchronous Event Requests that wait. */
  readonly eventRequests: number;
  /** Pages of the disk that hold something. */
  readonly pages: number;
}

const CONFIG = {
  vendor: NVME_VENDOR,
  device: NVME_DEVICE,
  revision: NVME_REVISION,
  classCode: NVME_CLASS,
  bars: [{ index: NVME_BAR, size: NVME_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 0,
  pciExpress: { flr: true },
} as const satisfies Partial<ConfigSpec>;

export class Nvme implements Component<NvmeSpec, NvmeState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: NvmeSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  readonly disk: Disk;
  readonly #engine: Engine;
  readonly #registers: RegisterFile;
  readonly #logs = new Logs();
  readonly #place: Place;
  #controller: Controller | null = null;
  /** Whether it was enabled last, or reset; with an enable that failed there is no controller. */
  #isOn = false;
  /** It is being enabled or reset. */
  #isChanging = false;
  /** Changes with each reset from outside: what was begun before must not go on. */
  #life = 0;

  constructor(engine: Engine, spec: NvmeSpec) {
    const { name, requester, payloadSupported, queues } = spec;
    checkCount(name, 'queues', queues, MOST_QUEUES);
    const msix = {
      vectors: queues + 1,
      table: { bar: NVME_BAR, offset: MSIX_TABLE_AT },
      pending: { bar: NVME_BAR, offset: MSIX_PENDING_AT },
    };
    const capabilities = { msix, powerManagement: {}, aer: true };
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester, payloadSupported, capabilities }, this);
    this.dma = new Requester(engine, this.function, spec);
    this.disk = new Disk(spec);
    this.#engine = engine;
    this.#registers = this.#declare();
    this.#place = {
      name,
      engine,
      dma: this.dma,
      disk: this.disk,
      logs: this.#logs,
      limits: spec,
      interrupt: (vector) => void engine.spawn(this.function.interrupt(vector), `an interrupt of ${name}`),
      fatal: () => this.#fatal(),
      hasEntrySizes: () => hasEntrySizes(this.#registers),
    };
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): NvmeState {
    const controller = this.#controller;
    return {
      registers: this.#registers.fieldValues(NVME_REGISTERS),
      submissionQueues: [...(controller?.submissions.keys() ?? [])],
      completionQueues: [...(controller?.completions.keys() ?? [])],
      commands: controller?.underWay ?? 0,
      eventRequests: controller?.events.requests ?? 0,
      pages: this.disk.pages,
    };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    this.#registers.readAligned(offset, into, length);
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    if (offset < DOORBELLS_AT) this.#registers.writeAligned(offset, from, length);
    else if (length === DOORBELL_BYTES && offset % DOORBELL_BYTES === 0 && offset < DOORBELLS_END) {
      this.#doorbell(offset, wordAt(from, 0) & 0xffff);
    }
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  functionLevelReset(): void {
    this.#life++;
    this.#controller?.stop();
    this.#controller = null;
    this.#isOn = false;
    this.#isChanging = false;
    this.#registers.reset();
    this.dma.reset();
  }

  reset(): void {
    this.functionLevelReset();
    this.function.reset();
    this.#logs.reset();
    this.disk.reset();
  }

  #declare(): RegisterFile {
    const file = nvmeRegisters(this.spec.entries);
    file.onWrite(CC.$.offset!, () => this.#controlled());
    file.onWrite(NSSR.$.offset!, (written) => {
      if (written !== NSSR_RESET) return;
      this.functionLevelReset();
      CSTS.NSSRO.set(file.words, 1);
    });
    return file;
  }

  /** Doorbells of queue y lie side by side: tail, then head. */
  #doorbell(offset: number, value: number): void {
    const index = (offset - DOORBELLS_AT) / DOORBELL_BYTES;
    const id = index >>> 1;
    if ((index & 1) === 0) this.#controller?.tail(id, value);
    else this.#controller?.head(id, value);
  }

  #controlled(): void {
    const { words } = this.#registers;
    if (CC.SHN.isSet(words) && CSTS.SHST.get(words) === ShutdownStatus.NORMAL_OPERATION) {
      CSTS.SHST.set(words, ShutdownStatus.OCCURRING);
      this.#engine.spawn(this.#shutDown(this.#life), `shutdown of ${this.name}`);
    }
    this.#follow();
  }

  /** Makes the controller what CC.EN says, unless it is on its way: then it is looked at again afterwards. */
  #follow(): void {
    const enable = CC.EN.isSet(this.#registers.words);
    if (this.#isChanging || enable === this.#isOn) return;
    this.#isChanging = true;
    this.#isOn = enable;
    const change = enable ? this.#enable(this.#life) : this.#disable(this.#life);
    this.#engine.spawn(change, `${enable ? 'enable' : 'reset'} of ${this.name}`);
  }

  *#enable(life: number): Script {
    yield ns(this.spec.enable);
    if (life !== this.#life) return;
    const { words } = this.#registers;
    const setup = setupOf(this.#registers);
    if (setup === null) CSTS.CFS.set(words, 1);
    else {
      this.#controller = new Controller(this.#place, setup);
      CSTS.RDY.set(words, 1);
    }
    this.#isChanging = false;
    this.#follow();
  }

  /** The queues and all that was begun are gone when it is no longer ready; AQA, ASQ and ACQ stay as they are. */
  *#disable(life: number): Script {
    this.#controller?.stop();
    if (this.#controller !== null) yield* this.#controller.drain();
    if (life !== this.#life) return;
    this.#controller = null;
    const { words } = this.#registers;
    for (const field of [CSTS.RDY, CSTS.CFS, CSTS.SHST]) field.set(words, 0);
    this.#isChanging = false;
    this.#follow();
  }

  /** What was begun is brought to its end, unless software is in a hurry. Then nothing is fetched until a reset. */
  *#shutDown(life: number): Script {
    const { words } = this.#registers;
    const controller = this.#controller;
    if (controller !== null) {
      if (CC.SHN.get(words) === ShutdownNotification.NORMAL) controller.quiesce();
      else controller.stop();
      yield* controller.drain();
    }
    // A reset in the meantime has ended the shutdown, too.
    if (life === this.#life && CSTS.SHST.isSet(words)) CSTS.SHST.set(words, ShutdownStatus.COMPLETE);
  }

  #fatal(): void {
    CSTS.CFS.set(this.#registers.words, 1);
    this.#controller?.stop();
  }
}
