/**
 * One I/O address space as a program names it: its table, what it is nested on, and which devices are attached to it. What
 * leads a device's requests there is the context's business.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL } from '../../uapi/index.ts';
import type { Abilities } from '../iommu/driver.ts';
import type { BoundDevice } from './bound-device.ts';
import type { SoftwareDevice } from './software-device.ts';
import type { IoTable } from './table.ts';

/** A device's requests with one PASID, or those without, in one space. */
export interface IoasidAttachment {
  readonly bound: BoundDevice;
  readonly pasid: number;
}

export interface IoasidShape {
  readonly parent: Ioasid | null;
  readonly table: IoTable;
  /** No device is ever attached to it: it only pins pages for what is nested on it. */
  readonly isDummy?: boolean;
}

export class Ioasid {
  readonly id: number;
  readonly parent: Ioasid | null;
  readonly isDummy: boolean;
  readonly children = new Set<Ioasid>();
  /** Whose requests are led here: one for each slot. */
  readonly attachments: IoasidAttachment[] = [];
  /** Who uses it in software, beside those and in no slot. */
  readonly software = new Set<SoftwareDevice>();
  table: IoTable;

  constructor(id: number, { parent, table, isDummy = false }: IoasidShape) {
    this.id = id;
    this.parent = parent;
    this.table = table;
    this.isDummy = isDummy;
    parent?.children.add(this);
  }

  /** Nobody needs it: it can be freed. */
  get isFree(): boolean {
    return !this.isUsed && this.children.size === 0;
  }

  /** A device is attached, whichever way. */
  get isUsed(): boolean {
    return this.attachments.length > 0 || this.software.size > 0;
  }

  /** What can be done with it: what those can do that are attached first. */
  get abilities(): Abilities | undefined {
    return (this.attachments[0]?.bound ?? [...this.software][0])?.abilities;
  }

  /**
   * Why a device cannot be attached whose accesses go to `now`: -EINVAL when it is attached here already or not to what this is
   * nested on, or nobody ever is; -EBUSY when they go to another space.
   */
  refusal(who: { isAttached(ioasid: Ioasid): boolean }, now: Ioasid | undefined): number {
    const { parent } = this;
    if (this.isDummy || who.isAttached(this)) return -EINVAL;
    if (now !== undefined && now !== parent) return -EBUSY;
    return parent !== null && !parent.isDummy && !who.isAttached(parent) ? -EINVAL : 0;
  }

  /** Devices of a group that is attached only in part: then what the space maps is for nobody yet. */
  get isPartial(): boolean {
    const attached = new Set(this.attachments.map(({ bound }) => bound.device));
    return this.attachments.some(({ bound }) => !bound.group.devices.every((device) => attached.has(device)));
  }

  /** Holds the table for a device. */
  *enter(attachment: IoasidAttachment): Script<number> {
    const result = yield* this.table.hold(attachment.bound.group.driver);
    if (result === 0) this.attachments.push(attachment);
    return result;
  }

  /** Lets go of it. `trusted` is false when hardware may still lead the device here. */
  *leave(bound: BoundDevice, trusted: boolean): Script {
    const at = this.attachments.findIndex((one) => one.bound === bound);
    this.attachments.splice(at, 1);
    yield* this.table.drop(trusted);
  }

  /** Ends the space. */
  *destroy(): Script {
    this.parent?.children.delete(this);
    yield* this.table.destroy();
  }
}
