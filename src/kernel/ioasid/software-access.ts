/**
 * SW TABLE mode: a space as somebody has it who moves bytes in software for a device. The space is only metadata to him: he asks
 * where a page is and what may be done with it, pins pages while he uses them, and is told before they go. No unit, no table in
 * hardware and no slot is involved (final Linux: `iommufd_access`).
 *
 * Surface: `query`, `pin` and `unpin`; `report` and `ask` tell the program of what its device may not do, as an IOMMU's faults are
 * told; `revoke` and `end` are for those who have the space.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { type Engine, type Script, waitFor } from '../../../hardware/sim/index.ts';
import { EINVAL, ENOENT, ENOMEM, EPERM } from '../../uapi/index.ts';
import type { RefusedAccess } from '../fault-log.ts';
import type { FaultPoints } from '../fault-points.ts';
import {
  askedInOwnWay,
  NO_PASID,
  type PageRequest,
  type PageRequestGroup,
  type PageResponse,
} from '../iommu/attachments.ts';
import { commonPages, type PageRun } from '../page-run.ts';
import type { FaultQueue, FaultSource } from './fault-queue.ts';
import type { KernelTable } from './kernel-table.ts';
import { piecesOf } from './pieces.ts';

/** Of software: it has no requester id. */
const NO_REQUESTER = -1;
/** Every page that there can be. */
const EVERYTHING: PageRun = { first: 0, pages: 2 ** 52 };

export interface SoftwareUser {
  /** A range goes: when this ends, nothing of it is pinned any more. Nothing of it can be pinned again meanwhile. */
  unmapped(range: PageRun): Script;
}

export interface SoftwarePin extends PageRun {
  readonly frames: Float64Array;
}

export interface SoftwareAccessShape {
  readonly engine: Engine;
  readonly table: KernelTable;
  readonly user: SoftwareUser;
  readonly faults: FaultQueue;
  readonly source: FaultSource;
  readonly faultPoints: FaultPoints;
}

export class SoftwareAccess {
  readonly #shape: SoftwareAccessShape;
  readonly #pins = new Set<SoftwarePin>();
  /** Questions that nobody has answered yet. */
  readonly #questions = new Set<PageRequestGroup>();
  #hasEnded = false;

  constructor(shape: SoftwareAccessShape) {
    this.#shape = shape;
    shape.table.join(this);
  }

  /** Pages that are pinned at the moment. */
  get pinned(): number {
    return [...this.#pins].reduce((sum, { pages }) => sum + pages, 0);
  }

  /** Where a page is and what may be done with it; `undefined` where nothing is. */
  query(page: PageNumber): { readonly frame: PageNumber; readonly protection: Protection } | undefined {
    for (const { frames, protection } of this.#pieces({ first: page, pages: 1 })) {
      return { frame: frames[0]!, protection };
    }
    return undefined;
  }

  /**
   * Frames that stay where they are until `unpin`: -EINVAL for no range, -ENOENT when not every page is mapped, -EPERM when not
   * every page may be read, or written, -ENOMEM.
   */
  pin({ first, pages }: PageRun, { read, write }: Protection): SoftwarePin | number {
    if (!(Number.isSafeInteger(pages) && pages > 0)) return -EINVAL;
    const pieces = [...this.#pieces({ first, pages })];
    if (pieces.reduce((sum, piece) => sum + piece.pages, 0) < pages) return -ENOENT;
    const mayAll = pieces.every(({ protection }) => (protection.read || !read) && (protection.write || !write));
    if (!mayAll) return -EPERM;
    if (this.#shape.faultPoints.refuses('software pin')) return -ENOMEM;
    const pin = { first, pages, frames: Float64Array.from(pieces.flatMap(({ frames }) => [...frames])) };
    this.#pins.add(pin);
    if (write) this.#shape.table.log.pinned(pin);
    return pin;
  }

  unpin(pin: SoftwarePin): void {
    this.#pins.delete(pin);
    this.#shape.table.log.unpinned(pin);
  }

  /** The device may not do this: its program finds it among the faults. */
  report(refused: RefusedAccess): void {
    if (!this.#hasEnded) this.#shape.faults.report(this.#shape.source, refused);
  }

  /** The device waits for a page: its program is asked, and this waits for the one answer. */
  *ask(request: PageRequest): Script<PageResponse> {
    if (this.#hasEnded || this.#shape.faultPoints.refuses('page request group')) return 'invalid';
    const from = { requester: NO_REQUESTER, pasid: NO_PASID, request };
    const { group, answer } = askedInOwnWay(this.#shape.engine, from);
    this.#questions.add(group);
    this.#shape.faults.ask(this.#shape.source, group);
    const response = yield* waitFor(answer);
    this.#questions.delete(group);
    return response;
  }

  /** Has the user let go of a range; false when he does not. */
  *revoke(range: PageRun): Script<boolean> {
    const uses = () => [...this.#pins].some((pin) => commonPages(pin, range) !== undefined);
    if (uses()) yield* this.#shape.user.unmapped(range);
    return !uses();
  }

  /** Nothing can be reached through it any more. What its user does not let go of is never used again. */
  *end(): Script {
    this.#hasEnded = true;
    for (const question of this.#questions) yield* question.respond('invalid');
    const { table } = this.#shape;
    if (!(yield* this.revoke(EVERYTHING))) table.distrust();
    yield* table.part(this);
  }

  #pieces(range: PageRun) {
    return this.#hasEnded ? [] : piecesOf(this.#shape.table, range);
  }
}
