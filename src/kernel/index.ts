/** What the machine needs to run a kernel, and what can be seen of it. */
export { decodeDmar } from './acpi/dmar.ts';
export type { Bus, CpuMemory, Firmware, Range } from './bus.ts';
export { DEFAULT_COSTS, type KernelCosts } from './costs.ts';
export type { FaultAccess, IommuFault } from './fault-log.ts';
export { DEFAULT_OPTIONS, Kernel, type KernelOptions } from './kernel.ts';
export type { LogLine } from './log.ts';
export type { CallProbe, Process } from './process.ts';
