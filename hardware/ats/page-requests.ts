/**
 * The page request interface of a function and of its virtual functions (PCIe 10.4): groups of page requests, and their
 * responses.
 *
 * Needs: a page request capability, and the function for which pages are asked. Offers: `request` a group of pages, `stop` a
 * PASID, `response` for what comes; `reset`.
 *
 * A group has one of 512 indices from before its first message until its response, and takes a credit of the Allocation
 * register for each of its messages, all before the first is sent. Groups wait for credits in the order of asking.
 *
 * Choice: a group that is not answered in time keeps its index and its credits, as its response may still come.
 */
import { NO_PASID, type PcieFunction, type PriCapability, type Tlp } from '../pcie/index.ts';
import { asTask, type Duration, type Engine, firstOf, Gate, type Script, Signal, timer } from '../sim/index.ts';
import { type PageRequest, pageRequest, readPageGroupResponse, stopMarker } from './messages.ts';
import { PAGE_REQUEST_GROUPS, ResponseCode } from './spec.ts';

/** How a group ended: what the response said, or why there was none. */
export const PageOutcome = {
  ...ResponseCode,
  /** The interface is not enabled, has failed, or never has credits for so many pages. */
  NOT_ENABLED: -1,
  /** The interface was reset. */
  RESET: -2,
  /** The PASID is not used any more. */
  STOPPED: -3,
  TIMED_OUT: -4,
} as const;

/** One page of a group. */
export interface WantedPage {
  readonly hi: number;
  readonly lo: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** As whom pages are asked for. */
export interface PageAsker {
  /** The owner of the interface, or one of its virtual functions. */
  readonly fn: PcieFunction;
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly privileged: boolean;
  readonly execute: boolean;
}

interface Group {
  readonly pages: readonly WantedPage[];
  readonly asker: PageAsker;
  readonly ended: Signal<number>;
  /** -1 while it waits for credits. */
  index: number;
  /** Its last message is on the link. */
  isSent: boolean;
}

const WAITED_FOR = 'the end of page requests';

export class PageRequests {
  readonly #engine: Engine;
  readonly #capability: PriCapability;
  readonly #groups: (Group | null)[] = new Array<null>(PAGE_REQUEST_GROUPS).fill(null);
  /** In the order of asking. */
  readonly #waiting: Group[] = [];
  /** Index from which a free one is looked for: one that was just answered is used last. */
  #next = 0;
  /** Messages without a response. */
  #outstanding = 0;
  /** Since a Response Failure, until the interface is enabled again. */
  #hasFailed = false;
  #progress: Gate;

  constructor(engine: Engine, capability: PriCapability) {
    this.#engine = engine;
    this.#capability = capability;
    this.#progress = new Gate(engine, WAITED_FOR);
    capability.onEnable = (enabled) => this.#enable(enabled);
    capability.onReset = () => this.#end(PageOutcome.RESET);
  }

  /** True when pages may be asked for. */
  get isEnabled(): boolean {
    return this.#capability.enabled && !this.#hasFailed;
  }

  /** Pages that one group can have. */
  get mostPages(): number {
    return this.#capability.allocation;
  }

  /** Messages without a response. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Asks for pages, one or more, and waits for the answer to all of them: a value of `PageOutcome`. */
  request(pages: readonly WantedPage[], asker: PageAsker, patience: Duration | null = null): Script<number> {
    const task = { kind: 'page request', who: asker.fn.name, own: 'page request' } as const;
    return asTask(this.#engine, task, this.#ask(pages, asker, patience));
  }

  *#ask(pages: readonly WantedPage[], asker: PageAsker, patience: Duration | null): Script<number> {
    if (!this.isEnabled || pages.length > this.mostPages) return PageOutcome.NOT_ENABLED;
    const ended = new Signal<number>(this.#engine, `a page response for ${asker.fn.name}`);
    this.#waiting.push({ pages, asker, ended, index: -1, isSent: false });
    this.#admit();
    if (patience === null) yield ended;
    else yield firstOf(ended, timer(this.#engine, patience));
    return ended.fired ? ended.value : PageOutcome.TIMED_OUT;
  }

  /**
   * The PASID is not used any more. What was asked for under it ends as STOPPED, and a Stop Marker says that no more
   * comes; or, without one, this waits until all of it is answered (10.4.1.2).
   */
  *stop(fn: PcieFunction, pasid: number, withMarker: boolean): Script {
    const isOf = ({ asker }: Group): boolean => asker.fn === fn && asker.pasid === pasid;
    for (const group of this.#waiting.filter(isOf)) {
      this.#waiting.splice(this.#waiting.indexOf(group), 1);
      group.ended.fire(PageOutcome.STOPPED);
    }
    const mustWaitFor = (group: Group | null): boolean =>
      group !== null && isOf(group) && !(withMarker && group.isSent);
    while (this.#groups.some(mustWaitFor)) yield this.#progress.wait();
    if (!withMarker) return;
    for (const group of this.#groups) {
      if (group !== null && isOf(group) && !group.ended.fired) group.ended.fire(PageOutcome.STOPPED);
    }
    yield* fn.transmit(stopMarker(fn.take(), fn.requester, pasid));
  }

  /** A response has come for `fn`. It waits for nothing (10.4.2). */
  response(fn: PcieFunction, tlp: Tlp): void {
    if (this.#hasFailed) return;
    const { code, group: index, pasid } = readPageGroupResponse(tlp);
    if (code !== ResponseCode.SUCCESS && code !== ResponseCode.INVALID_REQUEST) {
      // Its index need not be that of a group.
      this.#hasFailed = true;
      this.#capability.failed();
      this.#end(PageOutcome.RESPONSE_FAILURE);
      return;
    }
    const group = this.#groups[index] ?? null;
    const asked = group?.asker.pasid ?? NO_PASID;
    const hasOtherPasid = this.#capability.responsePasidRequired && (pasid ?? NO_PASID) !== asked;
    if (group === null || group.asker.fn !== fn || hasOtherPasid) {
      this.#capability.unexpected();
      return;
    }
    this.#groups[index] = null;
    this.#count(-group.pages.length);
    if (!group.ended.fired) group.ended.fire(code);
    this.#progress.notify();
    this.#admit();
  }

  /** With a virtual function: who waits for it gets RESET, and what comes for it is not expected. Or with all of them. */
  reset(only: PcieFunction | null): void {
    if (only === null) {
      this.#hasFailed = false;
      this.#next = 0;
    }
    this.#end(PageOutcome.RESET, only);
  }

  /** With the machine: whoever waits does not go on. */
  forget(): void {
    this.#hasFailed = false;
    this.#next = 0;
    this.#outstanding = 0;
    this.#groups.fill(null);
    this.#waiting.length = 0;
    this.#progress = new Gate(this.#engine, WAITED_FOR);
  }

  /** Lets those go that have credits and an index. */
  #admit(): void {
    for (let group = this.#waiting[0]; group !== undefined; group = this.#waiting[0]) {
      if (this.#outstanding + group.pages.length > this.#capability.allocation) return;
      const index = this.#freeIndex();
      if (index < 0) return;
      this.#waiting.shift();
      group.index = index;
      this.#groups[index] = group;
      this.#next = (index + 1) % PAGE_REQUEST_GROUPS;
      this.#count(group.pages.length);
      this.#engine.spawn(this.#send(group), `${group.asker.fn.name}: page request group ${index}`);
    }
  }

  #freeIndex(): number {
    for (let i = 0; i < PAGE_REQUEST_GROUPS; i++) {
      const index = (this.#next + i) % PAGE_REQUEST_GROUPS;
      if (this.#groups[index] === null) return index;
    }
    return -1;
  }

  *#send(group: Group): Script {
    const { pages, index } = group;
    const { fn, ...asker } = group.asker;
    for (const [i, page] of pages.entries()) {
      // A group that has ended before it was sent was ended by a reset or a failure.
      if (this.#groups[index] !== group) return;
      const request: PageRequest = {
        ...asker,
        ...page,
        requester: fn.requester,
        last: i === pages.length - 1,
        group: index,
      };
      yield* fn.transmit(pageRequest(fn.take(), request));
    }
    group.isSent = true;
    this.#progress.notify();
  }

  #enable(enabled: boolean): void {
    if (enabled) {
      this.#hasFailed = false;
      return;
    }
    // What has been sent will be answered; nothing new is.
    for (const group of this.#waiting.splice(0)) group.ended.fire(PageOutcome.NOT_ENABLED);
  }

  /** Nothing is outstanding any more, of one function or at all. */
  #end(outcome: number, only: PcieFunction | null = null): void {
    const isOf = ({ asker }: Group): boolean => only === null || asker.fn === only;
    const sent = this.#groups.filter((group) => group !== null).filter(isOf);
    const waiting = this.#waiting.filter(isOf);
    for (const group of sent) {
      this.#groups[group.index] = null;
      this.#count(-group.pages.length);
    }
    for (const group of waiting) this.#waiting.splice(this.#waiting.indexOf(group), 1);
    for (const { ended } of [...sent, ...waiting]) if (!ended.fired) ended.fire(outcome);
    this.#progress.notify();
    this.#admit();
  }

  #count(change: number): void {
    this.#outstanding += change;
    this.#capability.outstanding = this.#outstanding;
  }
}
