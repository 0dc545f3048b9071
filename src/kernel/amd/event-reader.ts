/** Reads the event log and tells whom it concerns. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { IommuFault } from '../fault-log.ts';
import { type BlockedRequest, EVENT_LOG, understandEvent } from './events.ts';
import { LogReader, type LogSurroundings } from './log-reader.ts';

export class EventReader {
  /** Hears of each fault. */
  onFault: (fault: IommuFault) => void = () => {};
  /** Hears of each device that has not answered an invalidation. */
  onLateDevice: (deviceId: number) => void = () => {};
  readonly #unit: LogSurroundings;
  #log!: LogReader;

  private constructor(unit: LogSurroundings) {
    this.#unit = unit;
  }

  /** Takes a log of which the unit knows nothing yet, or gives -ENOMEM. */
  static create(unit: LogSurroundings): EventReader | number {
    const reader = new EventReader(unit);
    const log = LogReader.create(unit, EVENT_LOG, (entry) => reader.#take(entry));
    if (typeof log === 'number') return log;
    reader.#log = log;
    return reader;
  }

  /** Switches the event log on. */
  enable(): Script {
    return this.#log.enable();
  }

  /** While the unit has not been told of it. */
  release(): void {
    this.#log.release();
  }

  /** Empties the log. */
  *serve(): Script {
    yield* this.#log.serve();
  }

  #take(entry: Uint32Array): undefined {
    const event = understandEvent(entry);
    if (event.kind === 'late device') this.onLateDevice(event.deviceId);
    else if (event.kind === 'blocked') this.#report(event);
    else this.#unit.faults.remark(`${this.#unit.name}: ${event.name}`);
  }

  #report({ deviceId: requester, kind: _, ...event }: BlockedRequest): void {
    const { engine, faults, name: unit } = this.#unit;
    const fault: IommuFault = { at: engine.now, unit, requester, ...event };
    faults.record(fault);
    this.onFault(fault);
  }
}
