/** Registers of a device that a driver inside the kernel has taken, as drivers of devices use them. */
import { ns } from '../../hardware/sim/index.ts';
import type { KernelDriver } from '../kernel/drivers/index.ts';
import type { DeviceRegisters, Portals } from '../user/index.ts';

export function registersOf(driver: KernelDriver, bar: number): DeviceRegisters {
  return {
    read: (offset, length) => driver.readBytes(bar, offset, length),
    *write(offset, bytes) {
      yield* driver.writeBytes(bar, offset, bytes);
      return bytes.length;
    },
    *sleep(nanoseconds) {
      yield ns(nanoseconds);
    },
  };
}

/** Where a driver inside the kernel hands over 64 bytes at a time. */
export function portalsOf(driver: KernelDriver, bar: number): Portals {
  return {
    *store(offset, bytes) {
      yield* driver.store(bar, offset, bytes);
      return 0;
    },
    enqueue: (offset, bytes) => driver.enqueue(bar, offset, bytes),
  };
}
