/**
 * The driver of a PCI function that tells of missing pages in its own way, and not by page requests: it takes what the device
 * tells, has the fault reported on the ioasid that the device is attached to, and passes the answer on in the device's way. From
 * the report on everything is as with a page request, and the device's program cannot tell the two apart.
 *
 * The registers in which the device tells and is answered belong to this driver; the program that drives transfers does not see
 * them. Whatever the device says, one fault of it is asked about at a time, and whatever becomes of the device, it is
 * answered once.
 */
import { pageOf } from '../../../hardware/bits/index.ts';
import {
  STALL_ADDRESS,
  STALL_ANSWER,
  STALL_BAR,
  STALL_CONTROL,
  STALL_PASID,
  STALL_STATUS,
  StallEngineVector,
} from '../../../hardware/devices/stall-engine/spec.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { ENODEV, formatResult } from '../../uapi/index.ts';
import { DeviceInterrupts } from '../drivers/device-interrupts.ts';
import { NO_PASID, type PageRequest } from '../iommu/attachments.ts';
import type { IommuDriver } from '../iommu/driver.ts';
import { isAllOnes, RegisterPage } from '../iommu/register-page.ts';
import { PciVfio } from './pci.ts';

/** Where a transfer has stopped. */
interface Stop {
  readonly number: number;
  readonly pasid: number;
  readonly request: PageRequest;
}

export class StallEngineVfio extends PciVfio {
  #interrupts: DeviceInterrupts | null = null;
  /** Changes when the device is given back: what was asked for it before is not answered to whoever has it next. */
  #life = 0;
  #isAsking = false;

  override *begin(): Script {
    yield* super.begin();
    // Without trust in devices it keeps no translations, and never stops.
    const result = this.services.trustDevices ? yield* this.#listen(this.held.bound.group.driver) : 0;
    if (result < 0)
      this.services.log.write(`vfio ${this.name}: it does not stop where a page is missing: ${formatResult(result)}`);
  }

  override *end(): Script {
    this.#life++;
    this.#isAsking = false;
    if (this.#interrupts !== null) {
      // A transfer that is stopped ends with an error: that is its answer.
      yield* this.#registers.write(STALL_CONTROL, { ENABLE: 0, INTERRUPT_ENABLE: 0 });
      const freed = yield* this.#interrupts.free();
      if (freed < 0) this.services.log.write(`vfio ${this.name}: its interrupt may still be delivered`);
    }
    yield* super.end();
  }

  override regionBytes(region: number): number {
    return region === STALL_BAR ? 0 : super.regionBytes(region);
  }

  get #registers(): RegisterPage {
    const { engine, bus } = this.services;
    return new RegisterPage(engine, bus, this.device.bars.get(STALL_BAR)?.address ?? 0);
  }

  /** From now on the device stops, and its interrupts are heard: 0, -ENODEV, -ENOSPC, -ENOMEM, -EIO. */
  *#listen(driver: IommuDriver): Script<number> {
    if (!this.device.bars.has(STALL_BAR)) return -ENODEV;
    this.#interrupts ??= new DeviceInterrupts({ ...this.services, iommu: driver }, this.device);
    // What hardware did not let go of the last time.
    const freed = yield* this.#interrupts.free();
    if (freed < 0) return freed;
    const serve = () => this.#serve(driver);
    const requested = yield* this.#interrupts.request(StallEngineVector.STOP, `${this.name} stop`, serve);
    if (requested === 0) yield* this.#registers.write(STALL_CONTROL, { ENABLE: 1, INTERRUPT_ENABLE: 1 });
    return requested;
  }

  /** The device has interrupted. */
  *#serve(driver: IommuDriver): Script {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const life = this.#life;
    const stop = yield* this.#stop();
    if (life !== this.#life) return;
    if (stop === undefined) this.#isAsking = false;
    else this.services.engine.spawn(this.#answer(driver, stop, life), `page fault of ${this.name}`);
  }

  /** Whoever may have the page where the device is attached decides; where nothing is attached the answer is no. */
  *#answer({ attachments }: IommuDriver, { number, pasid, request }: Stop, life: number): Script {
    const answer = yield* attachments.reportPageFault(this.device, request, pasid);
    if (life !== this.#life) return;
    this.#isAsking = false;
    const isThere = answer === 'success';
    yield* this.#registers.write(STALL_ANSWER, { RETRY: isThere ? 1 : 0, ABORT: isThere ? 0 : 1, NUMBER: number });
  }

  /** What the device says; `undefined` when it has not stopped. */
  *#stop(): Script<Stop | undefined> {
    const status = yield* this.#registers.read(STALL_STATUS);
    if (isAllOnes(STALL_STATUS, status) || !STALL_STATUS.STOPPED.isSet(status)) return undefined;
    const address = yield* this.#registers.read(STALL_ADDRESS);
    const pasid = yield* this.#registers.read(STALL_PASID);
    const write = STALL_STATUS.WRITE.isSet(status);
    return {
      number: STALL_STATUS.NUMBER.get(status),
      pasid: STALL_PASID.VALID.isSet(pasid) ? STALL_PASID.PASID.get(pasid) : NO_PASID,
      request: {
        page: pageOf(STALL_ADDRESS.ADDRESS.big(address)),
        read: !write,
        write,
        execute: STALL_STATUS.EXECUTE.isSet(status),
        privileged: STALL_STATUS.PRIVILEGED.isSet(status),
      },
    };
  }
}
