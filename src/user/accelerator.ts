/**
 * A user-space driver of the accelerator: registers and portals through the regions of an open VFIO device, completion
 * records in memory that the device sees, and nothing else. It polls; interrupts are not used.
 */
import { type AnyLayout, encode, joinWords, type Values, wordsOf } from '../../hardware/bits/index.ts';
import {
  CMD,
  CMDSTS,
  COMPLETION,
  COMPLETION_BYTES,
  Command,
  CommandError,
  Flag,
  GENCAP,
  GRPCFG,
  MEMMOVE,
  Opcode,
  PORTAL_BAR,
  Portal,
  portalOf,
  REGISTER_BAR,
  Status,
  TABLE_GRANULE,
  TABLE_OFFSETS,
  WQCAP,
  WQCFG,
  WqMode,
} from '../../hardware/devices/accelerator/spec/index.ts';
import { type Blocking, EAGAIN, errnoName, VFIO_DEVICE_GET_REGION_INFO } from '../uapi/index.ts';
import type { Program } from './program.ts';

/** Memory of the program that the device reaches, too. */
export interface SharedMemory {
  readonly vaddr: bigint;
  readonly iova: bigint;
}

/** What a completion record says, or why there is none: the device's error, or the errno of a system call. */
export type AcceleratorResult =
  | { readonly ok: true; readonly result: number; readonly completed: number }
  | { readonly ok: false; readonly error: string; readonly completed?: number; readonly faultAddress?: bigint };

export interface QueueOptions {
  /** Under the program's PASID, by ENQCMD; else of the program alone, by MOVDIR64B. */
  readonly shared?: boolean;
  /** The device waits for pages that are not there. */
  readonly blockOnFault?: boolean;
}

/** How often memory or a register is read, and for how long. */
const POLL_NANOSECONDS = 200;
const MOST_POLLS = 100_000;
/** How often a descriptor is offered that the device puts off. */
const MOST_RETRIES = 32;

/** The one work queue that this driver uses. */
const QUEUE = 0;

export class AcceleratorDriver {
  readonly #program: Program;
  readonly #fd: number;
  readonly #registers: bigint;
  readonly #portals: bigint;
  readonly #record: SharedMemory;
  #options: QueueOptions = {};

  private constructor(
    program: Program,
    fd: number,
    [registers, portals]: readonly [bigint, bigint],
    record: SharedMemory,
  ) {
    this.#program = program;
    this.#fd = fd;
    this.#registers = registers;
    this.#portals = portals;
    this.#record = record;
  }

  /** Takes a bound device into use, or gives the errno. Completion records go to the 32 bytes, aligned, at `record`. */
  static *open(program: Program, fd: number, record: SharedMemory): Blocking<AcceleratorDriver | number> {
    const regions: bigint[] = [];
    for (const index of [REGISTER_BAR, PORTAL_BAR]) {
      const { result, value } = yield* program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, { index });
      if (result < 0) return result;
      regions.push(value.offset);
    }
    return new AcceleratorDriver(program, fd, [regions[0]!, regions[1]!], record);
  }

  /** Resets the device and enables one work queue with all entries and engines: the name of what went wrong, if anything did. */
  *start(options: QueueOptions = {}): Blocking<string | undefined> {
    this.#options = options;
    const reset = yield* this.#command(Command.RESET_DEVICE);
    if (reset !== undefined) return reset;
    const error = yield* this.#configure();
    if (error < 0) return nameOf(error);
    return (yield* this.#command(Command.ENABLE_DEVICE)) ?? (yield* this.#command(Command.ENABLE_WQ, QUEUE));
  }

  /** Lets the device copy. */
  copy(from: bigint, to: bigint, bytes: number): Blocking<AcceleratorResult> {
    const { blockOnFault = false } = this.#options;
    const flags = Flag.CRAV | Flag.RCR | (blockOnFault ? Flag.BOF : 0);
    const said = { OPCODE: Opcode.MEMMOVE, FLAGS: flags, COMPLETION_ADDR: this.#record.iova };
    return this.submit(encode(MEMMOVE, { ...said, SRC_ADDR: from, DST_ADDR: to, XFER_SIZE: bytes }));
  }

  /** Hands a descriptor over that asks for its completion record at this driver's place, and waits for the record. */
  *submit(descriptor: Uint32Array): Blocking<AcceleratorResult> {
    this.#program.write(this.#record.vaddr, new Uint8Array(COMPLETION_BYTES));
    const handed = yield* this.#hand(toBytes(descriptor));
    if (handed < 0) return { ok: false, error: nameOf(handed) };
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const record = wordsOf(this.#program.read(this.#record.vaddr, COMPLETION_BYTES));
      if (COMPLETION.STATUS.isSet(record)) return resultOf(record);
      yield* this.#program.sleep(POLL_NANOSECONDS);
    }
    return { ok: false, error: 'the device does not finish' };
  }

  *#hand(descriptor: Uint8Array): Blocking<number> {
    const at = this.#portals + BigInt(portalOf(QUEUE, Portal.LIMITED));
    if (this.#options.shared !== true) return yield* this.#program.pwrite(this.#fd, descriptor, at);
    let result = yield* this.#program.enqcmd(this.#fd, descriptor, at);
    for (let retries = 0; result === -EAGAIN && retries < MOST_RETRIES; retries++) {
      yield* this.#program.sleep(POLL_NANOSECONDS);
      result = yield* this.#program.enqcmd(this.#fd, descriptor, at);
    }
    return result;
  }

  *#configure(): Blocking<number> {
    const { shared = false, blockOnFault = false } = this.#options;
    const general = yield* this.#read(GENCAP);
    const queues = yield* this.#read(WQCAP);
    const tables = yield* this.#read(TABLE_OFFSETS);
    if (typeof general === 'number') return general;
    if (typeof queues === 'number') return queues;
    if (typeof tables === 'number') return tables;
    const entries = fieldOf(WQCAP.TOTAL_WQ_SIZE, queues);
    const queue = yield* this.#table(fieldOf(TABLE_OFFSETS.WQCFG, tables), WQCFG, {
      SIZE: entries,
      THRESHOLD: entries,
      MODE: shared ? WqMode.SHARED : WqMode.DEDICATED,
      PASID_EN: shared ? 1 : 0,
      BOF: blockOnFault ? 1 : 0,
      PRIORITY: 1,
      MAX_XFER_SHIFT: fieldOf(GENCAP.MAX_XFER_SHIFT, general),
      MAX_BATCH_SHIFT: fieldOf(GENCAP.MAX_BATCH_SHIFT, general),
      NOOP: 1,
      MEMMOVE: 1,
    });
    if (queue < 0) return queue;
    return yield* this.#table(fieldOf(TABLE_OFFSETS.GRPCFG, tables), GRPCFG, { WQS_0: 1 << QUEUE, ENGINES: 1 });
  }

  /** Writes the first entry of a table. */
  *#table<L extends AnyLayout>(place: number, layout: L, values: Values<L>): Blocking<number> {
    const at = this.#registers + BigInt(place * TABLE_GRANULE);
    const bytes = toBytes(encode(layout, values));
    // Word by word: registers take no more than 8 bytes at a time.
    for (let i = 0; i < bytes.length; i += 4) {
      const written = yield* this.#program.pwrite(this.#fd, bytes.subarray(i, i + 4), at + BigInt(i));
      if (written < 0) return written;
    }
    return 0;
  }

  /** Gives a command and waits for its end: the name of its error, if it has one. */
  *#command(command: number, operand = 0): Blocking<string | undefined> {
    const bytes = toBytes(encode(CMD, { CMD: command, OPERAND: operand }));
    const written = yield* this.#program.pwrite(this.#fd, bytes, this.#registers + BigInt(CMD.$.offset!));
    if (written < 0) return nameOf(written);
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const status = yield* this.#read(CMDSTS);
      if (typeof status === 'number') return nameOf(status);
      if (fieldOf(CMDSTS.ACTIVE, status) === 0) {
        const error = fieldOf(CMDSTS.ERR, status);
        return error === CommandError.SUCCESS ? undefined : (nameIn(CommandError, error) ?? `command error ${error}`);
      }
      yield* this.#program.sleep(POLL_NANOSECONDS);
    }
    return 'the device does not finish a command';
  }

  /** A register, or an errno as a number. */
  *#read({ $ }: AnyLayout): Blocking<bigint | number> {
    const bytes = yield* this.#program.pread(this.#fd, $.bits / 8, this.#registers + BigInt($.offset!));
    return typeof bytes === 'number' ? bytes : joinWords(wordsOf(bytes));
  }
}

/** A field of a register that was read. */
function fieldOf({ spec, width }: (typeof CMDSTS)['ERR'], register: bigint): number {
  return Number(BigInt.asUintN(width, register >> BigInt(spec.lo)));
}

function resultOf(record: Uint32Array): AcceleratorResult {
  const status = COMPLETION.STATUS.get(record);
  const completed = COMPLETION.BYTES_COMPLETED.get(record);
  if (status === Status.SUCCESS) return { ok: true, result: COMPLETION.RESULT.get(record), completed };
  const error = nameIn(Status, status) ?? `status ${status}`;
  return { ok: false, error, completed, faultAddress: COMPLETION.FAULT_ADDR.big(record) };
}

function nameIn(names: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.entries(names).find(([, one]) => one === value)?.[0];
}

function nameOf(result: number): string {
  return errnoName(result) ?? String(result);
}

function toBytes(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(i * 4, word, true);
  });
  return bytes;
}
