/**
 * What each kind of device has of its own, for those who let processes drive it: how it becomes a device of a context, in which
 * mode it is attached to spaces there, and what is behind its regions. The device's driver picks the mode, and nobody above it
 * asks which: requests in hardware, each routed by its unit, or accesses in software (SW TABLE).
 *
 * `VfioDevice` calls in this order: `claim`, `begin`; any number of `attach` and `detach`; `end`, `release`. Regions are
 * reached between the first and the last. `attach`, `detach` and `release` run while the context is locked.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import type { IoasidContext } from '../ioasid/context.ts';

/** A range of bytes in one region. */
export interface RegionPart {
  readonly region: number;
  readonly start: number;
  readonly length: number;
}

export interface VfioDriver {
  /** What the kernel's log calls the device. */
  readonly name: string;
  /** Its program itself says where requests with a PASID go, by a table. */
  readonly hasPasidTable: boolean;
  /** What VFIO_DEVICE_GET_INFO says of it. */
  readonly info: VfioInfo;
  /** Makes it a device of the context, under a name of the program's: 0, -ENODEV, -EBUSY, -EINVAL. It does nothing yet. */
  claim(context: IoasidContext, cookie: bigint): number;
  /** From now on it does what it is told. */
  begin(): Script;
  /** It does nothing any more, and has forgotten what it was told if the kernel wants that. */
  end(): Script;
  /** -EINVAL, -EBUSY, -EOPNOTSUPP and what tables answer. */
  attach(ioasid: number, pasid: number): Script<number>;
  detach(ioasid: number): Script<number>;
  /** Detaches it from everything and gives it back. */
  release(): Script<number>;
  /** Bytes of a region that its program may reach; 0 for one that does not exist. */
  regionBytes(region: number): number;
  /** Reads a part that lies in the region. */
  read(part: RegionPart): Script<Uint8Array>;
  write(part: RegionPart, bytes: Uint8Array): Script;
  /** ENQCMD of 64 bytes, under a PASID: 0, -EAGAIN, -EIO, -EINVAL. */
  enqueue(part: RegionPart, bytes: Uint8Array): Script<number>;
}

export interface VfioInfo {
  /** A function of a PCI bus. */
  readonly isPci: boolean;
  /** It has several spaces at a time, each under a PASID of the program's. */
  readonly hasPasids: boolean;
}

/** What MOVDIR64B and ENQCMD write, to an address aligned to it. */
export const WHOLE_STORE = 64;

export function isWholeStore({ start, length }: RegionPart): boolean {
  return length === WHOLE_STORE && start % WHOLE_STORE === 0;
}
