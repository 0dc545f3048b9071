/**
 * An AMD-Vi unit (AMD I/O virtualization; the sources of each fact stand with its declaration).
 *
 * Needs: physical memory; `raiseMsi` for its own interrupts; `run`, which carries a walk out (at once, unless the unit
 * stands in a timed machine). Offers: its register page (`read`, `write`), its PCI function (`pci`), `translate` for a
 * request that is answered at once, `walk` for one that is answered step by step, `report` for the event of a walked one.
 *
 * Not acted on: see spec/not-acted-on.ts.
 */
import type { TranslationEntry } from '../ats/index.ts';
import { encode, joinHalves, type RegisterFile } from '../bits/index.ts';
import {
  Access,
  DeviceMessages,
  type EntryCacheSpec,
  finish,
  type InterruptMessage,
  type InvalidationCompletion,
  type InvalidationTimer,
  type IommuProbe,
  type IommuUnit,
  type PageRequest,
  type PerformanceEvents,
  type Translation,
  tellFault,
  together,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { CommandProcessor } from './command-processor.ts';
import { completion } from './completion.ts';
import { Counters, type CountersSpec } from './counters.ts';
import { DeviceInvalidations } from './device-invalidations.ts';
import { entryOf, interruptEntryOf } from './event-entries.ts';
import { EventLog } from './event-log.ts';
import { type FeatureRegisters, Features } from './features.ts';
import { FUNCTION, type FunctionSpec, IommuFunction } from './function.ts';
import { GaLog } from './ga-log.ts';
import { InterruptRemapper } from './interrupt-remapper.ts';
import { Invalidator } from './invalidation.ts';
import { OwnInterrupts, type RaiseMsi } from './own-interrupts.ts';
import { PageRequests } from './page-requests.ts';
import { PprLog } from './ppr-log.ts';
import { RegisterPage } from './register-page.ts';
import { type AmdFault, CONTROL, EXCLUSION_BASE, GA_LOG_ENTRY, GaCode, STATUS } from './spec/index.ts';
import { Translator } from './translator.ts';
import type { TranslatorSpec } from './translator-spec.ts';

export interface AmdViSpec extends TranslatorSpec {
  /** Cache of interrupt table entries; `null`, or nothing, when there is none. */
  readonly interruptEntryCache?: EntryCacheSpec | null;
  readonly features: FeatureRegisters;
  /** Bits of a system physical address. */
  readonly hostAddressWidth: number;
  readonly counters?: CountersSpec;
  readonly pci?: FunctionSpec;
}

export interface AmdViSurroundings {
  readonly memory: PhysicalMemory;
  readonly raiseMsi: RaiseMsi;
}

export class AmdViUnit implements IommuUnit<AmdFault> {
  readonly spec: AmdViSpec;
  readonly features: Features;
  readonly registers: RegisterFile;
  readonly pci: IommuFunction;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptRemapper;
  readonly ignoresNoWrite = false;
  readonly snoopsTables = true;
  /** What the unit sends to devices. */
  readonly devices = new DeviceMessages();
  /** Carries out work that the unit starts by itself. */
  run: (walk: Walk) => void;
  /** Calls back when a device has had its time to complete an invalidation. */
  invalidationTimer: InvalidationTimer | null = null;
  readonly #memory: PhysicalMemory;
  readonly #page: RegisterPage;
  readonly #events: EventLog;
  readonly #pprLog: PprLog;
  readonly #gaLog: GaLog;
  readonly #counters: Counters | null;
  readonly #commands: CommandProcessor;
  readonly #deviceInvalidations: DeviceInvalidations;
  readonly #pageRequests: PageRequests;
  #probe: IommuProbe | null = null;
  #tally: PerformanceEvents | null = null;

  constructor(spec: AmdViSpec, { memory, raiseMsi }: AmdViSurroundings) {
    const features = new Features(spec.features, spec.hostAddressWidth);
    const page = new RegisterPage(features, spec.counters);
    const { file } = page;
    const raise: RaiseMsi = (hi, lo, data) => {
      if (this.#probe !== null) this.#probe.interrupt(joinHalves(hi, lo), data);
      raiseMsi(hi, lo, data);
    };
    this.spec = spec;
    this.features = features;
    this.registers = file;
    this.#page = page;
    this.pci = new IommuFunction(features, file, spec.pci ?? FUNCTION);
    this.run = (walk) => finish(walk, memory);
    this.#memory = memory;
    this.translator = new Translator(features, file, spec);
    this.invalidator = new Invalidator(this.translator);
    const { translator, invalidator, devices } = this;
    const { devices: table, era } = translator;
    this.interrupts = new InterruptRemapper({ file, devices: table, era, cache: spec.interruptEntryCache ?? null });
    const own = new OwnInterrupts(file, features, this.pci, raise);
    this.#events = new EventLog(file, features, own);
    this.#pprLog = new PprLog(file, features, own);
    this.#gaLog = new GaLog(file, own);
    const start = (walk: Walk): void => this.run(walk);
    const log = (entry: Uint32Array): void => this.run(this.#events.append(entry));
    this.#pageRequests = new PageRequests({ file, features, translator, devices, pprLog: this.#pprLog, start, log });
    this.#counters = features.has('PCSup')
      ? new Counters(file, log, () => this.#countersChanged(), spec.counters)
      : null;
    this.interrupts.guests = { ring: () => {}, log: (tag, deviceId) => this.#logGuest(tag, deviceId) };
    this.#attachSettings();
    this.#deviceInvalidations = new DeviceInvalidations({
      file,
      devices,
      timer: () => this.invalidationTimer,
      log,
      over: () => this.#commands.resume(),
    });
    this.#commands = new CommandProcessor({
      file,
      features,
      translator,
      invalidator,
      interrupts: this.interrupts,
      devices,
      deviceInvalidations: this.#deviceInvalidations,
      counters: () => this.#page.counters,
      start,
      log,
      waitCompleted: () => own.signal(STATUS.ComWaitInt),
    });
  }

  get tally(): PerformanceEvents | null {
    return this.#tally;
  }

  set tally(tally: PerformanceEvents | null) {
    this.#tally = tally;
    this.#countersChanged();
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

  /** A read of 1, 2, 4 or 8 bytes of the register page, aligned to its size; others give 0. */
  read(offset: number, size: number): bigint {
    return this.#page.read(offset, size);
  }

  /** A write; when it returns, what it started is done unless the unit stands in a timed machine. */
  write(offset: number, size: number, value: bigint): void {
    if (this.#probe !== null) this.#probe.registerWritten(offset, size, value);
    this.#page.write(offset, size, value);
  }

  /** Answers a request now. */
  translate(t: Translation<AmdFault>): void {
    if (this.translator.hit(t) !== true) this.#translateFurther(t);
  }

  /** What `translate` does with a request that the IOTLB does not answer alone. */
  #translateFurther(t: Translation<AmdFault>): void {
    if (this.translator.answer(t, this.#memory)) return;
    finish(this.walk(t), this.#memory);
    if (t.effects) this.report(t);
  }

  hit(t: Translation<AmdFault>): boolean {
    return this.translator.hit(t);
  }

  begin(t: Translation<AmdFault>): boolean {
    return this.translator.begin(t);
  }

  step(t: Translation<AmdFault>): number {
    return this.translator.step(t, this.#memory);
  }

  resume(t: Translation<AmdFault>): Walk {
    return this.translator.resume(t);
  }

  /** The whole procedure for one request; whoever runs it calls `report` at the end. */
  walk(t: Translation<AmdFault>): Walk {
    return this.translator.walk(t);
  }

  /** Logs the event of an answered request, if it had one. */
  report(t: Translation<AmdFault>): void {
    const { fault } = t;
    if (fault === null) return;
    tellFault(this.#probe, fault, t, this.#events);
    if (t.recorded) this.run(this.#events.append(entryOf(fault, t)));
  }

  completion(t: Translation<AmdFault>): TranslationEntry {
    return completion(t, this.translator.page);
  }

  /** The steps of one interrupt message; whoever runs them calls `reportInterrupt` at the end. */
  walkInterrupt(message: InterruptMessage<AmdFault>): Walk {
    this.translator.era.begin(message);
    return this.interrupts.walk(message);
  }

  reportInterrupt(message: InterruptMessage<AmdFault>): void {
    const { fault, requester, pasid, hi, lo, data, recorded } = message;
    if (fault === null) {
      if (this.#probe !== null && message.delivered) this.#probe.interrupt(joinHalves(hi, lo), data);
      return;
    }
    tellFault(this.#probe, fault, { requester, pasid, access: Access.WRITE, hi, lo, recorded }, this.#events);
    if (recorded) this.run(this.#events.append(interruptEntryOf(fault, message)));
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
    this.registers.reset();
    this.pci.reset();
    for (const part of [this.#commands, this.#pageRequests, this.#events, this.#pprLog, this.#gaLog]) part.reset();
    this.#counters?.reset();
    this.interrupts.everything();
    this.invalidator.everything();
    this.translator.settingsChanged();
  }

  #countersChanged(): void {
    const active = together(this.#counters?.active ?? null, this.#tally);
    this.#page.counters = active;
    this.translator.counters = active;
  }

  *#logGuest(tag: number, deviceId: number): Walk {
    yield* this.#gaLog.append(encode(GA_LOG_ENTRY, { GATag: tag, DeviceID: deviceId, Code: GaCode.GUEST_NR }));
  }

  /** What parts of the unit hold of registers is renewed before anything that a write starts. */
  #attachSettings(): void {
    const { registers: file } = this;
    const changed = (): void => {
      this.translator.settingsChanged();
    };
    for (const { $ } of [CONTROL, EXCLUSION_BASE]) {
      for (const half of [0, 4]) file.onWrite($.offset! + half, changed);
    }
  }
}
