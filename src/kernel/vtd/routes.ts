/** What leads from a requester to its domain: context tables in legacy mode, context and PASID tables in scalable mode. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { DeviceFeatures } from '../iommu/driver.ts';
import type { PciDevice } from '../pci.ts';

/** What the tables say about a domain. */
export type Target = FirstStageTarget | SecondStageTarget | NestedTarget | PassThroughTarget;

interface SecondStage {
  /** Frame of the top table. */
  readonly root: PageNumber;
  /** CONTEXT_ENTRY.AW, PASID_ENTRY.AW */
  readonly addressWidth: number;
}

interface FirstStage {
  /** Frame of the top table; when nested a page of the second stage. */
  readonly table: PageNumber;
  readonly levels: 4 | 5;
}

export interface SecondStageTarget extends SecondStage {
  readonly kind: 'second-stage';
  readonly did: number;
}

export interface FirstStageTarget extends FirstStage {
  readonly kind: 'first-stage';
  readonly did: number;
}

export interface NestedTarget extends FirstStage, SecondStage {
  readonly kind: 'nested';
  readonly did: number;
}

export interface PassThroughTarget {
  readonly kind: 'pass-through';
  readonly did: number;
}

export interface Routes {
  /** Frame of the root table. */
  readonly root: PageNumber;
  /** RTADDR.TTM */
  readonly mode: number;
  /** 0 when requests of this kind can be routed, or why not: -EINVAL, -EOPNOTSUPP. */
  refusal(device: PciDevice, pasid: number): number;
  /** Called before the first route of a device: 0 or -EOPNOTSUPP. */
  prepare(device: PciDevice, features: DeviceFeatures): number;
  /** The device keeps translations. */
  hasDeviceTlb(device: PciDevice): boolean;
  /** Routes requests that go nowhere yet: 0, -EBUSY, -ENOMEM, or -EIO with the way blocked again. */
  open(device: PciDevice, pasid: number, target: Target): Script<number>;
  /** Blocks requests. With 0 nothing of them is cached any more. */
  close(device: PciDevice, pasid: number, target: Target): Script<number>;
}
