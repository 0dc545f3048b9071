/** A device that processes may drive: which open file controls it, and access to its regions. */
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EBUSY, EFAULT, EINVAL, ENODEV, formatResult } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import { TranslationFeatures } from '../drivers/translation-features.ts';
import type { BoundDevice } from '../ioasid/bound-device.ts';
import type { IoasidContext } from '../ioasid/context.ts';
import type { IoasidFile, Version } from '../ioasid/file.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import { type IommuDriver, NO_FEATURES } from '../iommu/driver.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';
import { type Bar, type Pci, type PciDevice, resetFunction } from '../pci/index.ts';
import type { Process } from '../process.ts';
import { enqueueAt, readRange, writeRange } from '../register-range.ts';

export interface VfioServices {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly pci: Pci;
  readonly iommu: Iommu;
  readonly log: KernelLog;
  /** A device that is given back forgets what it was told. */
  readonly resetOnRelease: boolean;
  /** Devices may keep translations, ask for pages and send PASIDs, as far as they and their IOMMU can. */
  readonly trustDevices: boolean;
}

/** A file offset is the region's index and, below, the offset in the region. */
const REGION_SHIFT = 40n;

/** What MOVDIR64B and ENQCMD write, to an address aligned to it. */
const WHOLE_STORE = 64;
/** ENQCMD: the PASID stands in the first word of what is written, whose other bits are 0. */
const PASID_WORD = 4;

interface Binding {
  /** The open file that bound the device: the only one that may use it. */
  readonly holder: object;
  /** What stands behind the descriptor that it is bound to. */
  readonly context: IoasidContext;
  readonly version: Version;
  readonly bound: BoundDevice;
}

/** Where requests are to go. */
export interface Place {
  readonly ioasid: number;
  /** Left out: requests without PASID. */
  readonly pasid?: number;
  /** Version 2 names the descriptor again. */
  readonly context?: IoasidContext;
}

export class VfioDevice {
  readonly device: PciDevice;
  readonly #services: VfioServices;
  readonly #lock: Semaphore;
  readonly #features: TranslationFeatures;
  #binding: Binding | null = null;

  constructor(device: PciDevice, services: VfioServices) {
    this.device = device;
    this.#services = services;
    this.#features = new TranslationFeatures(services.bus, device.rid);
    this.#lock = new Semaphore(services.engine, 1, `vfio ${device.address}`);
  }

  /**
   * -EBUSY: bound already, the group is somebody else's, or the program calls another device so; -ENODEV: no IOMMU; -EINVAL: the
   * group is not viable.
   */
  bind(holder: object, file: IoasidFile, cookie: bigint): Script<number> {
    return this.#locked(() => this.#bind(holder, file, cookie));
  }

  /** Stops the device's DMA, detaches it and lets go of it. -EINVAL when `holder` has not bound it. */
  unbind(holder: object): Script<number> {
    return this.#locked(() => this.#unbind(holder));
  }

  /** In version 2 a PASID table stands for all that its PASIDs lead to: -EINVAL for a PASID beside it. */
  attach(holder: object, { ioasid, pasid = NO_PASID, context: given }: Place): Script<number> {
    return this.#withBinding(holder, given, function* ({ context, bound, version }) {
      if (version === 2 && pasid !== NO_PASID && bound.pasidTable !== undefined) return -EINVAL;
      return yield* context.attach(bound, ioasid, pasid);
    });
  }

  detach(holder: object, { ioasid, context: given }: Place): Script<number> {
    return this.#withBinding(holder, given, ({ context, bound }) => context.detach(bound, ioasid));
  }

  /** The version of the proposal whose descriptor `holder` has bound the device to; `undefined` when it has not. */
  versionOf(holder: object): Version | undefined {
    return this.#binding?.holder === holder ? this.#binding.version : undefined;
  }

  isBoundBy(holder: object): boolean {
    return this.#binding?.holder === holder;
  }

  /** Place and size of a region; size 0 for one that does not exist. */
  region(index: number): { readonly offset: bigint; readonly size: number } {
    return { offset: BigInt(index) << REGION_SHIFT, size: this.device.bars.get(index)?.bytes ?? 0 };
  }

  /** Reads registers into the process: bytes read, or -EINVAL, -EFAULT. */
  *read(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    const part = this.#part(length, offset);
    if (part === undefined) return -EINVAL;
    const bytes = yield* readRange(this.#services.bus, part.bar.address + part.start, part.length);
    return process.space.copyToUser(address, bytes) < 0 ? -EFAULT : part.length;
  }

  /** Writes registers from the process: bytes written, or -EINVAL, -EFAULT. 64 aligned bytes go as one write (MOVDIR64B). */
  *write(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    const part = this.#part(length, offset);
    if (part === undefined) return -EINVAL;
    const bytes = process.space.copyFromUser(address, part.length);
    if (bytes === undefined) return -EFAULT;
    const start = part.bar.address + part.start;
    if (isWholeStore(part)) yield* this.#services.bus.directStore(start, bytes);
    else yield* writeRange(this.#services.bus, start, bytes);
    return part.length;
  }

  /** ENQCMD with 64 bytes of the process: 0, -EAGAIN when the device puts it off, or -EINVAL, -EFAULT, -EIO. */
  *enqueue(process: Process, pasid: number, address: bigint, offset: bigint): Script<number> {
    const part = this.#part(WHOLE_STORE, offset);
    if (part === undefined || !isWholeStore(part)) return -EINVAL;
    const bytes = process.space.copyFromUser(address, WHOLE_STORE);
    if (bytes === undefined) return -EFAULT;
    // Whatever the program put there: nobody speaks for somebody else, or for the kernel.
    new DataView(bytes.buffer, bytes.byteOffset, PASID_WORD).setUint32(0, pasid, true);
    return yield* enqueueAt(this.#services.bus, part.bar.address + part.start, bytes);
  }

  *#bind(holder: object, { context, version }: IoasidFile, cookie: bigint): Script<number> {
    if (this.#binding !== null) return -EBUSY;
    const group = this.#services.iommu.groupOf(this.device);
    if (group === undefined) return -ENODEV;
    if (version === 2 && context.deviceOf(cookie) !== undefined) return -EBUSY;
    const bound = context.bind(this.device, group, cookie);
    if (typeof bound === 'number') return bound;
    this.#binding = { holder, context, version, bound };
    if (this.#services.trustDevices) yield* this.#trust(group.driver);
    // The device may issue requests from now on; the IOMMU blocks them until it is attached.
    yield* this.#services.pci.setBusMaster(this.device, true);
    return 0;
  }

  *#unbind(holder: object): Script<number> {
    const binding = this.#binding;
    if (binding?.holder !== holder) return -EINVAL;
    this.#binding = null;
    const { pci, bus, resetOnRelease, trustDevices, log } = this.#services;
    yield* pci.setBusMaster(this.device, false);
    if (trustDevices) yield* this.#features.disable();
    // Before the memory goes to somebody else: what the device still has to do must not find it.
    if (resetOnRelease && (yield* resetFunction(bus, this.device)) < 0) {
      log.write(`vfio ${this.device.address}: it cannot be reset and keeps what it was told`);
    }
    const { context, bound } = binding;
    return yield* context.locked(() => context.unbind(bound));
  }

  /** Before anything is attached. What the device does not take on is not given to it. */
  *#trust(driver: IommuDriver): Script {
    const { device } = this;
    const rights = yield* this.#features.most(device, driver.abilities);
    const { ats = false, pageRequests = 0 } = rights;
    let result = driver.prepare(device, { deviceTlb: ats, pageRequests: pageRequests > 0 });
    if (result === 0) result = yield* this.#features.enable(rights);
    if (result === 0) return;
    yield* this.#features.disable();
    driver.prepare(device, NO_FEATURES);
    this.#services.log.write(`vfio ${device.address}: it is not trusted with translations: ${formatResult(result)}`);
  }

  /** Changes what the device is bound to: -EINVAL when `holder` has not bound it, or not to what is given. */
  #withBinding(
    holder: object,
    given: IoasidContext | undefined,
    body: (binding: Binding) => Script<number>,
  ): Script<number> {
    const device = this;
    return this.#locked(function* () {
      const binding = device.#binding;
      if (binding?.holder !== holder || (given ?? binding.context) !== binding.context) return -EINVAL;
      return yield* binding.context.locked(() => body(binding));
    });
  }

  *#locked(body: () => Script<number>): Script<number> {
    yield this.#lock.acquire();
    const result = yield* body();
    this.#lock.release();
    return result;
  }

  /** What of a transfer lies in the region. */
  #part(
    length: number,
    offset: bigint,
  ): { readonly bar: Bar; readonly start: number; readonly length: number } | undefined {
    const index = offset >> REGION_SHIFT;
    const bar = index <= 0xffn ? this.device.bars.get(Number(index)) : undefined;
    const start = Number(BigInt.asUintN(Number(REGION_SHIFT), offset));
    if (bar === undefined || start >= bar.bytes) return undefined;
    return { bar, start, length: Math.min(length, bar.bytes - start) };
  }
}

function isWholeStore({ start, length }: { readonly start: number; readonly length: number }): boolean {
  return length === WHOLE_STORE && start % WHOLE_STORE === 0;
}
