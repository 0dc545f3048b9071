/** Registers of a device as its driver reaches them, whatever stands between. */
import { type AnyLayout, bytesOf, encode, type Values, wordsOf } from '../../hardware/bits/index.ts';
import { type Blocking, errnoName, VFIO_DEVICE_GET_REGION_INFO } from '../uapi/index.ts';
import type { Program } from './program.ts';

/** One range of registers. Accesses give a negative errno where they fail. */
export interface DeviceRegisters {
  read(offset: number, length: number): Blocking<Uint8Array | number>;
  write(offset: number, bytes: Uint8Array): Blocking<number>;
  sleep(nanoseconds: number): Blocking<unknown>;
}

/** Registers that take 64 bytes at once, at multiples of 64. A negative errno where that fails. */
export interface Portals {
  /** As one posted write (MOVDIR64B). */
  store(offset: number, bytes: Uint8Array): Blocking<number>;
  /** As a write that the device may put off: then -EAGAIN (ENQCMD, ENQCMDS). */
  enqueue(offset: number, bytes: Uint8Array): Blocking<number>;
}

/** A region of an open VFIO device, or the errno: -EINVAL before it is bound. */
export function* regionOf(program: Program, fd: number, index: number): Blocking<DeviceRegisters | number> {
  const start = yield* startOf(program, fd, index);
  if (typeof start === 'number') return start;
  return {
    read: (offset, length) => program.pread(fd, length, start + BigInt(offset)),
    write: (offset, bytes) => program.pwrite(fd, bytes, start + BigInt(offset)),
    sleep: (nanoseconds) => program.sleep(nanoseconds),
  };
}

/** The same of a region of portals. */
export function* portalsIn(program: Program, fd: number, index: number): Blocking<Portals | number> {
  const start = yield* startOf(program, fd, index);
  if (typeof start === 'number') return start;
  return {
    store: (offset, bytes) => program.pwrite(fd, bytes, start + BigInt(offset)),
    enqueue: (offset, bytes) => program.enqcmd(fd, bytes, start + BigInt(offset)),
  };
}

/** Where a region lies in the device's file. */
function* startOf(program: Program, fd: number, index: number): Blocking<bigint | number> {
  const { result, value } = yield* program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, { index });
  return result < 0 ? result : value.offset;
}

/** Writes a register of 32 or 64 bits with these fields set. */
export function setRegister<L extends AnyLayout>(
  registers: DeviceRegisters,
  register: L,
  values: Values<L>,
): Blocking<number> {
  return registers.write(register.$.offset!, bytesOf(encode(register, values)));
}

/** The words of a register where its layout looks for them, or the errno. */
export function* getRegister(registers: DeviceRegisters, register: AnyLayout): Blocking<Uint32Array | number> {
  const { offset, words: count } = register.$;
  const bytes = yield* registers.read(offset!, count * 4);
  if (typeof bytes === 'number') return bytes;
  const words = new Uint32Array(offset! / 4 + count);
  words.set(wordsOf(bytes), offset! / 4);
  return words;
}

/** What a driver says of a call that failed: the name of its errno. */
export function failureName(result: number): string {
  return errnoName(result) ?? String(result);
}
