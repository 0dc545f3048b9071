/** What drivers inside the kernel build on. */
export { type DeviceRights, KernelDriver } from './kernel-driver.ts';
export { type DeviceBuffer, DriverMemory } from './memory.ts';
