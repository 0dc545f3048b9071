/** A device that processes may drive: which open file controls it, and access to its regions. Its driver does the rest. */
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EBUSY, EFAULT, EINVAL, ENODEV } from '../../uapi/index.ts';
import type { IoasidContext } from '../ioasid/context.ts';
import type { IoasidFile, Version } from '../ioasid/file.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import type { Process } from '../process.ts';
import { isWholeStore, type RegionPart, type VfioDriver, type VfioInfo, WHOLE_STORE } from './driver.ts';

/** A file offset is the region's index and, below, the offset in the region. */
const REGION_SHIFT = 40n;

/** ENQCMD: the PASID stands in the first word of what is written, whose other bits are 0. */
const PASID_WORD = 4;

interface Binding {
  /** The open file that bound the device: the only one that may use it. */
  readonly holder: object;
  /** What stands behind the descriptor that it is bound to. */
  readonly context: IoasidContext;
  readonly version: Version;
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
  readonly #driver: VfioDriver;
  readonly #lock: Semaphore;
  #binding: Binding | null = null;
  #isGone = false;

  constructor(driver: VfioDriver, engine: Engine) {
    this.#driver = driver;
    this.#lock = new Semaphore(engine, 1, `vfio ${driver.name}`);
  }

  /** The device goes: 0, or -EBUSY while somebody has it. Who has its file open finds no device any more. */
  retire(): number {
    if (this.#binding !== null) return -EBUSY;
    this.#isGone = true;
    return 0;
  }

  get info(): VfioInfo {
    return this.#driver.info;
  }

  /**
   * -EBUSY: bound already, the group is somebody else's, or the program calls another device so; -ENODEV: no IOMMU, or it is gone; -EINVAL: the
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
  attach(holder: object, { ioasid, pasid = NO_PASID, context }: Place): Script<number> {
    const driver = this.#driver;
    return this.#withBinding(holder, context, function* ({ version }) {
      if (version === 2 && pasid !== NO_PASID && driver.hasPasidTable) return -EINVAL;
      return yield* driver.attach(ioasid, pasid);
    });
  }

  detach(holder: object, { ioasid, context }: Place): Script<number> {
    return this.#withBinding(holder, context, () => this.#driver.detach(ioasid));
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
    return { offset: BigInt(index) << REGION_SHIFT, size: this.#driver.regionBytes(index) };
  }

  /** Reads registers into the process: bytes read, or -EINVAL, -EFAULT. */
  *read(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    const part = this.#part(length, offset);
    if (part === undefined) return -EINVAL;
    const bytes = yield* this.#driver.read(part);
    return process.space.copyToUser(address, bytes) < 0 ? -EFAULT : part.length;
  }

  /** Writes registers from the process: bytes written, or -EINVAL, -EFAULT. */
  *write(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    const part = this.#part(length, offset);
    if (part === undefined) return -EINVAL;
    const bytes = process.space.copyFromUser(address, part.length);
    if (bytes === undefined) return -EFAULT;
    yield* this.#driver.write(part, bytes);
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
    return yield* this.#driver.enqueue(part, bytes);
  }

  *#bind(holder: object, { context, version }: IoasidFile, cookie: bigint): Script<number> {
    if (this.#isGone) return -ENODEV;
    if (this.#binding !== null) return -EBUSY;
    if (version === 2 && context.deviceOf(cookie) !== undefined) return -EBUSY;
    const claimed = this.#driver.claim(context, cookie);
    if (claimed < 0) return claimed;
    this.#binding = { holder, context, version };
    yield* this.#driver.begin();
    return 0;
  }

  *#unbind(holder: object): Script<number> {
    const binding = this.#binding;
    if (binding?.holder !== holder) return -EINVAL;
    this.#binding = null;
    yield* this.#driver.end();
    return yield* binding.context.locked(() => this.#driver.release());
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
  #part(length: number, offset: bigint): RegionPart | undefined {
    const region = offset >> REGION_SHIFT;
    const bytes = region <= 0xffn ? this.#driver.regionBytes(Number(region)) : 0;
    const start = Number(BigInt.asUintN(Number(REGION_SHIFT), offset));
    if (start >= bytes) return undefined;
    return { region: Number(region), start, length: Math.min(length, bytes - start) };
  }
}
