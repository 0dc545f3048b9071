/**
 * What a device keeps while it is led from one domain to another: the interrupt of its MMU, and room in its memory for as many
 * tables as it had. So the way back to where it was needs nothing that could be missing.
 */
import { MmuEngineVector } from '../../../hardware/devices/mmu-engine/spec.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { DeviceInterrupts, type InterruptServices } from '../drivers/device-interrupts.ts';
import type { PciDevice } from '../pci/index.ts';

/** The interrupt by which the MMU of a device tells of faults. */
export class FaultLine {
  readonly #name: string;
  readonly #interrupts: DeviceInterrupts;
  #listener: () => Script = nobody;

  constructor(services: InterruptServices, device: PciDevice) {
    this.#name = `${device.address} MMU fault`;
    this.#interrupts = new DeviceInterrupts(services, device);
  }

  /** Whether the device has it. */
  get isOn(): boolean {
    return this.#interrupts.messages.length > 0;
  }

  /** From now on `listener` runs when the device interrupts: 0, or why the device cannot. */
  *listen(listener: () => Script): Script<number> {
    this.#listener = listener;
    if (this.isOn) return 0;
    return yield* this.#interrupts.request(MmuEngineVector.FAULT, this.#name, () => this.#listener());
  }

  /** Nobody listens, and the device keeps it. */
  ignore(): void {
    this.#listener = nobody;
  }

  /** 0, -EIO; then this can be tried again. */
  free(): Script<number> {
    return this.#interrupts.free();
  }
}

interface Kept {
  line: FaultLine | null;
  /** Pages of its memory. */
  tables: number;
}

export class MovingDevices {
  readonly #moving = new Map<PciDevice, Kept>();

  /** As the driver's: 0, -EIO, or what `body` gives. */
  *moving(device: PciDevice, body: () => Script<number>): Script<number> {
    const kept: Kept = { line: null, tables: 0 };
    this.#moving.set(device, kept);
    const result = yield* body();
    this.#moving.delete(device);
    const freed = kept.line === null ? 0 : yield* kept.line.free();
    return freed < 0 ? freed : result;
  }

  /** What a device that moves has kept: its interrupt is whoever's takes it. */
  take(device: PciDevice): Readonly<Kept> {
    const kept = this.#moving.get(device);
    if (kept === undefined) return { line: null, tables: 0 };
    const { line, tables } = kept;
    kept.line = null;
    return { line, tables };
  }

  /** A device that moves keeps this until it has arrived; false when it does not move. */
  keep(device: PciDevice, line: FaultLine, tables: number): boolean {
    const kept = this.#moving.get(device);
    if (kept === undefined) return false;
    line.ignore();
    kept.line = line;
    kept.tables = Math.max(kept.tables, tables);
    return true;
  }
}

function* nobody(): Script {}
