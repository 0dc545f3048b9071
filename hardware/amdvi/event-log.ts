/**
 * The event log, and the registers that keep a hardware error where it is found even when the log cannot be written.
 *
 * Offers: `append`, one entry of 16 bytes as a walk.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { FaultLog, Walk } from '../iommu/index.ts';
import type { Features } from './features.ts';
import { LogRing } from './log-ring.ts';
import type { OwnInterrupts } from './own-interrupts.ts';
import { RINGS } from './rings.ts';
import {
  CONTROL,
  EVENT_HEADER,
  EventCode,
  HARDWARE_EVENT_LOWER,
  HARDWARE_EVENT_STATUS,
  HARDWARE_EVENT_UPPER,
  STATUS,
} from './spec/index.ts';

/** The events that the registers keep. */
const HARDWARE_EVENTS: ReadonlySet<number> = new Set([
  EventCode.DEV_TAB_HARDWARE_ERROR,
  EventCode.PAGE_TAB_HARDWARE_ERROR,
  EventCode.COMMAND_HARDWARE_ERROR,
]);
const UPPER = HARDWARE_EVENT_UPPER.$.offset! / 4;
const LOWER = HARDWARE_EVENT_LOWER.$.offset! / 4;

export class EventLog implements FaultLog {
  readonly #file: RegisterFile;
  readonly #keepsHardwareEvents: boolean;
  readonly #log: LogRing;

  constructor(file: RegisterFile, features: Features, interrupts: OwnInterrupts) {
    this.#file = file;
    this.#keepsHardwareEvents = features.has('HESup');
    const a = { registers: RINGS.EVENT, overflow: STATUS.EventOverflow };
    const b = {
      registers: RINGS.EVENT_B,
      overflow: STATUS.EvtOvrflwB,
      choice: CONTROL.DualEventLogEn,
      active: STATUS.EvtLogActive,
    };
    const { EventLogEn } = CONTROL;
    const { EventLogRun, EventLogInt } = STATUS;
    this.#log = new LogRing(
      file,
      {
        enable: EventLogEn,
        run: EventLogRun,
        written: EventLogInt,
        a,
        ...(features.has('DualEventLogSup') ? { b } : {}),
      },
      interrupts,
    );
  }

  get isRunning(): boolean {
    return this.#log.isRunning;
  }

  hasRoomFor(): boolean {
    return this.#log.hasRoom;
  }

  /** Logs an event; it is lost when the log does not run or is full. */
  *append(entry: Uint32Array): Walk {
    if (this.#keepsHardwareEvents) this.#keep(entry);
    yield* this.#log.append(entry);
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#log.reset();
  }

  /** Keeps the first hardware error until software has cleared HEV. */
  #keep(entry: Uint32Array): void {
    const { words } = this.#file;
    if (!HARDWARE_EVENTS.has(EVENT_HEADER.EventCode.get(entry))) return;
    if (HARDWARE_EVENT_STATUS.HEV.isSet(words)) {
      HARDWARE_EVENT_STATUS.HEO.set(words, 1);
      return;
    }
    words.set(entry.subarray(0, 2), UPPER);
    words.set(entry.subarray(2, 4), LOWER);
    HARDWARE_EVENT_STATUS.HEV.set(words, 1);
  }
}
