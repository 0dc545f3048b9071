/** Interrupts of a device for a driver inside the kernel: by MSI-X where it has it, else by MSI, which has one vector here. */
import { encode } from '../../../hardware/bits/index.ts';
import { CapabilityId, MSIX_CAPABILITY, MSIX_ENTRY, MSIX_ENTRY_BYTES } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { Interrupts, Message } from '../interrupts.ts';
import { enableMsi, findCapability, type PciDevice, wordAt } from '../pci/index.ts';

export class DeviceInterrupts {
  readonly #bus: Bus;
  readonly #interrupts: Interrupts;
  readonly #device: PciDevice;
  readonly #messages: Message[] = [];

  constructor(bus: Bus, interrupts: Interrupts, device: PciDevice) {
    this.#bus = bus;
    this.#interrupts = interrupts;
    this.#device = device;
  }

  /** `handler` runs for each message of the vector: 0, -EINVAL for no such vector, -EOPNOTSUPP, -ENOSPC. */
  *request(vector: number, name: string, handler: () => Script): Script<number> {
    const { rid } = this.#device;
    const msix = yield* findCapability(this.#bus, rid, CapabilityId.MSI_X);
    const msi = msix === 0 ? yield* findCapability(this.#bus, rid, CapabilityId.MSI) : 0;
    if (msix === 0 && msi === 0) return -EOPNOTSUPP;
    const table = msix === 0 ? null : yield* this.#table(msix);
    if (vector < 0 || vector >= (table?.size ?? 1)) return -EINVAL;
    const message = this.#interrupts.allocate(name, handler);
    if (typeof message === 'number') return message;
    this.#messages.push(message);
    if (table === null) yield* enableMsi(this.#bus, rid, msi, message);
    else yield* this.#fill(msix, table.address + vector * MSIX_ENTRY_BYTES, message);
    return 0;
  }

  free(): void {
    for (const message of this.#messages) this.#interrupts.free(message);
    this.#messages.length = 0;
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
