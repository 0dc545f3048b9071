/**
 * A user-space driver of an NVM Express controller: its registers through an open VFIO device, queues and PRP lists in memory
 * that the program has mapped for the device.
 *
 * One pair of I/O queues, one command at a time; it polls phase tags and takes no interrupts.
 */
import { bytesOf, encode, wordsOf } from '../../hardware/bits/index.ts';
import {
  ACQ,
  AdminOpcode,
  AQA,
  ASQ,
  CC,
  CQE,
  CQE_BYTES,
  CQE_LOG2,
  CREATE_COMPLETION_QUEUE,
  CREATE_QUEUE,
  CREATE_SUBMISSION_QUEUE,
  CSTS,
  headDoorbell,
  NAMESPACE,
  NVME_BAR,
  NvmOpcode,
  PRP_BYTES,
  READ_WRITE,
  SQE,
  SQE_BYTES,
  SQE_LOG2,
  STATUS_CODES,
  statusName,
  tailDoorbell,
} from '../../hardware/devices/nvme/spec/index.ts';
import { type Blocking, EIO } from '../uapi/index.ts';
import type { DeviceMemory } from './device-memory.ts';
import { type DeviceRegisters, failureName, getRegister, regionOf, setRegister } from './device-registers.ts';
import type { Program } from './program.ts';

/** How a command ended: well, or with the name of its status, or with the errno of a system call. */
export type NvmeResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** Data of a command as the device sees it. It needs no list when it lies in two pages. */
export interface NvmeBuffer {
  readonly iova: bigint;
  /** Where the PRP list goes: at a multiple of 8, with the same offset in its page on both sides. */
  readonly list?: DeviceMemory;
}

/** Bytes of memory that the driver needs for its queues, from the beginning of a page on. */
export const NVME_QUEUE_BYTES = 0x4000;

const PAGE = 4096;
const ENTRIES = 32;
const IO_QUEUE = 1;
const POLL_NANOSECONDS = 500;
const MOST_POLLS = 20_000;
const OK: NvmeResult = { ok: true };

/** A submission queue and its completion queue, each in a page. */
interface Pair {
  readonly id: number;
  readonly submissions: DeviceMemory;
  readonly completions: DeviceMemory;
  tail: number;
  head: number;
  phase: number;
}

export class NvmeDriver {
  readonly #program: Program;
  readonly #registers: DeviceRegisters;
  readonly #admin: Pair;
  readonly #io: Pair;
  #cid = 0;

  private constructor(program: Program, registers: DeviceRegisters, memory: DeviceMemory) {
    this.#program = program;
    this.#registers = registers;
    this.#admin = pairAt(0, memory, 0);
    this.#io = pairAt(IO_QUEUE, memory, 2);
  }

  /** Brings a bound device up with its queues in `memory`, which is mapped: the driver, or what went wrong. */
  static *open(program: Program, fd: number, memory: DeviceMemory): Blocking<NvmeDriver | string> {
    const registers = yield* regionOf(program, fd, NVME_BAR);
    if (typeof registers === 'number') return failureName(registers);
    const driver = new NvmeDriver(program, registers, memory);
    const result = yield* driver.#bringUp();
    return result.ok ? driver : result.error;
  }

  /** Lets the device write the blocks from `block` on to memory: `bytes`, a multiple of the size of a block of 512 bytes. */
  read(block: number, bytes: number, buffer: NvmeBuffer): Blocking<NvmeResult> {
    return this.#transfer(NvmOpcode.READ, block, bytes, buffer);
  }

  /** Lets the device read `bytes` of memory for its blocks from `block` on. */
  write(block: number, bytes: number, buffer: NvmeBuffer): Blocking<NvmeResult> {
    return this.#transfer(NvmOpcode.WRITE, block, bytes, buffer);
  }

  *#transfer(OPC: number, SLBA: number, bytes: number, buffer: NvmeBuffer): Blocking<NvmeResult> {
    const words = encode(READ_WRITE, { SLBA, NLB: bytes / 512 - 1 });
    SQE.OPC.set(words, OPC);
    SQE.NSID.set(words, NAMESPACE);
    if (!this.#describe(words, bytes, buffer)) return { ok: false, error: 'the buffer needs a PRP list' };
    return yield* this.#command(this.#io, words);
  }

  /** PRP entries, and the list: false where there is no place for one. */
  #describe(words: Uint32Array, bytes: number, { iova, list }: NvmeBuffer): boolean {
    SQE.PRP1.setBig(words, iova);
    const pages: bigint[] = [];
    for (let at = PAGE - Number(iova % BigInt(PAGE)); at < bytes; at += PAGE) pages.push(iova + BigInt(at));
    if (pages.length === 1) SQE.PRP2.setBig(words, pages[0]!);
    if (pages.length <= 1) return true;
    if (list === undefined) return false;
    SQE.PRP2.setBig(words, list.iova);
    const entries = new BigUint64Array(withPointers(pages, list.iova));
    this.#program.write(list.address, new Uint8Array(entries.buffer));
    return true;
  }

  *#bringUp(): Blocking<NvmeResult> {
    const registers = this.#registers;
    const admin = this.#admin;
    const configuration = { IOSQES: SQE_LOG2, IOCQES: CQE_LOG2 };
    const last = ENTRIES - 1;
    let result = yield* setRegister(registers, CC, {});
    if (result >= 0) result = yield* this.#ready(0);
    if (result >= 0) result = yield* setRegister(registers, AQA, { ASQS: last, ACQS: last });
    if (result >= 0) result = yield* setRegister(registers, ASQ, { ASQB: admin.submissions.iova >> 12n });
    if (result >= 0) result = yield* setRegister(registers, ACQ, { ACQB: admin.completions.iova >> 12n });
    if (result >= 0) result = yield* setRegister(registers, CC, { ...configuration, EN: 1 });
    if (result >= 0) result = yield* this.#ready(1);
    if (result < 0) return { ok: false, error: failureName(result) };
    const created = yield* this.#create(AdminOpcode.CREATE_IO_COMPLETION_QUEUE, this.#io.completions.iova);
    if (!created.ok) return created;
    return yield* this.#create(AdminOpcode.CREATE_IO_SUBMISSION_QUEUE, this.#io.submissions.iova);
  }

  /** Waits until the controller is ready, or is not: 0, or a negative errno; -EIO when it does not get there. */
  *#ready(ready: number): Blocking<number> {
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const status = yield* getRegister(this.#registers, CSTS);
      if (typeof status === 'number') return status;
      if (CSTS.CFS.isSet(status) && ready === 1) break;
      if (CSTS.RDY.get(status) === ready) return 0;
      yield* this.#registers.sleep(POLL_NANOSECONDS);
    }
    return -EIO;
  }

  *#create(OPC: number, base: bigint): Blocking<NvmeResult> {
    const words = encode(CREATE_QUEUE, { QID: IO_QUEUE, QSIZE: ENTRIES - 1, PC: 1 });
    SQE.OPC.set(words, OPC);
    SQE.PRP1.setBig(words, base);
    if (OPC === AdminOpcode.CREATE_IO_SUBMISSION_QUEUE) CREATE_SUBMISSION_QUEUE.CQID.set(words, IO_QUEUE);
    else CREATE_COMPLETION_QUEUE.IEN.set(words, 0);
    return yield* this.#command(this.#admin, words);
  }

  /** Submits one command and polls for its completion. */
  *#command(pair: Pair, words: Uint32Array): Blocking<NvmeResult> {
    const program = this.#program;
    SQE.CID.set(words, this.#cid++ % 0x1_0000);
    program.write(pair.submissions.address + BigInt(pair.tail * SQE_BYTES), bytesOf(words));
    pair.tail = (pair.tail + 1) % ENTRIES;
    const rung = yield* this.#doorbell(tailDoorbell(pair.id), pair.tail);
    if (rung < 0) return { ok: false, error: failureName(rung) };
    for (let polls = 0; polls < MOST_POLLS; polls++) {
      const entry = wordsOf(program.read(pair.completions.address + BigInt(pair.head * CQE_BYTES), CQE_BYTES));
      if (CQE.P.get(entry) === pair.phase) return yield* this.#finish(pair, entry);
      yield* program.sleep(POLL_NANOSECONDS);
    }
    return { ok: false, error: 'the controller does not answer' };
  }

  *#finish(pair: Pair, entry: Uint32Array): Blocking<NvmeResult> {
    pair.head = (pair.head + 1) % ENTRIES;
    if (pair.head === 0) pair.phase ^= 1;
    const rung = yield* this.#doorbell(headDoorbell(pair.id), pair.head);
    if (rung < 0) return { ok: false, error: failureName(rung) };
    const status = CQE.SCT.get(entry) * STATUS_CODES + CQE.SC.get(entry);
    return status === 0 ? OK : { ok: false, error: statusName(status) };
  }

  #doorbell(offset: number, value: number): Blocking<number> {
    return this.#registers.write(offset, bytesOf(Uint32Array.of(value)));
  }
}

/** A list of pages that begins at `start`: where it does not fit, the last entry of a page points to the next one. */
function withPointers(pages: readonly bigint[], start: bigint): bigint[] {
  const list: bigint[] = [];
  for (const [i, page] of pages.entries()) {
    const at = start + BigInt(list.length * PRP_BYTES);
    const isLastOfPage = at % BigInt(PAGE) === BigInt(PAGE - PRP_BYTES);
    if (isLastOfPage && i < pages.length - 1) list.push(at + BigInt(PRP_BYTES));
    list.push(page);
  }
  return list;
}

function pairAt(id: number, { address, iova }: DeviceMemory, page: number): Pair {
  const at = (n: number) => ({ address: address + BigInt(n * PAGE), iova: iova + BigInt(n * PAGE) });
  return { id, submissions: at(page), completions: at(page + 1), tail: 0, head: 0, phase: 1 };
}
