/** What the machine needs to run a kernel, and what can be seen of it. */
export { decodeDmar } from './acpi/dmar.ts';
export type { Bus, CpuMemory, Firmware, Range } from './bus.ts';
export { DEFAULT_COSTS, type KernelCosts } from './costs.ts';
export type { FaultAccess, IommuFault } from './fault-log.ts';
export { Kernel } from './kernel.ts';
export type { LogLine } from './log.ts';
export { DEFAULT_OPTIONS, type KernelOptions } from './options.ts';
export type { CallProbe, Process } from './process.ts';
