/**
 * A driver of the accelerator, of a program or inside the kernel: registers, portals, completion records in memory that the
 * device sees, and nothing else. It polls; interrupts are not used.
 */
import { type AnyLayout, bytesOf, encode, type Values, wordsOf } from '../../hardware/bits/index.ts';
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
import { type Blocking, EAGAIN } from '../uapi/index.ts';
import {
  type DeviceRegisters,
  failureName,
  getRegister,
  type Portals,
  portalsIn,
  regionOf,
  setRegister,
} from './device-registers.ts';
import type { Program } from './program.ts';

/** Where a completion record goes: 32 bytes, aligned, of memory that the device reaches at `iova`. */
export interface RecordPlace {
  readonly iova: bigint;
  read(length: number): Uint8Array;
  write(bytes: Uint8Array): void;
}

/** A place in memory of a program. */
export function recordIn(program: Program, vaddr: bigint, iova: bigint): RecordPlace {
  return {
    iova,
    read: (length) => program.read(vaddr, length),
    write: (bytes) => program.write(vaddr, bytes),
  };
}

/** What the device is to copy. */
export interface AcceleratorCopy {
  readonly from: bigint;
  readonly to: bigint;
  readonly bytes: number;
  /** Each copy under way needs its own. */
  readonly record: RecordPlace;
  /** Whose addresses these are. Only the kernel can say so: ENQCMD puts in the PASID of the program. */
  readonly pasid?: number;
}

/** What a completion record says, or why there is none: the device's error, or the errno of a system call. */
export type AcceleratorResult =
  | { readonly ok: true; readonly result: number; readonly completed: number }
  | { readonly ok: false; readonly error: string; readonly completed?: number; readonly faultAddress?: bigint };

export interface QueueOptions {
  /** For many PASIDs, by ENQCMD or ENQCMDS; else of the driver alone, by MOVDIR64B. */
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
  readonly #registers: DeviceRegisters;
  readonly #portals: Portals;
  #options: QueueOptions = {};

  constructor(registers: DeviceRegisters, portals: Portals) {
    this.#registers = registers;
    this.#portals = portals;
  }

  /** Takes a bound device into use, or gives the errno. */
  static *open(program: Program, fd: number): Blocking<AcceleratorDriver | number> {
    const registers = yield* regionOf(program, fd, REGISTER_BAR);
    if (typeof registers === 'number') return registers;
    const portals = yield* portalsIn(program, fd, PORTAL_BAR);
    return typeof portals === 'number' ? portals : new AcceleratorDriver(registers, portals);
  }

  /** Resets the device and enables one work queue with all entries and engines: the name of what went wrong, if anything did. */
  *start(options: QueueOptions = {}): Blocking<string | undefined> {
    this.#options = options;
    const reset = yield* this.#command(Command.RESET_DEVICE);
    if (reset !== undefined) return reset;
    const error = yield* this.#configure();
    if (error < 0) return failureName(error);
    return (yield* this.#command(Command.ENABLE_DEVICE)) ?? (yield* this.#command(Command.ENABLE_WQ, QUEUE));
  }

  /** Lets the device copy, and waits until it has. */
  *copy(copy: AcceleratorCopy): Blocking<AcceleratorResult> {
    let handed = yield* this.offer(copy);
    for (let retries = 0; handed === -EAGAIN && retries < MOST_RETRIES; retries++) {
      yield* this.#registers.sleep(POLL_NANOSECONDS);
      handed = yield* this.offer(copy);
    }
    return handed < 0 ? { ok: false, error: failureName(handed) } : yield* this.finish(copy);
  }

  /** Hands a copy over, once: a negative errno where that fails, -EAGAIN when a shared queue puts it off. */
  offer({ from, to, bytes, record, pasid = 0 }: AcceleratorCopy): Blocking<number> {
    const { shared = false, blockOnFault = false } = this.#options;
    const flags = Flag.CRAV | Flag.RCR | (blockOnFault ? Flag.BOF : 0);
    const said = { PASID: pasid, OPCODE: Opcode.MEMMOVE, FLAGS: flags, COMPLETION_ADDR: record.iova };
    const descriptor = bytesOf(encode(MEMMOVE, { ...said, SRC_ADDR: from, DST_ADDR: to, XFER_SIZE: bytes }));
    record.write(new Uint8Array(COMPLETION_BYTES));
    const portal = portalOf(QUEUE, Portal.LIMITED);
    return shared ? this.#portals.enqueue(portal, descriptor) : this.#portals.store(portal, descriptor);
  }

  /** Waits for the completion record of a copy that was handed over. */
  *finish({ record: place }: AcceleratorCopy): Blocking<AcceleratorResult> {
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const record = wordsOf(place.read(COMPLETION_BYTES));
      if (COMPLETION.STATUS.isSet(record)) return resultOf(record);
      yield* this.#registers.sleep(POLL_NANOSECONDS);
    }
    return { ok: false, error: 'the device does not finish' };
  }

  *#configure(): Blocking<number> {
    const { shared = false, blockOnFault = false } = this.#options;
    const general = yield* getRegister(this.#registers, GENCAP);
    if (typeof general === 'number') return general;
    const queues = yield* getRegister(this.#registers, WQCAP);
    if (typeof queues === 'number') return queues;
    const tables = yield* getRegister(this.#registers, TABLE_OFFSETS);
    if (typeof tables === 'number') return tables;
    const entries = WQCAP.TOTAL_WQ_SIZE.get(queues);
    const queue = yield* this.#table(TABLE_OFFSETS.WQCFG.get(tables), WQCFG, {
      SIZE: entries,
      THRESHOLD: entries,
      MODE: shared ? WqMode.SHARED : WqMode.DEDICATED,
      PASID_EN: shared ? 1 : 0,
      BOF: blockOnFault ? 1 : 0,
      PRIORITY: 1,
      MAX_XFER_SHIFT: GENCAP.MAX_XFER_SHIFT.get(general),
      MAX_BATCH_SHIFT: GENCAP.MAX_BATCH_SHIFT.get(general),
      NOOP: 1,
      MEMMOVE: 1,
    });
    if (queue < 0) return queue;
    return yield* this.#table(TABLE_OFFSETS.GRPCFG.get(tables), GRPCFG, { WQS_0: 1 << QUEUE, ENGINES: 1 });
  }

  /** Writes the first entry of a table, word by word: registers take no more than 8 bytes at a time. */
  *#table<L extends AnyLayout>(place: number, layout: L, values: Values<L>): Blocking<number> {
    const bytes = bytesOf(encode(layout, values));
    for (let i = 0; i < bytes.length; i += 4) {
      const written = yield* this.#registers.write(place * TABLE_GRANULE + i, bytes.subarray(i, i + 4));
      if (written < 0) return written;
    }
    return 0;
  }

  /** Gives a command and waits for its end: the name of its error, if it has one. */
  *#command(command: number, operand = 0): Blocking<string | undefined> {
    const written = yield* setRegister(this.#registers, CMD, { CMD: command, OPERAND: operand });
    if (written < 0) return failureName(written);
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const status = yield* getRegister(this.#registers, CMDSTS);
      if (typeof status === 'number') return failureName(status);
      if (!CMDSTS.ACTIVE.isSet(status)) {
        const error = CMDSTS.ERR.get(status);
        return error === CommandError.SUCCESS ? undefined : (CMDSTS.ERR.valueName(status) ?? `command error ${error}`);
      }
      yield* this.#registers.sleep(POLL_NANOSECONDS);
    }
    return 'the device does not finish a command';
  }
}

function resultOf(record: Uint32Array): AcceleratorResult {
  const status = COMPLETION.STATUS.get(record);
  const completed = COMPLETION.BYTES_COMPLETED.get(record);
  if (status === Status.SUCCESS) return { ok: true, result: COMPLETION.RESULT.get(record), completed };
  const error = COMPLETION.STATUS.valueName(record) ?? `status ${status}`;
  return { ok: false, error, completed, faultAddress: COMPLETION.FAULT_ADDR.big(record) };
}
