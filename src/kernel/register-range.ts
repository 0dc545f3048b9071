/** Bytes of registers in the largest aligned accesses, and 64 of them at once. */
import type { Hpa } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { EAGAIN, EIO } from '../uapi/index.ts';
import type { AccessSize, Bus } from './bus.ts';

export function* readRange(bus: Pick<Bus, 'mmioRead'>, address: Hpa, length: number): Script<Uint8Array> {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < length; ) {
    const size = accessSize(address + at, length - at);
    setValue(view, at, size, yield* bus.mmioRead(address + at, size));
    at += size;
  }
  return bytes;
}

export function* writeRange(bus: Pick<Bus, 'mmioWrite'>, address: Hpa, bytes: Uint8Array): Script {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const size = accessSize(address + at, bytes.length - at);
    yield* bus.mmioWrite(address + at, size, getValue(view, at, size));
    at += size;
  }
}

/** A write that the device may put off: 0, -EAGAIN when it does, -EIO when it does not take it. */
export function* enqueueAt(bus: Bus, address: Hpa, bytes: Uint8Array): Script<number> {
  const outcome = yield* bus.deferrableWrite(address, bytes);
  if (outcome === 'accepted') return 0;
  return outcome === 'retry' ? -EAGAIN : -EIO;
}

/** The largest aligned access that fits. */
function accessSize(address: Hpa, left: number): AccessSize {
  return ([8, 4, 2] as const).find((size) => address % size === 0 && left >= size) ?? 1;
}

function setValue(view: DataView, at: number, size: AccessSize, value: bigint): void {
  if (size === 8) view.setBigUint64(at, value, true);
  else if (size === 4) view.setUint32(at, Number(value), true);
  else if (size === 2) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}

function getValue(view: DataView, at: number, size: AccessSize): bigint {
  if (size === 8) return view.getBigUint64(at, true);
  if (size === 4) return BigInt(view.getUint32(at, true));
  return BigInt(size === 2 ? view.getUint16(at, true) : view.getUint8(at));
}
