/** A network interface on a board, and software that knows its data sheet: rings, buffers, doorbells. */
import { encode } from '../../hardware/bits/index.ts';
import { NIC, Nic, type NicSpec } from '../../hardware/devices/nic/index.ts';
import { DESCRIPTOR, QUEUE_BYTES, RX_QUEUES_AT, TX_QUEUES_AT } from '../../hardware/devices/nic/spec.ts';
import type { Engine } from '../../hardware/sim/index.ts';
import { type BoardSpec, DeviceBoard, RID } from './device-board.ts';

/** Bits of a written-back descriptor's second word and up: LENGTH, END, DONE, ERROR. */
export interface WrittenBack {
  readonly length: number;
  readonly end: boolean;
  readonly done: boolean;
  readonly error: boolean;
}

export interface QueueSettings {
  readonly base: number;
  readonly log2: number;
  readonly headAt?: number;
  readonly interrupts?: boolean;
  readonly time?: number;
  readonly count?: number;
  readonly vector?: number;
}

export interface Part {
  readonly address: number | bigint;
  readonly length: number;
  readonly end?: boolean;
}

export class NicBoard extends DeviceBoard<Nic> {
  /** Frames that left, and when. */
  readonly sent: { frame: Uint8Array; at: number }[] = [];

  constructor(spec: Partial<NicSpec> = {}, board: BoardSpec = {}) {
    super((engine: Engine) => new Nic(engine, { ...NIC, ...spec, name: 'nic', requester: RID }), board);
    this.device.wire.onFrame = (frame) => this.sent.push({ frame, at: this.engine.now });
  }

  enableMsix(count: number): this {
    return this.enableVectors(0x8000, count);
  }

  /** Sets a queue up and enables it. */
  open(at: number, { base, log2, headAt, interrupts, time = 0, count = 0, vector = 0 }: QueueSettings): void {
    this.write(at, 8, base);
    this.write(at + 0x08, 4, log2);
    this.write(at + 0x18, 8, headAt === undefined ? 0 : headAt + 1);
    this.write(at + 0x20, 4, time + count * 2 ** 20);
    this.write(at + 0x24, 4, vector);
    this.write(at + 0x0c, 4, interrupts ? 0b11 : 0b01);
  }

  put(base: number, index: number, { address, length, end = false }: Part): void {
    const words = encode(DESCRIPTOR, {
      ADDRESS: BigInt(address),
      LENGTH: length,
      END: end ? 1 : 0,
      COOKIE: 0xc0000 + index,
    });
    this.memory.write(base + index * 16, new Uint8Array(words.buffer));
  }

  back(base: number, index: number): WrittenBack {
    const bytes = this.memory.read(base + index * 16, 16)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const flags = bytes[11]!;
    return {
      length: view.getUint16(8, true),
      end: (bytes[10]! & 1) !== 0,
      done: (flags & 1) !== 0,
      error: (flags & 2) !== 0,
    };
  }

  /** Rings the doorbell, and lets everything happen that it leads to. */
  tail(at: number, index: number): void {
    this.write(at + 0x10, 4, index);
    this.engine.run();
  }

  head(at: number): number {
    return Number(this.read(at + 0x14));
  }

  count(offset: number): number {
    return Number(this.read(offset, 8));
  }

  /** Lets frames arrive at line rate, and everything happen. */
  pour(frames: Iterable<Uint8Array>): void {
    this.engine.spawn(this.device.wire.arrive(frames));
    this.engine.run();
  }
}

export const rx = (n: number) => RX_QUEUES_AT + n * QUEUE_BYTES;
export const tx = (n: number) => TX_QUEUES_AT + n * QUEUE_BYTES;

export const RX_PACKETS = 0x40;
export const RX_BYTES = 0x48;
export const RX_DROPPED = 0x50;
export const RX_OVERRUN = 0x58;
export const RX_TOO_LONG = 0x60;
export const TX_PACKETS = 0x68;
export const TX_BYTES = 0x70;
export const TX_ERRORS = 0x78;

/** A frame for the queue whose number is `steer`, with bytes that differ from those of other seeds. */
export function frameOf(length: number, seed = 1, steer = 0): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => ((i * 7 + seed * 31) % 255) + 1);
  frame[5] = steer;
  return frame;
}
