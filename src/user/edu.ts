/**
 * A driver of the educational device. What the device holds between two transfers nobody reads but by a third: its buffer has
 * no registers.
 */

import type { AnyLayout } from '../../hardware/bits/index.ts';
import {
  BUFFER_AT,
  BUFFER_BYTES,
  DMA_COMMAND,
  DMA_COUNT,
  DMA_DESTINATION,
  DMA_SOURCE,
  EDU_BAR,
  FACTORIAL,
  ID,
  MAGIC,
  STATUS,
} from '../../hardware/devices/edu/spec.ts';
import { type Blocking, EINVAL, ENODEV, ETIMEDOUT } from '../uapi/index.ts';
import { type DeviceRegisters, getRegister, regionOf, setRegister } from './device-registers.ts';
import type { Program } from './program.ts';

/** How often a register is read: a transfer takes 100 ms as the device is delivered. */
const POLL_NANOSECONDS = 1_000_000;
const MOST_POLLS = 20_000;

export class EduDriver {
  readonly #registers: DeviceRegisters;

  constructor(registers: DeviceRegisters) {
    this.#registers = registers;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound, -ENODEV for another device. */
  static *open(program: Program, fd: number): Blocking<EduDriver | number> {
    const registers = yield* regionOf(program, fd, EDU_BAR);
    if (typeof registers === 'number') return registers;
    const id = yield* getRegister(registers, ID);
    if (typeof id === 'number') return id;
    return ID.MAGIC.get(id) === MAGIC ? new EduDriver(registers) : -ENODEV;
  }

  /** Lets the device copy memory at `iova` to its buffer: 0 or an errno. Nothing tells of a page that could not be read. */
  load(iova: bigint, length: number): Blocking<number> {
    return this.#transfer(iova, BigInt(BUFFER_AT), length, 0);
  }

  /** Lets the device copy its buffer to memory at `iova`. */
  store(iova: bigint, length: number): Blocking<number> {
    return this.#transfer(BigInt(BUFFER_AT), iova, length, 1);
  }

  /** n! modulo 2^32, or a negative errno. It takes n nanoseconds. */
  *factorial(n: number): Blocking<number> {
    let result = yield* setRegister(this.#registers, FACTORIAL, { VALUE: n });
    if (result >= 0) result = yield* this.#until(STATUS, (words) => STATUS.COMPUTING.isSet(words));
    if (result < 0) return result;
    const words = yield* getRegister(this.#registers, FACTORIAL);
    return typeof words === 'number' ? words : FACTORIAL.VALUE.get(words);
  }

  *#transfer(source: bigint, destination: bigint, length: number, toMemory: 0 | 1): Blocking<number> {
    if (length < 1 || length > BUFFER_BYTES) return -EINVAL;
    const registers = this.#registers;
    let result = yield* setRegister(registers, DMA_SOURCE, { ADDRESS: source });
    if (result >= 0) result = yield* setRegister(registers, DMA_DESTINATION, { ADDRESS: destination });
    if (result >= 0) result = yield* setRegister(registers, DMA_COUNT, { BYTES: BigInt(length) });
    if (result >= 0) result = yield* setRegister(registers, DMA_COMMAND, { RUN: 1, TO_MEMORY: toMemory });
    return result < 0 ? result : yield* this.#until(DMA_COMMAND, (words) => DMA_COMMAND.RUN.isSet(words));
  }

  /** Waits while the register says that the device is at work. */
  *#until(register: AnyLayout, isBusy: (words: Uint32Array) => boolean): Blocking<number> {
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const words = yield* getRegister(this.#registers, register);
      if (typeof words === 'number') return words;
      if (!isBusy(words)) return 0;
      yield* this.#registers.sleep(POLL_NANOSECONDS);
    }
    return -ETIMEDOUT;
  }
}
