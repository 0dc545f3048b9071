/** A driver of the DMA engine: it knows its registers, and nothing else of the machine. */
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  ErrorCode,
  FAULT_ADDRESS,
  LENGTH,
  PASID,
  STATUS,
} from '../../hardware/devices/dma-engine/spec.ts';
import type { Blocking } from '../uapi/index.ts';
import { type DeviceRegisters, failureName, getRegister, regionOf, setRegister } from './device-registers.ts';
import type { Program } from './program.ts';

/** How a transfer ended: with the bytes read, or with the device's error, or with the errno of a system call. */
export type DmaResult =
  | { readonly ok: true; readonly data: Uint8Array }
  | { readonly ok: false; readonly error: string; readonly faultAddress?: bigint };

/** As whom the device speaks, and what it does about a page that has no translation. */
export interface DmaOptions {
  /** Left out: requests carry none. */
  readonly pasid?: number;
  readonly privileged?: boolean;
  /** Ask for the page (PRI) instead of giving up. */
  readonly requestPages?: boolean;
  /** The end of the transfer is told by MSI, too. */
  readonly interrupt?: boolean;
  /** What the AT field says, whatever the device knows: 2 is translated. */
  readonly addressType?: 0 | 1 | 2;
}

/** How often STATUS is read, and for how long. */
const POLL_NANOSECONDS = 200;
const MOST_POLLS = 100_000;

export class DmaEngineDriver {
  readonly #registers: DeviceRegisters;

  constructor(registers: DeviceRegisters) {
    this.#registers = registers;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<DmaEngineDriver | number> {
    const registers = yield* regionOf(program, fd, DMA_ENGINE_BAR);
    return typeof registers === 'number' ? registers : new DmaEngineDriver(registers);
  }

  /** Lets the device read memory at `iova`. */
  *read(iova: bigint, length: number, options: DmaOptions = {}): Blocking<DmaResult> {
    const data = new Uint8Array(length);
    for (let at = 0; at < length; at += BUFFER_BYTES) {
      const part = Math.min(BUFFER_BYTES, length - at);
      const failure = yield* this.#transfer(iova + BigInt(at), part, false, options);
      if (failure !== undefined) return failure;
      const bytes = yield* this.#registers.read(BUFFER_OFFSET, part);
      if (typeof bytes === 'number') return failed(bytes);
      data.set(bytes, at);
    }
    return { ok: true, data };
  }

  /**
   * Lets the device write memory at `iova`. Success means that the writes are on their way: a device does not learn what
   * becomes of them.
   */
  *write(iova: bigint, data: Uint8Array, options: DmaOptions = {}): Blocking<DmaResult> {
    for (let at = 0; at < data.length; at += BUFFER_BYTES) {
      const part = data.subarray(at, at + BUFFER_BYTES);
      const written = yield* this.#registers.write(BUFFER_OFFSET, part);
      if (written < 0) return failed(written);
      const failure = yield* this.#transfer(iova + BigInt(at), part.length, true, options);
      if (failure !== undefined) return failure;
    }
    return { ok: true, data };
  }

  /** One transfer between the device's buffer and memory: what went wrong, if anything did. */
  *#transfer(iova: bigint, length: number, write: boolean, options: DmaOptions): Blocking<DmaResult | undefined> {
    const { pasid, privileged = false, requestPages = false, interrupt = false, addressType = 0 } = options;
    const registers = this.#registers;
    const who = pasid === undefined ? {} : { VALID: 1, PASID: pasid, PRIVILEGED: privileged ? 1 : 0 };
    const what = {
      WRITE: write ? 1 : 0,
      INTERRUPT_ENABLE: interrupt ? 1 : 0,
      REQUEST_PAGES: requestPages ? 1 : 0,
      ADDRESS_TYPE: addressType,
    };
    let result = yield* setRegister(registers, ADDRESS, { ADDRESS: BigInt.asUintN(64, iova) });
    if (result >= 0) result = yield* setRegister(registers, LENGTH, { LENGTH: length });
    if (result >= 0) result = yield* setRegister(registers, PASID, who);
    if (result >= 0) result = yield* setRegister(registers, COMMAND, { START: 1, ...what });
    if (result < 0) return failed(result);
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const status = yield* getRegister(registers, STATUS);
      if (typeof status === 'number') return failed(status);
      if (STATUS.DONE.isSet(status)) return STATUS.ERROR.isSet(status) ? yield* this.#failure(status) : undefined;
      yield* registers.sleep(POLL_NANOSECONDS);
    }
    return { ok: false, error: 'the device does not finish' };
  }

  *#failure(status: Uint32Array): Blocking<DmaResult> {
    const code = STATUS.ERROR_CODE.get(status);
    const error = STATUS.ERROR_CODE.valueName(status) ?? `error ${code}`;
    if (code !== ErrorCode.NO_TRANSLATION) return { ok: false, error };
    const words = yield* getRegister(this.#registers, FAULT_ADDRESS);
    if (typeof words === 'number') return failed(words);
    return { ok: false, error, faultAddress: FAULT_ADDRESS.ADDRESS.big(words) };
  }
}

function failed(result: number): DmaResult {
  return { ok: false, error: failureName(result) };
}
