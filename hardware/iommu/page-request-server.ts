/**
 * How a unit works page requests off: one after the other, in the order of their arrival. What cannot be begun waits, twice
 * as many as software's ring has entries: devices that keep to their credits send fewer, and those that do not find the
 * ring full in their turn. What comes on top of them is lost at once, and software is told of an overflow when those that
 * came before have been served.
 *
 * Offers: `accept`; `received` and `served`, by which others wait for what came before; `reset`. A unit says how one is
 * served, how long its ring is, and what becomes of those that are lost.
 */
import type { PageRequest } from '../ats/index.ts';
import { NO_PASID } from './access.ts';
import type { DeviceMessages } from './device-messages.ts';
import type { Walk } from './walk.ts';

export abstract class PageRequestServer {
  readonly #start: (walk: Walk) => void;
  readonly #devices: DeviceMessages;
  /** `null` where some were lost. */
  readonly #waiting: (PageRequest | null)[] = [];
  #running = false;
  #received = 0;
  #served = 0;

  /** `start` carries the unit's work out; `devices` hear the answers. */
  constructor(start: (walk: Walk) => void, devices: DeviceMessages) {
    this.#start = start;
    this.#devices = devices;
  }

  /** How many have come, and how many of them are in the ring, answered or dropped; without those that were lost. */
  get received(): number {
    return this.#received;
  }

  get served(): number {
    return this.#served;
  }

  accept(request: PageRequest): void {
    const waiting = this.#waiting;
    if (waiting.length >= this.entries * 2) {
      if (waiting.at(-1) !== null) waiting.push(null);
      this.lose(request);
      return;
    }
    this.#received++;
    waiting.push(request);
    if (this.#running) return;
    this.#running = true;
    this.#start(this.#process());
  }

  /** Power-on: whoever ran the work that was under way has dropped it. */
  reset(): void {
    this.#waiting.length = 0;
    this.#served = this.#received;
    this.#running = false;
  }

  /** Of the ring in memory. */
  protected abstract get entries(): number;

  protected abstract serve(request: PageRequest): Walk;

  /** Answers a request that is lost; nothing is read from memory on its behalf. */
  protected abstract lose(request: PageRequest): void;

  /** Tells software that requests were lost. */
  protected abstract overflow(): void;

  /** Only the last request of a group is answered, and a stop marker never. */
  protected answer({ requester, pasid, group, last, read, write }: PageRequest, code: number, withPasid = true): void {
    if (!last || !(read || write)) return;
    this.#devices.respond({ requester, pasid: withPasid && pasid !== NO_PASID ? pasid : undefined, group, code });
  }

  /** All that have come are served. */
  protected drained(): void {}

  *#process(): Walk {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next === null) {
        this.overflow();
      } else {
        yield* this.serve(next);
        this.#served++;
      }
    }
    this.#running = false;
    this.drained();
  }
}
