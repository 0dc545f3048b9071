/**
 * Everything that the kernel can reach: configuration space, memory-mapped registers, memory, and interrupts, which the
 * machine delivers through `Kernel.interrupt`. No driver sees a model.
 */
import type { Hpa } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { KernelCosts } from './costs.ts';

export type AccessSize = 1 | 2 | 4 | 8;
export type ConfigSize = 1 | 2 | 4;

/** Memory as a CPU sees it: an access takes no time of its own, the code around it says what it costs. */
export interface CpuMemory {
  read(address: Hpa, length: number): Uint8Array;
  write(address: Hpa, bytes: Uint8Array): void;
  read64(address: Hpa): bigint;
  write64(address: Hpa, value: bigint): void;
}

export interface Bus {
  readonly memory: CpuMemory;
  /** What the kernel's own work costs on this machine. */
  readonly cost: KernelCosts;
  /** `rid` is bus, device and function as a 16-bit number. All ones where there is no function. */
  configRead(rid: number, offset: number, size: ConfigSize): Script<number>;
  configWrite(rid: number, offset: number, size: ConfigSize, value: number): Script<void>;
  mmioRead(address: Hpa, size: AccessSize): Script<bigint>;
  mmioWrite(address: Hpa, size: AccessSize, value: bigint): Script<void>;
  /** Writes 64 bytes at once, posted (MOVDIR64B). */
  directStore(address: Hpa, bytes: Uint8Array): Script<void>;
  /** Writes 64 bytes that the device may put off (ENQCMD). */
  deferrableWrite(address: Hpa, bytes: Uint8Array): Script<'accepted' | 'retry' | 'failed'>;
}

/** A sized range: start and length in bytes. */
export type Range = readonly [start: number, length: number];

/** What the kernel is told about the machine; it finds out the rest itself, in configuration space and ACPI tables. */
export interface Firmware {
  /** RAM that nobody uses yet. */
  readonly memory: readonly Range[];
  /** RAM that firmware keeps: its tables, and what it shares with devices. */
  readonly reserved: readonly Range[];
  /** Where ACPI's root pointer stands. */
  readonly rsdp: Hpa;
  /** Addresses that the kernel may give to base address registers. */
  readonly mmio: Range;
  /** Bus numbers on which there may be functions. */
  readonly pciBuses: readonly number[];
}
