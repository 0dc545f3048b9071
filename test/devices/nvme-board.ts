/** An NVM Express controller on a board, and software that knows its data sheet: admin queues, I/O queues, commands. */
import { NVME, Nvme, type NvmeSpec } from '../../hardware/devices/nvme/index.ts';
import type { Engine } from '../../hardware/sim/index.ts';
import { type BoardSpec, DeviceBoard, RID } from './device-board.ts';

/** A completion queue entry as its bytes say. */
export interface Completion {
  readonly cid: number;
  /** Status Code Type above, Status Code in the low byte. */
  readonly status: number;
  readonly result: number;
  readonly sqhd: number;
  readonly sqid: number;
  readonly phase: number;
  readonly doNotRetry: boolean;
}

/** What of a submission queue entry is not 0. */
export interface Fields {
  readonly opcode: number;
  readonly flags?: number;
  readonly nsid?: number;
  readonly prp1?: number | bigint;
  readonly prp2?: number | bigint;
  /** Dwords 10 to 15. */
  readonly dwords?: readonly number[];
}

interface Pair {
  readonly id: number;
  readonly size: number;
  readonly sq: number;
  readonly cq: number;
  tail: number;
  head: number;
  phase: number;
}

export const ASQ_AT = 0x1_0000;
export const ACQ_AT = 0x1_1000;
export const ADMIN_ENTRIES = 32;
/** Where identify data and the like may go. */
export const SCRATCH = 0x8_0000;
export const CC_ENABLED = 0x0046_0001;

export class NvmeBoard extends DeviceBoard<Nvme> {
  readonly admin: Pair = { id: 0, size: ADMIN_ENTRIES, sq: ASQ_AT, cq: ACQ_AT, tail: 0, head: 0, phase: 1 };
  #cid = 0;

  constructor(spec: Partial<NvmeSpec> = {}, board: BoardSpec = {}) {
    super((engine: Engine) => new Nvme(engine, { ...NVME, files: [], ...spec, name: 'nvme', requester: RID }), board);
  }

  enableMsix(count: number): this {
    return this.enableVectors(0x2000, count);
  }

  get csts(): number {
    return Number(this.read(0x1c));
  }

  /** Sets the admin queues up and enables the controller. */
  enable(cc = CC_ENABLED): this {
    const last = ADMIN_ENTRIES - 1;
    this.write(0x24, 4, last | (last << 16));
    this.write(0x28, 8, ASQ_AT);
    this.write(0x30, 8, ACQ_AT);
    this.memory.write(ACQ_AT, new Uint8Array(ADMIN_ENTRIES * 16));
    this.write(0x14, 4, cc);
    this.engine.run();
    Object.assign(this.admin, { tail: 0, head: 0, phase: 1 });
    return this;
  }

  /** Puts an entry into a submission queue, without telling anybody: its command identifier. */
  put(pair: Pair, fields: Fields): number {
    const cid = this.#cid++ & 0xffff;
    this.memory.write(pair.sq + pair.tail * 64, entryOf(cid, fields));
    pair.tail = (pair.tail + 1) % pair.size;
    return cid;
  }

  /** Rings the tail doorbell, and lets everything happen that it leads to. */
  ring(pair: Pair): void {
    this.write(0x1000 + pair.id * 8, 4, pair.tail);
    this.engine.run();
  }

  /** The completions that are new, taken from the queue. */
  take(pair: Pair): Completion[] {
    const taken: Completion[] = [];
    for (;;) {
      const entry = this.completionAt(pair.cq + pair.head * 16);
      if (entry.phase !== pair.phase) break;
      taken.push(entry);
      pair.head = (pair.head + 1) % pair.size;
      if (pair.head === 0) pair.phase ^= 1;
    }
    if (taken.length > 0) this.write(0x1004 + pair.id * 8, 4, pair.head);
    this.engine.run();
    return taken;
  }

  /** One command and its completion. */
  command(pair: Pair, fields: Fields): Completion {
    const cid = this.put(pair, fields);
    this.ring(pair);
    const [first, ...more] = this.take(pair);
    if (first?.cid !== cid || more.length > 0) throw new Error(`command ${cid} was not completed as the only one`);
    return first;
  }

  /** As `command`, in the admin queue: its status. */
  status(fields: Fields): number {
    return this.command(this.admin, fields).status;
  }

  /** Creates I/O queues of both kinds with the same number. */
  createPair(id: number, size: number, at: number, vector = id): Pair {
    const pair = { id, size, sq: at, cq: at + size * 64, tail: 0, head: 0, phase: 1 };
    const cq = Math.ceil(pair.cq / 4096) * 4096;
    const numbers = id | ((size - 1) << 16);
    const created = [
      this.status({ opcode: 0x05, prp1: cq, dwords: [numbers, (vector << 16) | 0b11] }),
      this.status({ opcode: 0x01, prp1: at, dwords: [numbers, (id << 16) | 1] }),
    ];
    if (created.some((status) => status !== 0)) throw new Error(`queues ${id}: ${created.join()}`);
    return { ...pair, cq };
  }

  completionAt(address: number): Completion {
    const bytes = this.memory.read(address, 16)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const last = view.getUint16(14, true);
    return {
      result: view.getUint32(0, true),
      sqhd: view.getUint16(8, true),
      sqid: view.getUint16(10, true),
      cid: view.getUint16(12, true),
      phase: last & 1,
      status: (last >>> 1) & 0x7ff,
      doNotRetry: last >>> 15 === 1,
    };
  }

  /** Writes addresses of 8 bytes one after the other. */
  list(at: number, entries: readonly (number | bigint)[]): void {
    const bytes = new Uint8Array(entries.length * 8);
    const view = new DataView(bytes.buffer);
    entries.forEach((entry, i) => {
      view.setBigUint64(i * 8, BigInt(entry), true);
    });
    this.memory.write(at, bytes);
  }
}

export function entryOf(cid: number, { opcode, flags = 0, nsid = 0, prp1 = 0, prp2 = 0, dwords = [] }: Fields) {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set([opcode, flags]);
  view.setUint16(2, cid, true);
  view.setUint32(4, nsid, true);
  view.setBigUint64(24, BigInt(prp1), true);
  view.setBigUint64(32, BigInt(prp2), true);
  dwords.forEach((dword, i) => {
    view.setUint32(40 + i * 4, dword, true);
  });
  return bytes;
}

/** Bytes that differ from page to page. */
export function patternOf(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 13 + (i >>> 8) * 5 + seed);
}

export type { Pair };
