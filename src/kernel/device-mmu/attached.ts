/** One device that is attached to a domain of the composed driver: its MMU, and what becomes of the MMU's faults. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import { MmuFaultReason } from '../../../hardware/devices/mmu-engine/spec.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { IoasidFaultReason } from '../../uapi/index.ts';
import { type AttachmentHandlers, NO_PASID } from '../iommu/attachments.ts';
import type { IommuDriver } from '../iommu/driver.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { DeviceMmu, type MmuFault } from './device.ts';
import { FaultLine, type MovingDevices } from './moving.ts';
import type { Change } from './tables.ts';

const { UNKNOWN, PTE_FETCH, PERMISSION, OOR_ADDRESS } = IoasidFaultReason;

/** Why it faults: in words, and as programs are told it. */
const CAUSES: Readonly<Record<number, { readonly meaning: string; readonly reason: IoasidFaultReason }>> = {
  [MmuFaultReason.ADDRESS]: {
    meaning: 'the address is beyond what the device’s MMU translates',
    reason: OOR_ADDRESS,
  },
  [MmuFaultReason.NO_TABLE]: { meaning: 'the device’s MMU has no table for the address', reason: PTE_FETCH },
  [MmuFaultReason.NO_PAGE]: { meaning: 'the device’s MMU has no such page', reason: PTE_FETCH },
  [MmuFaultReason.NOT_READABLE]: { meaning: 'the device’s MMU does not allow reads of the page', reason: PERMISSION },
  [MmuFaultReason.NOT_WRITABLE]: {
    meaning: 'the device’s MMU does not allow writes to the page',
    reason: PERMISSION,
  },
};
const NO_CAUSE = { meaning: 'the device’s MMU does not say why', reason: UNKNOWN };

export interface AttachedMmuShape {
  readonly device: PciDevice;
  readonly handlers: AttachmentHandlers;
  readonly platform: IommuDriver;
  readonly services: IommuServices;
  readonly moves: MovingDevices;
}

export class AttachedMmu {
  readonly device: PciDevice;
  readonly mmu: DeviceMmu;
  readonly #handlers: AttachmentHandlers;
  readonly #platform: IommuDriver;
  readonly #services: IommuServices;
  readonly #moves: MovingDevices;
  readonly #line: FaultLine;
  /** Nobody answers the device any more. */
  #isOver = false;
  /** The device waits for one page at a time, whatever it says. */
  #isAsking = false;

  constructor({ device, handlers, platform, services, moves }: AttachedMmuShape) {
    const { bus, interrupts } = services;
    const { line, tables } = moves.take(device);
    this.device = device;
    this.mmu = new DeviceMmu(device, services, tables);
    this.#handlers = handlers;
    this.#platform = platform;
    this.#services = services;
    this.#moves = moves;
    this.#line = line ?? new FaultLine({ bus, interrupts, iommu: platform }, device);
  }

  /** Gives the device its tables and lets it translate: 0, -ENODEV, -ENOMEM, or why its faults could not be told. */
  *begin(tables: readonly Change[]): Script<number> {
    const { mmu } = this;
    let result = yield* mmu.clear();
    for (const change of tables) if (result === 0) result = yield* mmu.enter(change);
    if (result === 0) result = yield* this.#line.listen(() => this.#serve());
    if (result === 0) yield* mmu.start(this.#handlers.onPageRequest !== undefined);
    return result;
  }

  /**
   * The device translates nothing, and its faults interrupt nobody any more: 0, -EIO; then this can be tried again. What it
   * had it keeps while it moves.
   */
  *end(): Script<number> {
    this.#isOver = true;
    yield* this.mmu.stop();
    if (this.#line.isOn && this.#moves.keep(this.device, this.#line, this.mmu.tables)) return 0;
    return yield* this.#line.free();
  }

  /** The device has interrupted. One look takes one fault, as it interrupts again for another. */
  *#serve(): Script {
    const fault = yield* this.mmu.takeFault();
    if (fault === undefined) return;
    if (!fault.stalled) this.#report(fault);
    else if (!this.#isAsking) this.#services.engine.spawn(this.#answer(fault), `page fault of ${this.device.address}`);
  }

  /** The device has told in its own way that it wants a page: whoever may have it there decides. */
  *#answer(fault: MmuFault): Script {
    this.#isAsking = true;
    const { write, address } = fault;
    const wanted = { page: pageOf(address), read: !write, write, execute: false, privileged: false };
    const answer = yield* this.#platform.attachments.reportPageFault(this.device, wanted);
    this.#isAsking = false;
    if (this.#isOver) return;
    if (answer !== 'success') this.#report(fault);
    yield* this.mmu.answer(answer === 'success');
  }

  #report({ code, name, address, write }: MmuFault): void {
    const { engine, faults } = this.#services;
    const fault = {
      at: engine.now,
      unit: `${this.device.address} MMU`,
      code,
      name,
      ...(CAUSES[code] ?? NO_CAUSE),
      requester: this.device.requester,
      pasid: NO_PASID,
      address: address - (address % BigInt(PAGE_SIZE)),
      access: write ? 'write' : 'read',
    } as const;
    faults.record(fault);
    this.#handlers.onFault?.(fault);
  }
}
