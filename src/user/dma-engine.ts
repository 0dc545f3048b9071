/** A user-space driver of the DMA engine: its registers through the regions of an open VFIO device, and nothing else. */
import { type AnyLayout, encode, joinHalves, type Values, wordsOf } from '../../hardware/bits/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  ErrorCode,
  LENGTH,
  PASID,
  STATUS,
} from '../../hardware/devices/dma-engine/spec.ts';
import { type Blocking, errnoName, VFIO_DEVICE_GET_REGION_INFO } from '../uapi/index.ts';
import type { Program } from './program.ts';

/** How a transfer ended: with the bytes read, or with the device's error, or with the errno of a system call. */
export type DmaResult =
  | { readonly ok: true; readonly data: Uint8Array }
  | { readonly ok: false; readonly error: string };

/** How often STATUS is read, and for how long. */
const POLL_NANOSECONDS = 200;
const MOST_POLLS = 100_000;

export class DmaEngineDriver {
  readonly #program: Program;
  readonly #fd: number;
  /** Where the device's registers lie in the file. */
  readonly #region: bigint;

  private constructor(program: Program, fd: number, region: bigint) {
    this.#program = program;
    this.#fd = fd;
    this.#region = region;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<DmaEngineDriver | number> {
    const question = { index: DMA_ENGINE_BAR };
    const { result, value } = yield* program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, question);
    return result < 0 ? result : new DmaEngineDriver(program, fd, value.offset);
  }

  /** Lets the device read memory at `iova`. */
  *read(iova: bigint, length: number): Blocking<DmaResult> {
    const data = new Uint8Array(length);
    for (let at = 0; at < length; at += BUFFER_BYTES) {
      const part = Math.min(BUFFER_BYTES, length - at);
      const error = yield* this.#transfer(iova + BigInt(at), part, false);
      if (error !== undefined) return { ok: false, error };
      const bytes = yield* this.#program.pread(this.#fd, part, this.#region + BigInt(BUFFER_OFFSET));
      if (typeof bytes === 'number') return failed(bytes);
      data.set(bytes, at);
    }
    return { ok: true, data };
  }

  /**
   * Lets the device write memory at `iova`. Success means that the writes are on their way: a device does not learn what
   * becomes of them.
   */
  *write(iova: bigint, data: Uint8Array): Blocking<DmaResult> {
    for (let at = 0; at < data.length; at += BUFFER_BYTES) {
      const part = data.subarray(at, at + BUFFER_BYTES);
      const written = yield* this.#program.pwrite(this.#fd, part, this.#region + BigInt(BUFFER_OFFSET));
      if (written < 0) return failed(written);
      const error = yield* this.#transfer(iova + BigInt(at), part.length, true);
      if (error !== undefined) return { ok: false, error };
    }
    return { ok: true, data };
  }

  /** One transfer between the device's buffer and memory: the name of what went wrong, if anything did. */
  *#transfer(iova: bigint, length: number, write: boolean): Blocking<string | undefined> {
    let result = yield* this.#set(ADDRESS, { ADDRESS: BigInt.asUintN(64, iova) });
    if (result >= 0) result = yield* this.#set(LENGTH, { LENGTH: length });
    if (result >= 0) result = yield* this.#set(PASID, {});
    if (result >= 0) result = yield* this.#set(COMMAND, { START: 1, WRITE: write ? 1 : 0 });
    if (result < 0) return nameOf(result);
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const status = yield* this.#status();
      if (typeof status === 'number') return nameOf(status);
      if (STATUS.DONE.isSet(status)) return STATUS.ERROR.isSet(status) ? errorOf(status) : undefined;
      yield* this.#program.sleep(POLL_NANOSECONDS);
    }
    return 'the device does not finish';
  }

  *#status(): Blocking<Uint32Array | number> {
    const offset = STATUS.$.offset!;
    const bytes = yield* this.#program.pread(this.#fd, 4, this.#region + BigInt(offset));
    if (typeof bytes === 'number') return bytes;
    const words = new Uint32Array(offset / 4 + 1);
    words[offset / 4] = wordsOf(bytes)[0]!;
    return words;
  }

  *#set<L extends AnyLayout>(register: L, values: Values<L>): Blocking<number> {
    const words = encode(register, values);
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    if (words.length === 1) view.setUint32(0, words[0]!, true);
    else view.setBigUint64(0, joinHalves(words[1]!, words[0]!), true);
    return yield* this.#program.pwrite(this.#fd, bytes, this.#region + BigInt(register.$.offset!));
  }
}

function errorOf(status: Uint32Array): string {
  const code = STATUS.ERROR_CODE.get(status);
  return Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? `error ${code}`;
}

function nameOf(result: number): string {
  return errnoName(result) ?? String(result);
}

function failed(result: number): DmaResult {
  return { ok: false, error: nameOf(result) };
}
