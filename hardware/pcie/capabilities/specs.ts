/** What a function can have beside its header, as its data sheet says it: plain data. */
import type { AcsSpec } from './acs.ts';
import type { AtsSpec } from './ats.ts';
import type { AriSpec, SiovSpec } from './identity.ts';
import type { MsixSpec } from './msix.ts';
import type { PasidSpec } from './pasid.ts';
import type { PowerManagementSpec } from './power-management.ts';
import type { PriSpec } from './pri.ts';
import type { SriovSpec } from './sr-iov.ts';

/** What a virtual function can have. PASIDs and page requests it shares with its physical function. */
export interface VirtualCapabilitySpecs {
  readonly msix?: MsixSpec;
  readonly aer?: boolean;
  readonly acs?: AcsSpec;
  readonly ari?: AriSpec;
  readonly ats?: AtsSpec;
}

/** Beside the PCI Express and MSI capabilities. */
export interface CapabilitySpecs extends VirtualCapabilitySpecs {
  readonly powerManagement?: PowerManagementSpec;
  /** An EUI-64, as two halves. */
  readonly serialNumber?: readonly [high: number, low: number];
  readonly sriov?: SriovSpec;
  readonly pri?: PriSpec;
  readonly pasid?: PasidSpec;
  /** Intel Scalable I/O Virtualization. */
  readonly siov?: SiovSpec;
}
