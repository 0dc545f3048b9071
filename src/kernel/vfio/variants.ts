/** Which driver lets processes drive a PCI function: the common one, unless a device needs one of its own. */
import { DMA_ENGINE_VENDOR } from '../../../hardware/devices/dma-engine/spec.ts';
import { STALL_ENGINE_DEVICE } from '../../../hardware/devices/stall-engine/spec.ts';
import type { PciDevice } from '../pci/index.ts';
import type { VfioDriver } from './driver.ts';
import { PciVfio, type PciVfioServices } from './pci.ts';
import { StallEngineVfio } from './stall-engine.ts';

interface Variant {
  readonly vendor: number;
  readonly device: number;
  readonly Driver: new (device: PciDevice, services: PciVfioServices) => VfioDriver;
}

const VARIANTS: readonly Variant[] = [
  { vendor: DMA_ENGINE_VENDOR, device: STALL_ENGINE_DEVICE, Driver: StallEngineVfio },
];

export function vfioDriverOf(device: PciDevice, services: PciVfioServices): VfioDriver {
  const own = VARIANTS.find((variant) => variant.vendor === device.vendor && variant.device === device.device);
  return new (own?.Driver ?? PciVfio)(device, services);
}
