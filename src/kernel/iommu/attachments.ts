/**
 * Who uses a unit: each pair of a device and a PASID (or the device's requests without one) and the domain it goes
 * through, with whom to tell of its faults and page requests.
 *
 * Drivers of every vendor report here (`reportFault`, `takePageRequests`); those above attach with handlers and answer
 * each group of page requests once, by `PageRequestGroup.respond`.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { type Engine, type Script, Signal, waitFor } from '../../../hardware/sim/index.ts';
import { EINVAL, ENODEV } from '../../uapi/index.ts';
import type { IommuFault } from '../fault-log.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { PciDevice } from '../pci/index.ts';

/** In place of a PASID: the requests without one. */
export const NO_PASID = -1;
/** In place of a PASID: all requests of a device, those with any PASID and those without. */
export const ALL_PASIDS = -2;

export interface PageRequest {
  readonly page: PageNumber;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
}

/** `invalid`: the device may not have these pages. `failure`: it should not ask for any any more. */
export type PageResponse = 'success' | 'invalid' | 'failure';

/** The upper bits of a page number, of which those of a canonical address are equal, as those of a 5-level table. */
const SIGN = 2 ** 44;
const ALL_SIGNS = 0xff;

/** Linux refuses the others without asking anybody. */
export function isAcceptable({ page, read, write, execute, privileged }: PageRequest): boolean {
  return isCanonical(page) && !(privileged && (read || write)) && !(execute && read);
}

function isCanonical(page: PageNumber): boolean {
  const sign = Math.floor(page / SIGN);
  return sign === 0 || sign === ALL_SIGNS;
}

/** Page requests that a device wants to have answered together. */
export class PageRequestGroup {
  readonly requester: number;
  readonly pasid: number;
  /** The device's number for it. */
  readonly index: number;
  readonly requests: readonly PageRequest[];
  readonly #send: (group: PageRequestGroup, response: PageResponse) => Script<number>;
  #answered = false;

  constructor(
    { requester, pasid, index, requests }: Pick<PageRequestGroup, 'requester' | 'pasid' | 'index' | 'requests'>,
    send: (group: PageRequestGroup, response: PageResponse) => Script<number>,
  ) {
    this.requester = requester;
    this.pasid = pasid;
    this.index = index;
    this.requests = requests;
    this.#send = send;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** Tells the device: 0, -EINVAL when it has been told already, -EIO when hardware does not pass it on. */
  *respond(response: PageResponse): Script<number> {
    if (this.#answered) return -EINVAL;
    this.#answered = true;
    return yield* this.#send(this, response);
  }
}

/** Who is told of what happens to an attachment. They must not wait: for that they spawn a script. */
export interface AttachmentHandlers {
  readonly onFault?: (fault: IommuFault) => void;
  /** Must see to it that the group is answered. */
  readonly onPageRequest?: (group: PageRequestGroup) => void;
}

export interface Attachment {
  readonly device: PciDevice;
  readonly pasid: number;
  readonly handlers: AttachmentHandlers;
  /** Groups that were handed out; those with an answer are dropped now and then. */
  readonly groups: Set<PageRequestGroup>;
  /** It is being taken away: page requests are refused. */
  closing: boolean;
}

/** In place of a page request group's index: the device has told of it in its own way. */
export const OWN_WAY = -1;

/** A page that somebody asks for who is not answered by the IOMMU: the group, and the answer to wait for. */
export function askedInOwnWay(
  engine: Engine,
  { requester, pasid, request }: { readonly requester: number; readonly pasid: number; readonly request: PageRequest },
): { readonly group: PageRequestGroup; readonly answer: Signal<PageResponse> } {
  const answer = new Signal<PageResponse>(engine, 'an answer to a page fault');
  const from = { requester, pasid, index: OWN_WAY, requests: [request] };
  // biome-ignore lint/correctness/useYield: the answer goes to whoever asked, and takes no time
  const group = new PageRequestGroup(from, function* (_, response) {
    answer.fire(response);
    return 0;
  });
  return { group, answer };
}

export class Attachments {
  readonly #engine: Engine;
  readonly #faultPoints: FaultPoints;
  readonly #all = new Map<number, Attachment>();

  constructor(engine: Engine, faultPoints: FaultPoints) {
    this.#engine = engine;
    this.#faultPoints = faultPoints;
  }

  /** What takes these requests; `undefined` when nothing is attached there. */
  find(requester: number, pasid: number): Attachment | undefined {
    return this.#all.get(keyOf(requester, pasid)) ?? this.#all.get(keyOf(requester, ALL_PASIDS));
  }

  /** True when some of these requests are taken. */
  isTaken(device: PciDevice, pasid: number): boolean {
    return pasid === ALL_PASIDS ? this.uses(device) : this.find(device.requester, pasid) !== undefined;
  }

  /** True when a device is attached in any way. */
  uses(device: PciDevice): boolean {
    return [...this.#all.values()].some((attachment) => attachment.device === device);
  }

  add(device: PciDevice, pasid: number, handlers: AttachmentHandlers): Attachment {
    const attachment = { device, pasid, handlers, groups: new Set<PageRequestGroup>(), closing: false };
    this.#all.set(keyOf(device.requester, pasid), attachment);
    return attachment;
  }

  remove({ device, pasid }: Attachment): void {
    this.#all.delete(keyOf(device.requester, pasid));
  }

  reportFault(fault: IommuFault): void {
    this.find(fault.requester, fault.pasid)?.handlers.onFault?.(fault);
  }

  /**
   * A device has told its driver, not the IOMMU, that it wants a page: whoever handles the attachment's page requests is
   * asked, and this waits for the answer. -ENODEV when nobody does. What makes no sense is refused, as it is of the IOMMU.
   */
  *reportPageFault(device: PciDevice, request: PageRequest, pasid = NO_PASID): Script<PageResponse | number> {
    if (!isAcceptable(request) || this.#faultPoints.refuses('page request group')) return 'invalid';
    const { group, answer } = askedInOwnWay(this.#engine, { requester: device.requester, pasid, request });
    if (!this.takePageRequests(group)) return -ENODEV;
    return yield* waitFor(answer);
  }

  /** Hands a group to whoever handles it; false when nobody does, and the driver has to refuse it. */
  takePageRequests(group: PageRequestGroup): boolean {
    const attachment = this.find(group.requester, group.pasid);
    const handler = attachment?.handlers.onPageRequest;
    if (attachment === undefined || handler === undefined || attachment.closing) return false;
    for (const other of attachment.groups) if (other.answered) attachment.groups.delete(other);
    attachment.groups.add(group);
    handler(group);
    return true;
  }
}

/** Answers what nobody has answered yet, so that the device does not wait for ever. */
export function* refuseGroups({ groups }: Attachment): Script<number> {
  let result = 0;
  for (const group of groups) {
    if (group.answered) continue;
    const sent = yield* group.respond('invalid');
    if (sent < 0) result = sent;
  }
  groups.clear();
  return result;
}

/** One number for a requester id and a PASID, or what stands in its place. */
export function keyOf(requester: number, pasid: number): number {
  return requester * 2 ** 21 + pasid - ALL_PASIDS;
}
