/**
 * The page request queue (VT-d 7.4): reads what devices ask for, collects it into groups, hands each to whoever handles
 * it and refuses what nobody may have. One event runs through the queue until it is empty.
 */
import { PAGE_SIZE, type PageNumber, wordsOf } from '../../../hardware/bits/index.ts';
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import {
  PAGE_REQUEST_DESCRIPTOR,
  PageRequestType,
  PEADDR,
  PECTL,
  PEDATA,
  PEUADDR,
  PQA,
  PQH,
  PQT,
  PRS,
  ResponseCode,
} from '../../../hardware/vtd/spec/index.ts';
import { EIO } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { Interrupts, Message } from '../interrupts.ts';
import { type Attachments, NO_PASID, type PageRequestGroup, type PageResponse } from '../iommu/attachments.ts';
import { PageRequestGroups } from '../iommu/page-request-groups.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';
import type { Command, Invalidation, Invalidator } from './invalidation.ts';
import type { Registers } from './registers.ts';

/** Places for descriptors where nobody says how many. */
const PLACES = 2048;
const WORDS = PAGE_REQUEST_DESCRIPTOR.$.words;
const IN_A_PAGE = PAGE_SIZE / (WORDS * 4);
/** Hardware that keeps asking would keep the handler for ever. */
const MOST_ROUNDS = 1_000;
const CODES: Readonly<Record<PageResponse, number>> = {
  success: ResponseCode.SUCCESS,
  invalid: ResponseCode.INVALID_REQUEST,
  failure: ResponseCode.RESPONSE_FAILURE,
};

interface Services {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly log: KernelLog;
  readonly allocator: PageAllocator;
  readonly interrupts: Interrupts;
  readonly registers: Registers;
  readonly invalidator: Invalidator;
  readonly attachments: Attachments;
  readonly faultPoints: FaultPoints;
  readonly pageRequestPlaces: number | null;
}

export class PageRequestQueue {
  readonly #services: Services;
  readonly #name: string;
  readonly #ring: PageNumber;
  readonly #places: number;
  readonly #lock: Semaphore;
  readonly #groups: PageRequestGroups;
  #message!: Message;
  #head = 0;
  /** The unit knows the ring. */
  #isTold = false;

  private constructor(services: Services, name: string, ring: PageNumber, places: number) {
    this.#services = services;
    this.#name = name;
    this.#ring = ring;
    this.#places = places;
    this.#lock = new Semaphore(services.engine, 1, `${name} page requests`);
    const { attachments, faultPoints } = services;
    this.#groups = new PageRequestGroups(attachments, faultPoints, (group, answer) => this.#send(group, answer));
  }

  /** Allocates the ring and a vector, of which the unit knows nothing yet; or gives the errno and has taken nothing. */
  static create(services: Services, name: string): PageRequestQueue | number {
    const { allocator, interrupts, pageRequestPlaces } = services;
    const places = pageRequestPlaces ?? PLACES;
    const ring = allocator.allocate('page request queue', orderOf(places));
    if (ring < 0) return ring;
    const queue = new PageRequestQueue(services, name, ring, places);
    const message = interrupts.allocate(`${name} page request`, () => queue.serve());
    if (typeof message === 'number') {
      allocator.release(ring);
      return message;
    }
    queue.#message = message;
    return queue;
  }

  /** Gives the ring to the unit and lets it raise events. */
  *enable(): Script {
    const { registers } = this.#services;
    yield* registers.write(PQH, { PQH: 0 });
    yield* registers.write(PQT, { PQT: 0 });
    this.#isTold = true;
    yield* registers.write(PQA, { PQA: this.#ring, PQS: orderOf(this.#places) });
    yield* registers.write(PRS, { PPR: 1, PRO: 1 });
    yield* registers.write(PEDATA, { IMD: this.#message.data });
    yield* registers.write(PEADDR, { MA: this.#message.address / 4 });
    yield* registers.write(PEUADDR, { MUA: 0 });
    yield* registers.write(PECTL, { IM: 0 });
  }

  release(): void {
    if (this.#isTold) return;
    this.#services.allocator.release(this.#ring);
    this.#services.interrupts.free(this.#message);
  }

  /** Empties the queue. Runs for each event. */
  *serve(): Script {
    yield this.#lock.acquire();
    try {
      // First, so that what comes from now on raises an event again.
      yield* this.#services.registers.write(PRS, { PPR: 1 });
      yield* this.#empty();
      yield* this.#recover();
    } finally {
      this.#lock.release();
    }
  }

  /**
   * Waits until no page request is on its way that came before what `forgetting` covers was blocked, and has answered
   * those that came (VT-d 7.7 to 7.11).
   */
  *drain(forgetting: readonly Invalidation[]): Script<number> {
    yield* this.serve();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const commands: Command[] = [{ cache: 'fence' }, ...forgetting];
      const result = yield* this.#services.invalidator.run(commands, { drainPageRequests: true });
      if (result < 0) return result;
      const status = yield* this.#services.registers.read(PRS);
      yield* this.serve();
      if (!PRS.PRO.isSet(status)) return 0;
    }
    return -EIO;
  }

  *#empty(): Script {
    const { registers, bus, log } = this.#services;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const tail = PQT.PQT.get(yield* registers.read(PQT)) % this.#places;
      if (tail === this.#head) return;
      while (this.#head !== tail) {
        const address = this.#ring * PAGE_SIZE + this.#head * WORDS * 4;
        yield* this.#take(wordsOf(bus.memory.read(address, WORDS * 4)));
        this.#head = (this.#head + 1) % this.#places;
      }
      yield* registers.write(PQH, { PQH: this.#head });
    }
    log.write(`${this.#name}: the page request queue does not become empty`);
  }

  /** After an overflow the rest of a group may be lost, and the unit has answered for it. */
  *#recover(): Script {
    const { registers, log } = this.#services;
    if (!PRS.PRO.isSet(yield* registers.read(PRS))) return;
    log.write(`${this.#name}: page requests were lost, their queue was full`);
    this.#groups.forgetPartials();
    yield* registers.write(PRS, { PRO: 1 });
  }

  *#take(words: Uint32Array): Script {
    const { TYPE, PP, RID, PASID, PRGI, ADDR, RDR, WRR, PMR, EXR, LPIG } = PAGE_REQUEST_DESCRIPTOR;
    if (TYPE.get(words) !== PageRequestType.PAGE_REQUEST) {
      this.#services.log.write(`${this.#name}: page request of unknown type ${TYPE.get(words)}`);
      return;
    }
    yield* this.#groups.take({
      requester: RID.get(words),
      pasid: PP.isSet(words) ? PASID.get(words) : NO_PASID,
      index: PRGI.get(words),
      last: LPIG.isSet(words),
      request: {
        page: Number(ADDR.big(words)),
        read: RDR.isSet(words),
        write: WRR.isSet(words),
        execute: EXR.isSet(words),
        privileged: PMR.isSet(words),
      },
    });
  }

  #send({ requester: rid, pasid, index: group }: PageRequestGroup, response: PageResponse): Script<number> {
    return this.#services.invalidator.run([{ cache: 'page response', rid, pasid, group, code: CODES[response] }]);
  }
}

/** The queue has 2^PQS pages: PQS. */
function orderOf(places: number): number {
  return 31 - Math.clz32(places / IN_A_PAGE);
}
