/**
 * What has happened to the devices of one context and its program has not dealt with yet: DMA that was blocked, until it is
 * read, and page requests, until they are answered.
 *
 * It has a bounded number of places. A blocked DMA that finds none is dropped, and the next record says so; a page request is
 * refused. Groups that somebody else has answered, as drivers do when a device is detached, are forgotten here: every group is
 * answered once.
 */
import { addressOf } from '../../../hardware/bits/index.ts';
import { type Engine, firstOf, Gate, ns, type Script, type Signal, timer } from '../../../hardware/sim/index.ts';
import {
  EINTR,
  EINVAL,
  type IOMMU_FAULT,
  IoasidFaultFlag,
  IoasidFaultPermission,
  IoasidPageResponse,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { FaultAccess, RefusedAccess } from '../fault-log.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { AttachmentHandlers, PageRequest, PageRequestGroup, PageResponse } from '../iommu/attachments.ts';

/** Records that a queue has places for. */
export const FAULT_PLACES = 256;

export type FaultRecord = Omit<ObjectIn<typeof IOMMU_FAULT>, 'argsz'>;

/** An answer as a program gives it; in version 1 it names no device. */
export interface FaultResponse {
  readonly ioasid: number;
  readonly group: number;
  readonly code: number;
  readonly dev_cookie?: bigint;
}

/** Where a device's requests are led to. */
export interface FaultSource {
  readonly ioasid: number;
  readonly cookie: bigint;
  /** The device may ask for pages. */
  readonly mayAsk: boolean;
  /** The space is a PASID table: PASIDs are the program's own, and it is told them. Otherwise it never sees one. */
  readonly isPasidTable: boolean;
  /** Of a PASID table: the space that the program has attached the device to by a PASID of its own. */
  readonly tracked?: (pasid: number) => number | undefined;
}

/** A group of page requests that waits for its answer. */
interface Waiting {
  readonly group: PageRequestGroup;
  readonly source: FaultSource;
}

const { RECOVERABLE, LAST_PAGE, LOST, PASID_VALID } = IoasidFaultFlag;
const { READ, WRITE, EXEC, PRIV } = IoasidFaultPermission;

const RESPONSES: ReadonlyMap<number, PageResponse> = new Map([
  [IoasidPageResponse.SUCCESS, 'success'],
  [IoasidPageResponse.INVALID, 'invalid'],
  [IoasidPageResponse.FAILURE, 'failure'],
]);

/** Of a blocked page request nobody knows any more what it was for. */
const WANTED: Readonly<Record<Exclude<FaultAccess, 'interrupt'>, number>> = {
  read: READ,
  write: WRITE,
  atomic: READ | WRITE,
  'page request': 0,
};

export class FaultQueue {
  readonly #engine: Engine;
  readonly #faultPoints: FaultPoints;
  /** Happens with each new record. */
  readonly #arrival: Gate;
  /** What was not read yet, the oldest first. */
  #unread: FaultRecord[] = [];
  /** By the number that the program knows. */
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #lost = false;
  #closed = false;

  constructor(engine: Engine, faultPoints: FaultPoints) {
    this.#engine = engine;
    this.#faultPoints = faultPoints;
    this.#arrival = new Gate(engine, 'a fault');
  }

  /** What drivers are to call for faults of what is led to a source, which is asked at each of them. */
  listen(source: () => FaultSource): AttachmentHandlers {
    const onFault = (fault: RefusedAccess): void => this.report(innermost(source(), fault.pasid), fault);
    if (!source().mayAsk) return { onFault };
    return { onFault, onPageRequest: (group) => this.ask(innermost(source(), group.pasid), group) };
  }

  /** Tells the program of an access that was refused, if there is room. */
  report(source: FaultSource, { access, address, pasid, reason }: RefusedAccess): void {
    // Interrupts do not go through an I/O address space.
    if (this.#closed || access === 'interrupt') return;
    if (this.#hasNoPlaceFor(1)) {
      this.#lost = true;
      return;
    }
    this.#put(source, { flags: 0, perm: WANTED[access], addr: address, group: 0, reason }, pasid);
  }

  /** Asks the program; where it cannot be asked, the group is refused. */
  ask(source: FaultSource, group: PageRequestGroup): void {
    const { requests, pasid } = group;
    if (this.#closed || this.#hasNoPlaceFor(requests.length)) {
      this.#engine.spawn(group.respond('invalid'), 'a refused page request');
      return;
    }
    const number = this.#nextNumber();
    this.#waiting.set(number, { group, source });
    for (const [i, request] of requests.entries()) {
      const flags = RECOVERABLE | (i === requests.length - 1 ? LAST_PAGE : 0);
      const addr = addressOf(request.page);
      this.#put(source, { flags, perm: permissionOf(request), addr, group: number, reason: 0 }, pasid);
    }
  }

  /** Up to `most` records, the oldest first; they stay until `consume`. */
  peek(most: number): readonly FaultRecord[] {
    this.#forgetAnswered();
    return this.#unread.slice(0, most);
  }

  /** So many records have been read. */
  consume(count: number): void {
    this.#unread.splice(0, count);
  }

  /** Waits for something to read, so many nanoseconds at most: 1 when there is, else 0; -EINTR. */
  *poll(nanoseconds: number, interrupted: Signal): Script<number> {
    const timeout = timer(this.#engine, ns(nanoseconds), 'the end of a poll');
    while (this.peek(1).length === 0) {
      if (nanoseconds === 0 || timeout.fired) return 0;
      if (interrupted.fired) return -EINTR;
      yield firstOf(this.#arrival.wait(), timeout, interrupted);
    }
    return 1;
  }

  /** Passes an answer on: 0, -EINVAL for a group that is unknown or answered, or an unknown code, and what the driver gives. */
  *respond({ ioasid, group: number, code, dev_cookie: cookie }: FaultResponse): Script<number> {
    this.#forgetAnswered();
    const waiting = this.#waiting.get(number);
    const response = RESPONSES.get(code);
    if (waiting === undefined || response === undefined || waiting.source.ioasid !== ioasid) return -EINVAL;
    if (cookie !== undefined && waiting.source.cookie !== cookie) return -EINVAL;
    this.#forget(number);
    return yield* waiting.group.respond(response);
  }

  /** Nobody can read or answer any more: what waits is refused, and what will come. */
  *close(): Script {
    this.#closed = true;
    this.#unread = [];
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { group } of waiting) yield* group.respond('invalid');
  }

  #put(
    { ioasid, cookie, isPasidTable }: FaultSource,
    record: Omit<FaultRecord, 'ioasid' | 'dev_cookie' | 'vpasid'>,
    pasid: number,
  ): void {
    const tells = isPasidTable && pasid >= 0;
    const flags = record.flags | (tells ? PASID_VALID : 0) | (this.#lost ? LOST : 0);
    this.#lost = false;
    this.#unread.push({ ...record, flags, ioasid, dev_cookie: cookie, vpasid: tells ? pasid : 0 });
    this.#arrival.notify();
  }

  /** Places that are left: a page request keeps its place until it is answered. */
  get #free(): number {
    this.#forgetAnswered();
    const faults = this.#unread.filter(({ group }) => group === 0).length;
    const requests = [...this.#waiting.values()].reduce((sum, { group }) => sum + group.requests.length, 0);
    return FAULT_PLACES - faults - requests;
  }

  #hasNoPlaceFor(records: number): boolean {
    return this.#free < records || this.#faultPoints.refuses('fault record');
  }

  #nextNumber(): number {
    do {
      this.#last = this.#last === 0xffff_ffff ? 1 : this.#last + 1;
    } while (this.#waiting.has(this.#last));
    return this.#last;
  }

  /** The driver has refused them: their device is not attached any more. */
  #forgetAnswered(): void {
    for (const [number, { group }] of this.#waiting) if (group.answered) this.#forget(number);
  }

  #forget(number: number): void {
    this.#waiting.delete(number);
    this.#unread = this.#unread.filter(({ group }) => group !== number);
  }
}

function permissionOf({ read, write, execute, privileged }: PageRequest): number {
  return (read ? READ : 0) | (write ? WRITE : 0) | (execute ? EXEC : 0) | (privileged ? PRIV : 0);
}

/** Where requests with a PASID go, as the program has said: the space behind an entry of its PASID table, or that table. */
function innermost(source: FaultSource, pasid: number): FaultSource {
  const ioasid = source.isPasidTable && pasid >= 0 ? source.tracked?.(pasid) : undefined;
  return ioasid === undefined ? source : { ...source, ioasid, isPasidTable: false };
}
