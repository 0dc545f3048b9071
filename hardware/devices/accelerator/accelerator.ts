/**
 * The accelerator of spec/: a Data Streaming Accelerator with dedicated and shared work queues, batches, a device-TLB and page
 * requests.
 *
 * Surface: `function`, to be connected to a root complex as an integrated endpoint; `spec`, `state`, `reset`. All else goes
 * through its registers and portals: a descriptor comes as one posted write of 64 bytes (MOVDIR64B) to a dedicated queue, or
 * as a deferrable write (ENQCMD) to a shared one, which may put it off.
 *
 * Inaccuracies: registers, commands and engines take no time of their own, only what is under way does; the pieces of an
 * operation are read and written one after the other.
 */
import { AtsRequester, type AtsState } from '../../ats/index.ts';
import { type RegisterFile, wordsOf } from '../../bits/index.ts';
import {
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  PortType,
  Requester,
  type Tlp,
} from '../../pcie/index.ts';
import type { Component, Engine } from '../../sim/index.ts';
import { Commands } from './commands.ts';
import { Errors } from './errors.ts';
import { Executor } from './executor.ts';
import { Interrupts } from './interrupts.ts';
import { Memory } from './memory.ts';
import { type AcceleratorSpec, vectorsOf } from './model.ts';
import { buildRegisters } from './register-page.ts';
import { Scheduler } from './scheduler.ts';
import {
  ACCELERATOR_CLASS,
  ACCELERATOR_DEVICE,
  ACCELERATOR_VENDOR,
  CMD,
  DESCRIPTOR_BYTES,
  GENSTS,
  PORTAL_BAR,
  PORTAL_BYTES,
  PORTALS_PER_WQ,
  Portal,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
  ResetType,
  SubmissionError,
  Table,
} from './spec/index.ts';
import type { Submission } from './submission.ts';
import type { WorkQueue } from './work-queue.ts';

export interface AcceleratorState {
  /** Descriptors accepted, and carried out: those of batches count too. */
  submissions: number;
  operations: number;
  /** Descriptors that engines work on. */
  active: number;
  readonly ats: AtsState;
}

export class Accelerator implements Component<AcceleratorSpec, AcceleratorState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: AcceleratorSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  readonly ats: AtsRequester;
  readonly #registers: RegisterFile;
  readonly #scheduler: Scheduler;
  readonly #executor: Executor;
  readonly #errors: Errors;
  readonly #interrupts: Interrupts;
  readonly #commands: Commands;

  constructor(engine: Engine, spec: AcceleratorSpec) {
    this.name = spec.name;
    this.spec = spec;
    this.function = new PcieFunction({ ...configOf(spec), name: spec.name, requester: spec.requester }, this);
    this.dma = new Requester(engine, this.function, spec);
    this.ats = new AtsRequester(engine, this.function, this.dma);
    const registers = buildRegisters(spec);
    const memory = new Memory(engine, this.function, this.dma, this.ats, spec.pageAttempts);
    const errors = new Errors(engine, this.function, registers, memory);
    const interrupts = new Interrupts(registers, spec);
    const scheduler = new Scheduler(engine, registers, spec, (submission) => this.#executor.carryOut(submission));
    const parts = { engine, function: this.function, registers, memory, errors, interrupts, scheduler };
    const drain = ({ queue, pasid, number }: Submission) =>
      scheduler.settle((other) => other.queue === queue && other.pasid === pasid && other.number < number);
    this.#registers = registers;
    this.#scheduler = scheduler;
    this.#errors = errors;
    this.#interrupts = interrupts;
    this.#executor = new Executor(spec, { ...parts, drain });
    this.#commands = new Commands(spec, { ...parts, softwareReset: () => this.#toFirstState(ResetType.SOFTWARE) });
    this.#toFirstState(ResetType.COLD);
    registers.onWrite(CMD.$.offset!, () => this.#commands.begin());
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): AcceleratorState {
    const { submissions, active } = this.#scheduler;
    return { submissions, operations: this.#executor.operations, active, ats: this.ats.state };
  }

  memoryRead(bar: number, offset: number, into: Uint8Array, length: number): void {
    if (bar === PORTAL_BAR) into.fill(0xff, 0, length);
    else this.#registers.readAligned(offset, into, length);
  }

  memoryWrite(bar: number, offset: number, from: Uint8Array, length: number): void {
    if (bar === PORTAL_BAR) this.#posted(offset, from, length);
    else this.#registers.writeAligned(offset, from, length);
  }

  /** A descriptor for a shared queue: false when it is to be tried again. */
  deferrableWrite(bar: number, offset: number, from: Uint8Array, length: number): boolean {
    const queue = bar === PORTAL_BAR && length === DESCRIPTOR_BYTES ? this.#queueAt(offset) : undefined;
    if (queue === undefined || !queue.isEnabled) return false;
    if (queue.isDedicated) {
      this.#errors.report({ error: SubmissionError.DEFERRABLE_TO_DEDICATED, queue: queue.index });
      return false;
    }
    return this.#submit(queue, offset, from);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  message(tlp: Tlp): void {
    this.ats.message(tlp);
  }

  functionLevelReset(): void {
    this.#forget(ResetType.FLR);
  }

  reset(): void {
    this.#forget(ResetType.COLD);
    this.function.reset();
  }

  /** A descriptor for a dedicated queue, of which nobody learns whether it was accepted. */
  #posted(offset: number, from: Uint8Array, length: number): void {
    if (length !== DESCRIPTOR_BYTES) return;
    const queue = this.#queueAt(offset);
    if (queue === undefined) return;
    const error = queue.isEnabled
      ? queue.isDedicated
        ? SubmissionError.WQ_FULL
        : SubmissionError.POSTED_TO_SHARED
      : SubmissionError.WQ_NOT_ENABLED;
    const isAccepted = queue.isEnabled && queue.isDedicated && this.#submit(queue, offset, from);
    if (!isAccepted) this.#errors.report({ error, queue: queue.index });
  }

  /** The queue whose portal takes a descriptor there. */
  #queueAt(offset: number): WorkQueue | undefined {
    if (offset % DESCRIPTOR_BYTES !== 0) return undefined;
    return this.#scheduler.queues[Math.floor(offset / (PORTAL_BYTES * PORTALS_PER_WQ))];
  }

  /** False when the queue has no room. */
  #submit(queue: WorkQueue, offset: number, from: Uint8Array): boolean {
    const portal = Math.floor(offset / PORTAL_BYTES) % PORTALS_PER_WQ;
    if (!queue.hasRoom(portal === Portal.LIMITED || portal === Portal.LIMITED_IMS)) return false;
    this.#scheduler.submit(queue, wordsOf(from, DESCRIPTOR_BYTES / 4), portal >= Portal.UNLIMITED_IMS);
    return true;
  }

  /** Everything that is under way ends, without a trace. */
  #forget(resetType: number): void {
    this.#scheduler.abandon();
    this.#commands.reset();
    this.#executor.operations = 0;
    this.#toFirstState(resetType);
    this.ats.reset();
    this.dma.reset();
  }

  #toFirstState(resetType: number): void {
    this.#registers.reset();
    GENSTS.RESET_TYPE.set(this.#registers.words, resetType);
    this.#errors.reset();
    this.#interrupts.reset();
  }
}

function configOf(spec: AcceleratorSpec): ConfigSpec {
  let portals = PORTAL_BYTES * PORTALS_PER_WQ;
  while (portals < spec.workQueues * PORTAL_BYTES * PORTALS_PER_WQ) portals *= 2;
  const place = (offset: number) => ({ bar: REGISTER_BAR, offset });
  return {
    vendor: ACCELERATOR_VENDOR,
    device: ACCELERATOR_DEVICE,
    revision: 0,
    classCode: ACCELERATOR_CLASS,
    bars: [
      { index: REGISTER_BAR, size: REGISTER_BAR_BYTES, wide: true, prefetchable: true },
      { index: PORTAL_BAR, size: portals, wide: true, prefetchable: true },
    ],
    msiVectors: 0,
    payloadSupported: spec.payloadSupported,
    portType: PortType.INTEGRATED_ENDPOINT,
    pciExpress: { flr: true },
    capabilities: {
      msix: { vectors: vectorsOf(spec), table: place(Table.MSIX), pending: place(Table.MSIX_PENDING) },
      ats: { queueDepth: 32, pageAligned: true },
      pri: { capacity: spec.pageRequests, responsePasidRequired: true },
      pasid: { width: 20, execute: true, privileged: true },
    },
  };
}
