/**
 * Memory that version 1 lets a process register: pinned and charged once, so that mapping it costs nothing more, however often.
 * Once anything is registered nothing else can be mapped.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EEXIST, EFAULT, EINVAL, ENOMEM } from '../../uapi/index.ts';
import type { AddressSpace, Pinned } from '../memory/address-space.ts';
import type { PageRun } from '../page-run.ts';
import type { IoasidServices } from './table.ts';

interface Registration extends PageRun {
  readonly space: AddressSpace;
  readonly pinned: Pinned;
  readonly writable: boolean;
  /** Mappings that use it. */
  users: number;
}

export class RegisteredMemory {
  readonly #services: IoasidServices;
  readonly #list: Registration[] = [];

  constructor(services: IoasidServices) {
    this.#services = services;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** Pins and charges a range: 0, -EEXIST when a part of it is registered, -EFAULT, -ENOMEM. */
  *register(space: AddressSpace, { first, pages }: PageRun): Script<number> {
    if (this.#list.some((one) => one.space === space && overlaps(one, first, pages))) return -EEXIST;
    if (this.#services.faultPoints.refuses('registration')) return -ENOMEM;
    const forWriting = space.pin(first, pages, true);
    // What the process may only read its devices may only read.
    const pinned = forWriting === -EFAULT ? space.pin(first, pages, false) : forWriting;
    if (typeof pinned === 'number') return pinned;
    this.#list.push({ space, first, pages, pinned, writable: pinned === forWriting, users: 0 });
    yield* space.settle();
    yield ns(pages * this.#services.cost.pinPage);
    return 0;
  }

  /** Lets go of what one register took: 0, -EINVAL when there is no such registration, -EBUSY while a part of it is mapped. */
  *unregister(space: AddressSpace, { first, pages }: PageRun): Script<number> {
    const at = this.#list.findIndex((one) => one.space === space && one.first === first && one.pages === pages);
    const found = this.#list[at];
    if (found === undefined) return -EINVAL;
    if (found.users > 0) return -EBUSY;
    this.#list.splice(at, 1);
    yield* this.#release(found);
    return 0;
  }

  /** Frames of a range that is registered as a whole, in whatever parts; otherwise -EINVAL. */
  borrow(space: AddressSpace, { first, pages }: PageRun, write: boolean): Pinned | number {
    const parts = this.#list.filter((one) => one.space === space && overlaps(one, first, pages));
    const covered = parts.reduce((sum, part) => sum + sharedPages(part, first, pages), 0);
    if (covered < pages || (write && !parts.every(({ writable }) => writable))) return -EINVAL;
    const frames = new Float64Array(pages);
    for (const part of parts) {
      const start = Math.max(first, part.first);
      const from = start - part.first;
      frames.set(part.pinned.frames.subarray(from, from + sharedPages(part, first, pages)), start - first);
      part.users++;
    }
    const giveBack = () => {
      for (const part of parts) part.users--;
    };
    return { space: { unpin: giveBack }, frames };
  }

  /** Lets go of everything but what a table has not given back: hardware may still reach that. */
  *clear(): Script {
    for (const one of this.#list.splice(0)) if (one.users === 0) yield* this.#release(one);
  }

  *#release({ space, pinned, pages }: Registration): Script {
    space.unpin(pinned);
    yield ns(pages * this.#services.cost.pinPage);
  }
}

function overlaps(run: PageRun, first: PageNumber, pages: number): boolean {
  return sharedPages(run, first, pages) > 0;
}

function sharedPages(run: PageRun, first: PageNumber, pages: number): number {
  return Math.max(0, Math.min(run.first + run.pages, first + pages) - Math.max(run.first, first));
}
