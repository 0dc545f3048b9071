/** What drivers inside the kernel build on. */
export { HotPlug } from './hot-plug.ts';
export { type DeviceRights, KernelDriver } from './kernel-driver.ts';
export { type DeviceBuffer, DriverMemory } from './memory.ts';
