/** What the kernel reaches of the hardware, and nothing more. */
import { hex } from '../../hardware/bits/index.ts';
import type { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import type { RootComplex } from '../../hardware/pcie/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { AccessSize, Bus, ConfigSize, CpuMemory } from '../kernel/bus.ts';
import type { KernelCosts } from '../kernel/index.ts';

export class MachineBus implements Bus {
  readonly memory: CpuMemory;
  readonly cost: KernelCosts;
  readonly #root: RootComplex;

  constructor(root: RootComplex, controller: MemoryController, cost: KernelCosts) {
    this.#root = root;
    this.memory = new RamOfCpu(controller);
    this.cost = cost;
  }

  configRead(rid: number, offset: number, size: ConfigSize): Script<number> {
    return this.#root.configRead(rid, offset, size);
  }

  configWrite(rid: number, offset: number, size: ConfigSize, value: number): Script {
    return this.#root.configWrite(rid, offset, size, value);
  }

  mmioRead(address: number, size: AccessSize): Script<bigint> {
    return this.#root.mmioRead(address, size);
  }

  mmioWrite(address: number, size: AccessSize, value: bigint): Script {
    return this.#root.mmioWrite(address, size, value);
  }

  directStore(address: number, bytes: Uint8Array): Script {
    return this.#root.directStore(address, bytes);
  }

  deferrableWrite(address: number, bytes: Uint8Array): ReturnType<Bus['deferrableWrite']> {
    return this.#root.deferrableWrite(address, bytes);
  }
}

/** Memory in which an access to nothing is a bug of the kernel. */
class RamOfCpu implements CpuMemory {
  readonly #controller: MemoryController;
  readonly #memory: PhysicalMemory;

  constructor(controller: MemoryController) {
    this.#controller = controller;
    this.#memory = controller.memory;
  }

  read(address: number, length: number): Uint8Array {
    const bytes = this.#memory.read(address, length);
    if (bytes === undefined) throw noRam(address, length);
    this.#controller.touch(address, length);
    return bytes;
  }

  write(address: number, bytes: Uint8Array): void {
    if (!this.#memory.write(address, bytes)) throw noRam(address, bytes.length);
    this.#controller.touch(address, bytes.length);
  }

  read64(address: number): bigint {
    return new DataView(this.read(address, 8).buffer).getBigUint64(0, true);
  }

  write64(address: number, value: bigint): void {
    if (!this.#memory.write64(address, value)) throw noRam(address, 8);
    this.#controller.touch(address, 8);
  }
}

function noRam(address: number, length: number): Error {
  return new Error(`the kernel accesses ${length} bytes at ${hex(address)}, where there is no RAM`);
}
