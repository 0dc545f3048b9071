/**
 * What looks at every request beside its translation: protected memory regions and performance counters, with the
 * command interfaces (VT-d 10, 11.4.8, 11.4.14, 11.4.16). Each exists only with its capability.
 *
 * Offers: `counters`, `null` unless a counter counts, for every model that has something to count; `answered` and `walk`,
 * which the unit calls while `isIdle` is false; `count`, which counts what a walk does to memory.
 */
import type { RegisterFile } from '../bits/index.ts';
import { AddressType, NO_PASID, Status, type Translation, together, type Walk } from '../iommu/index.ts';
import { OperationKind } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import { CommandInterface } from './command-interface.ts';
import { EventInterrupt, type RaiseMsi } from './event-interrupt.ts';
import { Performance } from './performance.ts';
import { Event, NO_DOMAIN, NO_REQUESTER, type PerformanceEvents } from './performance-events.ts';
import type { PerformanceSpec } from './performance-registers.ts';
import { PROTECTED_REGION_N, ProtectedMemory } from './protected-memory.ts';
import { performanceRegisters } from './register-page.ts';
import {
  ECCAP_3,
  ECEO,
  ECMD,
  ECRSP,
  EnhancedCommand,
  type Fault,
  PERFINTRADDR,
  PERFINTRCTL,
  PERFINTRDATA,
  PERFINTRUADDR,
  PMEN,
  VCMD,
  VCMD_EO,
  VCRSP,
} from './spec/index.ts';

export interface WatchSpec {
  /** Bits N:0 of the bases and limits of protected regions are not implemented: 11 to 30. Not architectural. */
  readonly protectedRegionN?: number;
  readonly performance?: PerformanceSpec;
}

export interface WatchSurroundings {
  readonly file: RegisterFile;
  readonly capabilities: Capabilities;
  readonly raise: RaiseMsi;
  /** Carries out work of the unit. */
  start(walk: Walk): void;
  /** `isIdle` or `counters` may have changed. */
  changed(): void;
}

type Perform = (performance: Performance, operandA: number) => number;

/** The enhanced commands, each with the field that reports it. */
const COMMANDS: readonly (readonly [number, Exclude<keyof typeof ECCAP_3, '$'>, Perform])[] = [
  [EnhancedCommand.ENABLE_PERFMON_COUNTER, 'ECNTS', (performance, counter) => performance.enable(counter)],
  [EnhancedCommand.DISABLE_PERFMON_COUNTER, 'DCNTS', (performance, counter) => performance.disable(counter)],
  [
    EnhancedCommand.RESET_ALL_PERFMON_COUNTER_CONFIGURATION,
    'RCFGS',
    (performance) => performance.resetConfigurations(),
  ],
  [EnhancedCommand.RESET_ALL_PERFMON_COUNTER_VALUES, 'RCNTS', (performance) => performance.resetValues()],
  [EnhancedCommand.FREEZE_ALL_PERFMON_COUNTERS, 'FCNTS', (performance) => performance.freezeAll()],
  [EnhancedCommand.UNFREEZE_ALL_PERFMON_COUNTERS, 'UFCNTS', (performance) => performance.unfreezeAll()],
];

export class Watch {
  /** `null` unless a counter counts. */
  counters: PerformanceEvents | null = null;
  #tally: PerformanceEvents | null = null;
  readonly #changed: () => void;
  readonly #unit: WatchSurroundings;
  readonly #protection: ProtectedMemory | null;
  readonly #performance: Performance | null;

  constructor(spec: WatchSpec, unit: WatchSurroundings) {
    const { file, capabilities } = unit;
    this.#unit = unit;
    const changed = (): void => {
      this.counters = together(this.#performance?.active ?? null, this.#tally);
      unit.changed();
    };
    this.#changed = changed;
    const n = spec.protectedRegionN ?? PROTECTED_REGION_N.usual;
    const isProtective = capabilities.has('PLMR') || capabilities.has('PHMR');
    const start = (walk: Walk): void => unit.start(walk);
    this.#protection = isProtective ? new ProtectedMemory(file, capabilities, n, start, changed) : null;
    const registers = performanceRegisters(capabilities, spec.performance);
    const event = {
      control: PERFINTRCTL,
      data: PERFINTRDATA,
      address: PERFINTRADDR,
      upper: PERFINTRUADDR,
    };
    this.#performance =
      registers === null
        ? null
        : new Performance(file, registers, new EventInterrupt(file, event, unit.raise), changed);
    if (capabilities.has('ECMDS')) this.#attachEnhanced();
    if (capabilities.has('VCS')) this.#attachVirtual();
  }

  /** Hears of every event, whatever software counts. */
  get tally(): PerformanceEvents | null {
    return this.#tally;
  }

  set tally(tally: PerformanceEvents | null) {
    this.#tally = tally;
    this.#changed();
  }

  /** Nothing is protected and nothing counted: requests may go their way unwatched. */
  get isIdle(): boolean {
    return this.counters === null && (this.#protection?.active ?? null) === null;
  }

  /** A request has been answered; `viaTables` unless its address came through as it was. */
  answered(t: Translation<Fault>, viaTables: boolean): void {
    if (this.counters !== null && t.effects) {
      this.counters.count(Event.IOMMU_REQUESTS, t.requester, NO_DOMAIN, t.pasid, t.addressType);
    }
    const protection = this.#protection?.active ?? null;
    if (protection === null || t.status !== Status.SUCCESS || t.fault !== null) return;
    if (protection.blocks(t, viaTables)) t.status = Status.UNSUPPORTED_REQUEST;
  }

  /** The steps of a request, watched. */
  *walk(t: Translation<Fault>, walk: Walk): Walk {
    yield* t.effects ? this.count(walk, true) : walk;
    this.answered(t, t.addressType === AddressType.UNTRANSLATED && !t.passed);
  }

  /** The same steps; what they read is counted, and with `setsFlags` what they exchange. */
  *count<R>(walk: Walk<R>, setsFlags = false): Walk<R> {
    for (;;) {
      const step = walk.next();
      if (step.done === true) return step.value;
      const { kind, words } = step.value;
      const [lo, hi] = words;
      yield step.value;
      if (kind === OperationKind.READ) this.#tell(Event.IOMMU_MRDS);
      if (!setsFlags || kind !== OperationKind.COMPARE_EXCHANGE) continue;
      if (step.value.ok && words[0] === lo && words[1] === hi) this.#tell(Event.IOMMU_ATOMIC_AD_UPDATE);
    }
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#protection?.reset();
    this.#performance?.reset();
  }

  #tell(event: number): void {
    if (this.counters !== null) this.counters.count(event, NO_REQUESTER, NO_DOMAIN, NO_PASID, 0);
  }

  /** Without performance monitoring there is no command. */
  #attachEnhanced(): void {
    const { file, start } = this.#unit;
    const performance = this.#performance;
    if (performance !== null) {
      file.initial(ECCAP_3, Object.fromEntries(COMMANDS.map(([, field]) => [field, 1])));
    }
    const registers = { command: ECMD, operand: ECEO, response: ECRSP };
    new CommandInterface(file, registers, {
      start,
      isBusy: () => PMEN.EPM.isSet(file.words) !== PMEN.PRS.isSet(file.words),
      find: (number) => {
        const row = COMMANDS.find(([command, field]) => command === number && ECCAP_3[field].isSet(file.words));
        return performance === null || row === undefined ? undefined : (operand) => row[2](performance, operand);
      },
    });
  }

  /** Hardware reports no virtual command, so each is undefined. */
  #attachVirtual(): void {
    const { file, start } = this.#unit;
    const registers = { command: VCMD, operand: VCMD_EO, response: VCRSP };
    new CommandInterface(file, registers, { start, isBusy: () => false, find: () => undefined });
  }
}
