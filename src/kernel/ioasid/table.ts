/** What every I/O page table of user space is to those who attach devices to it, whoever writes it. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { IommuDriver, Translation } from '../iommu/driver.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';

export interface IoasidServices {
  readonly iommu: Iommu;
  readonly log: KernelLog;
  readonly faultPoints: FaultPoints;
  readonly cost: KernelCosts;
  /** Mappings that one I/O address space may have. */
  readonly mappingLimit: number;
  /** I/O address spaces that one context may have. */
  readonly spaceLimit: number;
  /** Devices may ask for pages. */
  readonly trustDevices: boolean;
}

export interface IoTable {
  /** Where devices are routed to; `null` while nobody holds it. */
  readonly translation: Translation | null;
  /**
   * Holds the table for a device behind `driver`; the first holder brings it into hardware: 0, -EINVAL when it cannot serve
   * that unit, -EADDRINUSE, -EOPNOTSUPP, -ENOMEM, -ENOSPC, -EIO.
   */
  hold(driver: IommuDriver): Script<number>;
  /**
   * One holder less; with the last one it leaves hardware. `trusted` is false when hardware may still use it: then it, and what
   * it is nested on, gives back nothing that it has or had, for ever.
   */
  drop(trusted: boolean): Script<void>;
  /** Ends the table, which nobody holds. */
  destroy(): Script<void>;
}
