/**
 * Wait descriptors of the invalidation queue that have been taken and have not completed (VT-d 6.5.2.9 to 6.5.2.12): they
 * wait for the device-TLB invalidations ahead of them, and with PD for the page requests that have come.
 *
 * Offers: `take` for a descriptor; `finish`, the unit's work for those whose time has come, as a walk; `abort` when an
 * invalidation has timed out.
 */
import { numberOf, type RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import type { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { DeviceInvalidations } from './device-invalidations.ts';
import type { EventInterrupt } from './event-interrupt.ts';
import type { PageRequests } from './page-requests.ts';
import { ICS, INVALIDATION_WAIT } from './spec/index.ts';

export interface WaitSurroundings {
  readonly capabilities: Capabilities;
  readonly file: RegisterFile;
  readonly deviceInvalidations: DeviceInvalidations;
  readonly pageRequests: PageRequests;
  readonly completion: EventInterrupt;
}

/** How many may wait at once. Not architectural. */
const ROOM = 8;

interface Waiting {
  readonly words: Uint32Array;
  /** The device-TLB invalidations sent before. */
  readonly sent: number;
  /** With PD: the page requests received when the invalidations were over. */
  received: number | null;
}

export class WaitDescriptors {
  readonly #unit: WaitSurroundings;
  readonly #memory: MemoryOperation;
  #waiting: Waiting[] = [];

  constructor(unit: WaitSurroundings, memory: MemoryOperation) {
    this.#unit = unit;
    this.#memory = memory;
  }

  /** Takes a descriptor; false when there is no room for one more. */
  take(words: Uint32Array): boolean {
    if (this.#waiting.length === ROOM) return false;
    this.#waiting.push({ words: words.slice(), sent: this.#unit.deviceInvalidations.sent, received: null });
    return true;
  }

  /** FN of one of them: nothing behind it starts before it has completed. */
  get isFence(): boolean {
    return this.#waiting.some(({ words }) => INVALIDATION_WAIT.FN.isSet(words));
  }

  /** The first of them can complete. */
  get isReady(): boolean {
    const [first] = this.#waiting;
    if (first === undefined || !this.#unit.deviceInvalidations.isOver(first.sent)) return false;
    if (!INVALIDATION_WAIT.PD.isSet(first.words)) return true;
    const { pageRequests } = this.#unit;
    first.received ??= pageRequests.received;
    return pageRequests.served >= first.received;
  }

  /** Completes those that can. */
  *finish(): Walk {
    while (this.isReady) {
      const first = this.#waiting[0]!;
      // Requests in flight are the last thing to wait for; a time-out may abort the descriptor meanwhile.
      yield this.#memory.barrier();
      if (this.#waiting[0] !== first) continue;
      this.#waiting.shift();
      yield* this.#complete(first.words);
    }
  }

  /** None of them completes. */
  abort(): void {
    this.#waiting = [];
  }

  *#complete(words: Uint32Array): Walk {
    const { SW, IF, STATUS_DATA, STATUS_ADDRESS } = INVALIDATION_WAIT;
    if (SW.isSet(words)) {
      const memory = this.#memory;
      const width = this.#unit.capabilities.hostAddressWidth;
      const upper = words[3]! % 2 ** (width - 32);
      memory.words[0] = STATUS_DATA.get(words);
      yield memory.write(numberOf(upper, words[2]! & STATUS_ADDRESS.mask), 1);
    }
    if (IF.isSet(words)) this.#signal();
  }

  /** An event, unless the last one has not been acknowledged. */
  #signal(): void {
    const { file, completion } = this.#unit;
    if (ICS.IWC.isSet(file.words)) return;
    ICS.IWC.set(file.words, 1);
    completion.signal();
  }
}
