/**
 * Memory that version 1 lets a process register: pinned and charged once, so that mapping it costs nothing more, however often.
 * Once anything is registered nothing else can be mapped.
 */
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EEXIST, EFAULT, EINVAL, ENOMEM } from '../../uapi/index.ts';
import type { AddressSpace, Pinned } from '../memory/address-space.ts';
import { commonPages, type PageRun } from '../page-run.ts';
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
    if (this.#parts(space, { first, pages }).length > 0) return -EEXIST;
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
    const parts = this.#parts(space, { first, pages });
    const covered = parts.reduce((sum, { common }) => sum + common.pages, 0);
    if (covered < pages || (write && !parts.every(({ of }) => of.writable))) return -EINVAL;
    const frames = new Float64Array(pages);
    for (const { of, common } of parts) {
      const from = common.first - of.first;
      frames.set(of.pinned.frames.subarray(from, from + common.pages), common.first - first);
      of.users++;
    }
    const giveBack = () => {
      for (const { of } of parts) of.users--;
    };
    return { space: { unpin: giveBack }, frames };
  }

  /** Lets go of everything but what a table has not given back: hardware may still reach that. */
  *clear(): Script {
    for (const one of this.#list.splice(0)) if (one.users === 0) yield* this.#release(one);
  }

  /** What is registered of a range, and with what. */
  #parts(space: AddressSpace, range: PageRun): { readonly of: Registration; readonly common: PageRun }[] {
    return this.#list.flatMap((of) => {
      const common = of.space === space ? commonPages(of, range) : undefined;
      return common === undefined ? [] : [{ of, common }];
    });
  }

  *#release({ space, pinned, pages }: Registration): Script {
    space.unpin(pinned);
    yield ns(pages * this.#services.cost.pinPage);
  }
}
