/**
 * What a unit of either vendor offers to the machine around it: the timed agent, the rig and the contract tests know an
 * IOMMU only through this.
 */
import type { InvalidationCompletion, PageRequest, TranslationEntry } from '../ats/index.ts';
import type { DeviceMessages } from './device-messages.ts';
import type { InterruptMessage } from './interrupt-message.ts';
import type { PerformanceEvents } from './performance-events.ts';
import type { IommuProbe } from './probe.ts';
import type { FaultReason, Translation } from './translation.ts';
import type { Walk } from './walk.ts';

/**
 * Calls back when a device has had its time to complete an invalidation: `nanoseconds` where the unit's registers say it,
 * else the machine's.
 */
export type InvalidationTimer = (expired: () => void, nanoseconds?: number) => void;

export interface IommuUnit<Fault extends FaultReason = FaultReason> {
  probe: IommuProbe | null;
  /** Hears of every performance event, whatever software counts; null while nobody looks. */
  tally: PerformanceEvents | null;
  /** Carries out work that the unit starts by itself; at once, unless a timed machine sets it. */
  run: (walk: Walk) => void;
  /** Set by a timed machine. */
  invalidationTimer?: InvalidationTimer | null;
  /** Accesses of 4 and 8 bytes to the register page. */
  read(offset: number, size: number): bigint;
  write(offset: number, size: number, value: bigint): void;
  /** Answers a request now, with everything that follows from it. */
  translate(t: Translation<Fault>): void;
  /** Answers from the IOTLB alone; false when it cannot, and nothing has changed. */
  hit(t: Translation<Fault>): boolean;
  /**
   * Begins the walk of a request that `hit` has missed, entry by entry; false when only `walk` knows the way. Then `step`
   * reads an entry each time that it is called, and says what has come of it: a value of `Step`. After MORE the next entry is
   * in `t.steps`, after ODD `t.steps.replay` hands what was read over to the walk that `resume` gives, and after DONE `t` is
   * answered, with success.
   */
  begin(t: Translation<Fault>): boolean;
  step(t: Translation<Fault>): number;
  resume(t: Translation<Fault>): Walk;
  /** The whole procedure for one request. Whoever runs it calls `report` when it has ended. */
  walk(t: Translation<Fault>): Walk;
  report(t: Translation<Fault>): void;
  /** A translation request keeps its interest in writing although it says that it has none (NW). */
  readonly ignoresNoWrite: boolean;
  /** Its reads of tables find what cores have written and not given back to memory. */
  readonly snoopsTables: boolean;
  /** What a translation request that has just succeeded tells the device. */
  completion(t: Translation<Fault>): TranslationEntry;
  /** The steps of one interrupt message, and what follows when it was blocked. */
  walkInterrupt(message: InterruptMessage<Fault>): Walk;
  reportInterrupt(message: InterruptMessage<Fault>): void;
  /** A device has carried invalidations of its device-TLB out. */
  completeInvalidation(completion: InvalidationCompletion): void;
  /** The time of every device that has not completed an invalidation is up. */
  expireInvalidations(): void;
  /** A device asks for a page. */
  requestPage(request: PageRequest): void;
  /** What the unit sends to devices. */
  readonly devices: DeviceMessages;
  reset(): void;
}
