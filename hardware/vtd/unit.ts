/**
 * An Intel VT-d remapping hardware unit (VT-d specification, revision 5.10).
 *
 * Needs: physical memory; `raiseMsi` for its own interrupts; `run`, which carries a walk out (at once, unless the unit
 * stands in a timed machine). Offers: its register page (`read`, `write`), `translate` for a request that is answered
 * at once, `walk` for one that is answered step by step, `report` for the fault of a walked request. What it does not act
 * on stands in spec/not-acted-on.ts.
 */
import { highOf, joinHalves, lowOf, type RegisterFile } from '../bits/index.ts';
import {
  Access,
  AddressType,
  DeviceMessages,
  finish,
  type InterruptMessage,
  type InvalidationCompletion,
  type InvalidationTimer,
  type IommuProbe,
  type IommuUnit,
  NO_PASID,
  type PageRequest,
  type Translation,
  tellFault,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { Capabilities } from './capabilities.ts';
import { completion } from './completion.ts';
import { DeviceInvalidations } from './device-invalidations.ts';
import { EVENTS, EventInterrupt, type RaiseMsi } from './event-interrupt.ts';
import { FaultRecorder } from './fault-recorder.ts';
import { GlobalCommand } from './global-command.ts';
import { InterruptRemapper } from './interrupt-remapper.ts';
import { Invalidator } from './invalidation.ts';
import { InvalidationQueue } from './invalidation-queue.ts';
import { InvalidationRegisters } from './invalidation-registers.ts';
import { PageRequests } from './page-requests.ts';
import type { PerformanceEvents } from './performance-events.ts';
import { makeRegisterPage } from './register-page.ts';
import { type Fault, FSTS, GCMD, ICS, IQA, IQT } from './spec/index.ts';
import { Translator } from './translator.ts';
import type { VtdSpec, VtdSurroundings } from './unit-spec.ts';
import { Watch } from './watch.ts';

export class VtdUnit implements IommuUnit<Fault> {
  readonly spec: VtdSpec;
  readonly capabilities: Capabilities;
  readonly registers: RegisterFile;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptRemapper;
  readonly devices = new DeviceMessages();
  readonly ignoresNoWrite: boolean;
  readonly snoopsTables: boolean;
  readonly completion = completion;
  run: (walk: Walk) => void;
  invalidationTimer: InvalidationTimer | null = null;
  readonly #memory: PhysicalMemory;
  readonly #faults: FaultRecorder;
  readonly #completionEvent: EventInterrupt;
  readonly #deviceInvalidations: DeviceInvalidations;
  readonly #queue: InvalidationQueue;
  readonly #pageRequests: PageRequests;
  readonly #command: GlobalCommand;
  readonly #watch: Watch;
  /** `#watch` while it has something to do. */
  #watching: Watch | null = null;
  #probe: IommuProbe | null = null;

  constructor(spec: VtdSpec, { memory, raiseMsi }: VtdSurroundings) {
    const capabilities = new Capabilities(spec.capabilities, spec.hostAddressWidth);
    const file = makeRegisterPage(capabilities, spec.performance);
    const raise: RaiseMsi = (hi, lo, data) => {
      if (this.#probe !== null) this.#probe.interrupt(joinHalves(hi, lo), data);
      raiseMsi(hi, lo, data);
    };
    this.spec = spec;
    this.capabilities = capabilities;
    this.ignoresNoWrite = !capabilities.has('NWFS');
    this.snoopsTables = capabilities.has('C');
    this.registers = file;
    this.translator = new Translator(capabilities, spec);
    this.invalidator = new Invalidator(this.translator);
    this.interrupts = new InterruptRemapper(capabilities, spec);
    this.run = (walk) => finish(walk, memory);
    this.#memory = memory;
    this.#completionEvent = new EventInterrupt(file, EVENTS.completion, raise);
    this.#faults = new FaultRecorder(
      file,
      {
        offset: capabilities.faultRecordOffset,
        records: capabilities.faultRecords,
        addressBits: capabilities.widestAddress,
        pasid: capabilities.has('PASID'),
        deviceTlb: capabilities.has('DT'),
        compression: spec.faultCompression,
      },
      new EventInterrupt(file, EVENTS.fault, raise),
    );
    new InvalidationRegisters(file, capabilities, this.invalidator, this.#start);
    this.#pageRequests = new PageRequests({
      file,
      capabilities,
      translator: this.translator,
      invalidator: this.invalidator,
      faults: this.#faults,
      devices: this.devices,
      event: new EventInterrupt(file, EVENTS.pageRequest, raise),
      start: this.#start,
      drained: () => this.#queue.resume(this.#start),
    });
    this.#deviceInvalidations = new DeviceInvalidations({
      file,
      devices: this.devices,
      faults: this.#faults,
      timer: () => this.invalidationTimer,
      over: (completed) => (completed ? this.#queue.resume(this.#start) : this.#queue.abortWaits()),
    });
    this.#queue = new InvalidationQueue({
      capabilities,
      file,
      invalidator: this.invalidator,
      interrupts: this.interrupts,
      devices: this.devices,
      deviceInvalidations: this.#deviceInvalidations,
      pageRequests: this.#pageRequests,
      faults: this.#faults,
      completion: this.#completionEvent,
    });
    this.#watch = new Watch(spec, {
      file,
      capabilities,
      raise,
      start: (walk) => this.run(walk),
      changed: () => this.#watchChanged(),
    });
    this.#command = new GlobalCommand({
      file,
      capabilities,
      translator: this.translator,
      invalidator: this.invalidator,
      interrupts: this.interrupts,
      faults: this.#faults,
      start: this.#start,
      startQueue: () => this.#queue.kick(this.#start),
      abortWaits: () => this.#queue.abortWaits(),
    });
    this.#attachHooks();
  }

  /** Whom to tell of performance events; `null` while nobody counts. */
  get counters(): PerformanceEvents | null {
    return this.#watch.counters;
  }

  get tally(): PerformanceEvents | null {
    return this.#watch.tally;
  }

  set tally(tally: PerformanceEvents | null) {
    this.#watch.tally = tally;
  }

  get probe(): IommuProbe | null {
    return this.#probe;
  }

  set probe(probe: IommuProbe | null) {
    this.#probe = probe;
    this.translator.observe(probe);
    this.invalidator.probe = probe;
    this.interrupts.probe = probe;
  }

  /** A read of 4 or 8 bytes of the register page; other sizes give 0. */
  read(offset: number, size: number): bigint {
    if (size === 4) return BigInt(this.registers.read32(offset));
    if (size !== 8) return 0n;
    return joinHalves(this.registers.read32(offset + 4), this.registers.read32(offset));
  }

  /** A write of 4 or 8 bytes; when it returns, what it started is done unless the unit stands in a timed machine. */
  write(offset: number, size: number, value: bigint): void {
    if (this.#probe !== null) this.#probe.registerWritten(offset, size, value);
    if (size === 4) this.registers.write32(offset, lowOf(value));
    else if (size === 8) this.registers.write64(offset, lowOf(value), highOf(value));
  }

  /** Answers a request now. */
  translate(t: Translation<Fault>): void {
    if (this.#watching !== null || this.translator.hit(t) !== true) this.#translateFurther(t);
  }

  /** What `translate` does with a request that the IOTLB does not answer alone. */
  #translateFurther(t: Translation<Fault>): void {
    if (this.#watching === null ? this.translator.answer(t, this.#memory) : this.hit(t)) return;
    finish(this.walk(t), this.#memory);
    if (t.effects) this.report(t);
  }

  hit(t: Translation<Fault>): boolean {
    if (!this.translator.hit(t)) return false;
    if (this.#watching !== null) this.#watching.answered(t, true);
    return true;
  }

  begin(t: Translation<Fault>): boolean {
    return this.#watching === null && this.translator.begin(t);
  }

  step(t: Translation<Fault>): number {
    return this.translator.step(t, this.#memory);
  }

  resume(t: Translation<Fault>): Walk {
    return this.translator.resume(t);
  }

  /** The whole procedure for one request; whoever runs it calls `report` at the end. */
  walk(t: Translation<Fault>): Walk {
    const walk = this.translator.walk(t);
    return this.#watching === null ? walk : this.#watching.walk(t, walk);
  }

  /** Records the fault of an answered request, if it had one. */
  report(t: Translation<Fault>): void {
    const { fault } = t;
    if (fault === null) return;
    tellFault(this.#probe, fault, t, this.#faults);
    if (t.recorded) this.#faults.record(fault.code, t);
  }

  /** The steps of one interrupt message; whoever runs them calls `reportInterrupt` at the end. */
  walkInterrupt(message: InterruptMessage<Fault>): Walk {
    const walk = this.interrupts.walk(message);
    return this.#watching === null || !message.effects ? walk : this.#watching.count(walk);
  }

  reportInterrupt(message: InterruptMessage<Fault>): void {
    const { fault, requester, hi, lo, data, recorded } = message;
    if (fault === null) {
      if (this.#probe !== null && message.delivered) this.#probe.interrupt(joinHalves(hi, lo), data);
      return;
    }
    const request = { requester, pasid: NO_PASID, access: Access.WRITE, addressType: AddressType.UNTRANSLATED };
    tellFault(this.#probe, fault, { ...request, hi, lo, recorded }, this.#faults);
    // The fault information of an interrupt is its index, at the top.
    if (recorded) this.#faults.record(fault.code, { ...request, hi: message.index << 16, lo: 0, isInterrupt: true });
  }

  /** A device asks for a page. */
  requestPage(request: PageRequest): void {
    this.#pageRequests.accept(request);
  }

  /** A device has carried invalidations of its device-TLB out. */
  completeInvalidation(completion: InvalidationCompletion): void {
    this.#deviceInvalidations.complete(completion);
  }

  /** The time of every device that has not completed an invalidation is up. */
  expireInvalidations(): void {
    this.#deviceInvalidations.expire();
  }

  /** Back to the state after power-on. */
  reset(): void {
    this.#deviceInvalidations.reset();
    this.#queue.reset();
    this.#pageRequests.reset();
    this.registers.reset();
    this.#watch.reset();
    this.invalidator.everything();
    this.#faults.rewind();
    this.translator.enabled = false;
    this.interrupts.reset();
    this.#command.reset();
  }

  /** Work of the unit, whose memory accesses are counted while something is. */
  readonly #start = (walk: Walk): void => this.run(this.#watching === null ? walk : this.#watching.count(walk));

  #watchChanged(): void {
    this.#watching = this.#watch.isIdle ? null : this.#watch;
    this.interrupts.counters = this.counters;
    this.translator.counters = this.counters;
    this.#pageRequests.counters = this.counters;
  }

  #attachHooks(): void {
    const { registers: file } = this;
    file.onWrite(GCMD.$.offset!, (written) => this.#command.carryOut(written | 0));
    file.onWrite(FSTS.$.offset!, () => this.#queue.resume(this.#start));
    if (!this.capabilities.has('QI')) return;
    file.onWrite(IQT.$.offset!, () => this.#queue.kick(this.#start));
    // A queue beyond the host's addresses is undefined; its base reads back 0.
    file.onWrite(IQA.$.offset! + 4, () => {
      if (IQA.IQA.address(file.words) >= 2 ** this.spec.hostAddressWidth) IQA.IQA.set(file.words, 0);
    });
    file.onWrite(ICS.$.offset!, () => {
      if (!ICS.IWC.isSet(file.words)) this.#completionEvent.withdraw();
    });
  }
}
