/**
 * A device of one context that is software, as its driver has it: attached to spaces in SW TABLE mode, which takes no slot of any
 * requester. A program sees the same rules as of every device: one space at a time, and one that is nested on it.
 */
import { PAGE_SHIFT } from '../../../hardware/bits/index.ts';
import type { Engine, Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, ENOMEM } from '../../uapi/index.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { Abilities } from '../iommu/driver.ts';
import type { FaultQueue } from './fault-queue.ts';
import type { Ioasid } from './ioasid.ts';
import { KernelTable } from './kernel-table.ts';
import { SoftwareAccess, type SoftwareUser } from './software-access.ts';

/** Copies of a CPU are coherent, need no table and know no PASID; what they write is known without hardware. */
const SOFTWARE_ABILITIES: Abilities = {
  pageShifts: [PAGE_SHIFT],
  geometry: { last: 2 ** 52 - 1, reserved: [] },
  enforcesSnoop: true,
  nestedLevels: [],
  pasidTableBits: 0,
  pasidBits: 0,
  deviceTlb: false,
  pageRequests: false,
  dirtyTracking: true,
};

export interface SoftwareDeviceShape {
  readonly engine: Engine;
  readonly cookie: bigint;
  readonly faults: FaultQueue;
  readonly user: SoftwareUser;
  readonly faultPoints: FaultPoints;
}

interface Attached {
  readonly ioasid: Ioasid;
  readonly access: SoftwareAccess;
}

export class SoftwareDevice {
  readonly abilities = SOFTWARE_ABILITIES;
  /** What the program calls it; version 1 has no names. */
  readonly cookie: bigint;
  readonly #shape: SoftwareDeviceShape;
  /** A space and the one that is nested on it, in this order. */
  readonly #attached: Attached[] = [];

  constructor(shape: SoftwareDeviceShape) {
    this.cookie = shape.cookie;
    this.#shape = shape;
  }

  /** What its accesses go to: the innermost space; `undefined` while it is attached to none. */
  get access(): SoftwareAccess | undefined {
    return this.#attached.at(-1)?.access;
  }

  isAttached(ioasid: Ioasid): boolean {
    return this.#attached.some((one) => one.ioasid === ioasid);
  }

  /**
   * -EBUSY: it is attached to another space; -EINVAL as of every device, and for a table that a process keeps for hardware;
   * -ENOMEM.
   */
  attach(ioasid: Ioasid): number {
    const refusal = ioasid.refusal(this, this.#attached.at(-1)?.ioasid);
    if (refusal < 0) return refusal;
    const { table } = ioasid;
    if (!(table instanceof KernelTable)) return -EINVAL;
    const { engine, cookie, faults, user, faultPoints } = this.#shape;
    if (faultPoints.refuses('attachment')) return -ENOMEM;
    // What asks is the kernel: it need not be trusted, as hardware must.
    const source = { ioasid: ioasid.id, cookie, mayAsk: true, isPasidTable: false };
    this.#attached.push({ ioasid, access: new SoftwareAccess({ engine, table, user, faults, source, faultPoints }) });
    ioasid.software.add(this);
    return 0;
  }

  /** -EINVAL when it is not attached there; -EBUSY while it is attached to a space that is nested on this one. */
  *detach(ioasid: Ioasid): Script<number> {
    if (!this.isAttached(ioasid)) return -EINVAL;
    if (this.#attached.at(-1)?.ioasid !== ioasid) return -EBUSY;
    yield* this.#leave();
    return 0;
  }

  *detachAll(): Script {
    while (this.#attached.length > 0) yield* this.#leave();
  }

  *#leave(): Script {
    const { ioasid, access } = this.#attached.pop()!;
    ioasid.software.delete(this);
    yield* access.end();
  }
}
