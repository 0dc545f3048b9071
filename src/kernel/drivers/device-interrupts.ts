/** Interrupts of a device for a driver inside the kernel: by MSI-X where it has it, else by MSI, which has one vector here. */
import { encode } from '../../../hardware/bits/index.ts';
import { CapabilityId, MSIX_CAPABILITY, MSIX_ENTRY, MSIX_ENTRY_BYTES } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { Interrupts, Message } from '../interrupts.ts';
import type { IommuDriver } from '../iommu/driver.ts';
import { enableMsi, findCapability, type PciDevice, wordAt } from '../pci/index.ts';

export interface InterruptServices {
  readonly bus: Bus;
  readonly interrupts: Interrupts;
  /** The unit that the device's messages come through. */
  readonly iommu: IommuDriver;
}

interface Given {
  /** What reaches the CPU. */
  readonly delivered: Message;
  /** What the device writes. */
  readonly written: Message;
}

export class DeviceInterrupts {
  readonly #bus: Bus;
  readonly #interrupts: Interrupts;
  readonly #iommu: IommuDriver;
  readonly #device: PciDevice;
  readonly #given: Given[] = [];

  constructor({ bus, interrupts, iommu }: InterruptServices, device: PciDevice) {
    this.#bus = bus;
    this.#interrupts = interrupts;
    this.#iommu = iommu;
    this.#device = device;
  }

  /** `handler` runs for each message of the vector: 0, -EINVAL for no such vector, -EOPNOTSUPP, -ENOSPC, -ENOMEM, -EIO. */
  *request(vector: number, name: string, handler: () => Script): Script<number> {
    const { rid } = this.#device;
    const msix = yield* findCapability(this.#bus, rid, CapabilityId.MSI_X);
    const msi = msix === 0 ? yield* findCapability(this.#bus, rid, CapabilityId.MSI) : 0;
    if (msix === 0 && msi === 0) return -EOPNOTSUPP;
    const table = msix === 0 ? null : yield* this.#table(msix);
    if (vector < 0 || vector >= (table?.size ?? 1)) return -EINVAL;
    const delivered = this.#interrupts.allocate(name, handler);
    if (typeof delivered === 'number') return delivered;
    const written = yield* this.#iommu.admitInterrupt(this.#device, delivered);
    if (typeof written === 'number') {
      this.#interrupts.free(delivered);
      return written;
    }
    this.#given.push({ delivered, written });
    if (table === null) yield* enableMsi(this.#bus, rid, msi, written);
    else yield* this.#fill(msix, table.address + vector * MSIX_ENTRY_BYTES, written);
    return 0;
  }

  /** What the device has been told to write. */
  get messages(): readonly Message[] {
    return this.#given.map(({ written }) => written);
  }

  /** 0, or -EIO when hardware may still deliver one that is left; then this can be tried again. */
  *free(): Script<number> {
    for (let last = this.#given.at(-1); last !== undefined; last = this.#given.at(-1)) {
      const result = yield* this.#iommu.revokeInterrupt(this.#device, last.written);
      if (result < 0) return result;
      this.#interrupts.free(last.delivered);
      this.#given.pop();
    }
    return 0;
  }

  /** Where the table stands in memory space. */
  *#table(at: number): Script<{ readonly address: number; readonly size: number }> {
    const { rid, bars } = this.#device;
    const words = Uint32Array.of(
      (yield* wordAt(this.#bus, rid, at))[0]!,
      (yield* wordAt(this.#bus, rid, at + 4))[0]!,
      0,
    );
    const { TABLE_BIR, TABLE_OFFSET, TABLE_SIZE } = MSIX_CAPABILITY;
    const bar = bars.get(TABLE_BIR.get(words));
    if (bar === undefined) return { address: 0, size: 0 };
    return { address: bar.address + TABLE_OFFSET.get(words) * 8, size: TABLE_SIZE.get(words) + 1 };
  }

  *#fill(at: number, entry: number, { address, data }: Message): Script {
    const words = encode(MSIX_ENTRY, { ADDRESS: address / 4, DATA: data });
    for (const [i, word] of words.entries()) yield* this.#bus.mmioWrite(entry + i * 4, 4, BigInt(word));
    const { rid } = this.#device;
    const control = yield* wordAt(this.#bus, rid, at);
    MSIX_CAPABILITY.ENABLE.set(control, 1);
    MSIX_CAPABILITY.FUNCTION_MASK.set(control, 0);
    yield* this.#bus.configWrite(rid, at, 4, control[0]!);
  }
}
