/** What can be opened: `/dev/ioasid`, `/dev/iommu`, and a file for each device that processes may drive. */
import { EEXIST, EINVAL, ENODEV, ENOENT, ENOMEM } from '../uapi/index.ts';
import type { FaultPoints } from './fault-points.ts';
import type { FileOperations } from './files.ts';
import { IoasidContext } from './ioasid/context.ts';
import { IoasidFile } from './ioasid/file.ts';
import type { IoasidServices } from './ioasid/table.ts';
import { SoftwareDmaEngine } from './mdev/software-dma-engine.ts';
import type { PciDevice } from './pci/index.ts';
import { VfioDevice } from './vfio/device.ts';
import { VfioFile } from './vfio/file.ts';
import type { PciVfioServices } from './vfio/pci.ts';
import { vfioDriverOf } from './vfio/variants.ts';

/** As of a file, and nothing that a shell would take for something else. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/;

export class DeviceFiles {
  readonly #services: PciVfioServices;
  readonly #faultPoints: FaultPoints;
  readonly #files = new Map<string, () => FileOperations | number>();
  /** Devices that are software, by name. */
  readonly #mediated = new Map<string, VfioDevice>();

  constructor(services: PciVfioServices, faultPoints: FaultPoints) {
    this.#services = services;
    this.#faultPoints = faultPoints;
  }

  /** -ENOENT when the path names nothing, -ENOMEM. */
  open(path: string): FileOperations | number {
    return this.#files.get(path)?.() ?? -ENOENT;
  }

  /** `/dev/ioasid` and `/dev/iommu`. */
  addSpaces(services: IoasidServices): void {
    for (const [path, version] of [
      ['/dev/ioasid', 1],
      ['/dev/iommu', 2],
    ] as const) {
      this.#files.set(path, () => {
        if (services.faultPoints.refuses('ioasid context')) return -ENOMEM;
        return new IoasidFile(new IoasidContext(this.#services.engine, services), version);
      });
    }
  }

  /** A device by all its names: 0, -ENOMEM. */
  add(device: PciDevice, names: readonly string[]): number {
    if (this.#faultPoints.refuses('device file')) return -ENOMEM;
    const vfio = new VfioDevice(vfioDriverOf(device, this.#services), this.#services.engine);
    for (const name of names) this.#files.set(pathOf(name), () => new VfioFile(vfio));
    return 0;
  }

  remove(names: readonly string[]): void {
    for (const name of names) this.#files.delete(pathOf(name));
  }

  /** A device that is software: 0, -EINVAL for a name that no file can have, -EEXIST for one that a device has, -ENOMEM. */
  addMediated(name: string): number {
    if (!NAME.test(name)) return -EINVAL;
    if (this.#files.has(pathOf(name))) return -EEXIST;
    if (this.#faultPoints.refuses('device file')) return -ENOMEM;
    const { engine, bus } = this.#services;
    const vfio = new VfioDevice(new SoftwareDmaEngine(name, engine, bus), engine);
    this.#mediated.set(name, vfio);
    this.#files.set(pathOf(name), () => new VfioFile(vfio));
    return 0;
  }

  /** 0, -ENODEV, -EBUSY while somebody has it. */
  removeMediated(name: string): number {
    const vfio = this.#mediated.get(name);
    if (vfio === undefined) return -ENODEV;
    const retired = vfio.retire();
    if (retired < 0) return retired;
    this.#mediated.delete(name);
    this.remove([name]);
    return 0;
  }
}

function pathOf(name: string): string {
  return `/dev/vfio/devices/${name}`;
}
