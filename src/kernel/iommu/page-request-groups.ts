/**
 * Puts page requests together into their groups, hands each complete one to whoever handles it and refuses what nobody may
 * have. Drivers of every vendor bring what they read and a way to answer.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import type { FaultPoints } from '../fault-points.ts';
import {
  type Attachments,
  isAcceptable,
  type PageRequest,
  PageRequestGroup,
  type PageResponse,
} from './attachments.ts';

/** A group that never ends is refused. */
const LONGEST_GROUP = 512;

/** One request as a unit reports it. */
export interface ReportedRequest {
  readonly requester: number;
  readonly pasid: number;
  /** The device's number for the group. */
  readonly index: number;
  /** The group is complete. */
  readonly last: boolean;
  /** The unit says that it makes no sense. */
  readonly malformed?: boolean;
  readonly request: PageRequest;
}

/** A group that has not ended yet. */
interface Partial {
  readonly requests: PageRequest[];
  refused: boolean;
}

export class PageRequestGroups {
  readonly #attachments: Attachments;
  readonly #faultPoints: FaultPoints;
  readonly #send: (group: PageRequestGroup, response: PageResponse) => Script<number>;
  readonly #partials = new Map<string, Partial>();

  constructor(
    attachments: Attachments,
    faultPoints: FaultPoints,
    send: (group: PageRequestGroup, response: PageResponse) => Script<number>,
  ) {
    this.#attachments = attachments;
    this.#faultPoints = faultPoints;
    this.#send = send;
  }

  *take({ requester, pasid, index, last, malformed = false, request }: ReportedRequest): Script {
    const isStopMarker = last && !request.read && !request.write;
    if (isStopMarker) return;
    const key = `${requester}.${pasid}.${index}`;
    const partial = this.#partials.get(key) ?? this.#begin();
    if (malformed || !isAcceptable(request) || partial.requests.length === LONGEST_GROUP) partial.refused = true;
    else partial.requests.push(request);
    if (!last) {
      this.#partials.set(key, partial);
      return;
    }
    this.#partials.delete(key);
    const { requests, refused } = partial;
    const group = new PageRequestGroup({ requester, pasid, index, requests }, this.#send);
    if (refused || !this.#attachments.takePageRequests(group)) yield* group.respond('invalid');
  }

  /** Without memory a group is refused: the device may ask again. */
  #begin(): Partial {
    return { requests: [], refused: this.#faultPoints.refuses('page request group') };
  }

  /** The rest of what has begun is lost. */
  forgetPartials(): void {
    this.#partials.clear();
  }
}
