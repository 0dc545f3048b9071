/** Which driver lets processes drive a PCI function: the common one, unless a device needs one of its own. */
import type { PciDevice } from '../pci/index.ts';
import type { VfioDriver } from './driver.ts';
import { PciVfio, type PciVfioServices } from './pci.ts';

export function vfioDriverOf(device: PciDevice, services: PciVfioServices): VfioDriver {
  return new PciVfio(device, services);
}
