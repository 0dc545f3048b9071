/** Registers of a device that a driver inside the kernel has taken, as drivers of devices use them. */
import { ns } from '../../hardware/sim/index.ts';
import type { KernelDriver } from '../kernel/drivers/index.ts';
import type { DeviceRegisters, Portals } from '../user/index.ts';

export function registersOf(driver: KernelDriver, bar: number): DeviceRegisters {
  return {
    *read(offset, length) {
      const bytes = new Uint8Array(length);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < length; ) {
        const size = sizeAt(offset + at, length - at);
        setValue(view, at, size, yield* driver.read(bar, offset + at, size));
        at += size;
      }
      return bytes;
    },
    *write(offset, bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < bytes.length; ) {
        const size = sizeAt(offset + at, bytes.length - at);
        yield* driver.write(bar, offset + at, size, valueAt(view, at, size));
        at += size;
      }
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

type Size = 1 | 2 | 4 | 8;

/** The largest aligned access. */
function sizeAt(address: number, left: number): Size {
  return ([8, 4, 2] as const).find((size) => address % size === 0 && left >= size) ?? 1;
}

function setValue(view: DataView, at: number, size: Size, value: bigint): void {
  if (size === 8) view.setBigUint64(at, value, true);
  else for (let i = 0; i < size; i++) view.setUint8(at + i, Number((value >> BigInt(i * 8)) & 0xffn));
}

function valueAt(view: DataView, at: number, size: Size): bigint {
  if (size === 8) return view.getBigUint64(at, true);
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(at + i));
  return value;
}
