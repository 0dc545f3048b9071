/**
 * A user-space driver of the network interface: its registers through the regions of an open VFIO device, its rings and
 * buffers in memory that the program has mapped for the device.
 *
 * It polls and takes no interrupts. Frames of more than one buffer are received, and sent from one.
 */
import { type AnyLayout, bytesOf, encode, joinWords, type Values, wordsOf } from '../../hardware/bits/index.ts';
import {
  DESCRIPTOR,
  DESCRIPTOR_BYTES,
  NIC_BAR,
  QUEUE,
  QUEUE_BYTES,
  QUEUE_CONTROL,
  QUEUE_TAIL,
  RX_QUEUES_AT,
  TX_QUEUES_AT,
} from '../../hardware/devices/nic/spec.ts';
import type { Blocking } from '../uapi/index.ts';
import type { DeviceMemory } from './device-memory.ts';
import { type DeviceRegisters, getRegister, regionOf } from './device-registers.ts';
import type { Program } from './program.ts';

export interface QueueShape {
  /** log2 of the ring's descriptors: 3 to 12. */
  readonly log2: number;
  /** Bytes of each descriptor's buffer, up to 65535. */
  readonly bufferBytes: number;
}

const PAGE = 4096;

/** Bytes of memory that a queue of this shape needs: its ring in whole pages, then its buffers. */
export function bytesOfQueue({ log2, bufferBytes }: QueueShape): number {
  return ringBytes(log2) + 2 ** log2 * bufferBytes;
}

function ringBytes(log2: number): number {
  return Math.ceil((2 ** log2 * DESCRIPTOR_BYTES) / PAGE) * PAGE;
}

export class NicDriver {
  readonly #program: Program;
  readonly #registers: DeviceRegisters;

  private constructor(program: Program, registers: DeviceRegisters) {
    this.#program = program;
    this.#registers = registers;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<NicDriver | number> {
    const registers = yield* regionOf(program, fd, NIC_BAR);
    return typeof registers === 'number' ? registers : new NicDriver(program, registers);
  }

  /** Sets receive queue `n` up in memory of at least `bytesOfQueue`, and gives all its buffers to the device. */
  *receiveQueue(n: number, memory: DeviceMemory, shape: QueueShape): Blocking<ReceiveRing | number> {
    const ring = new ReceiveRing(this.#program, memory, shape, this.#doorbell(RX_QUEUES_AT + n * QUEUE_BYTES));
    const result = yield* this.#enable(RX_QUEUES_AT + n * QUEUE_BYTES, memory, shape);
    if (result < 0) return result;
    const given = yield* ring.fill();
    return given < 0 ? given : ring;
  }

  *transmitQueue(n: number, memory: DeviceMemory, shape: QueueShape): Blocking<TransmitRing | number> {
    const ring = new TransmitRing(this.#program, memory, shape, this.#doorbell(TX_QUEUES_AT + n * QUEUE_BYTES));
    const result = yield* this.#enable(TX_QUEUES_AT + n * QUEUE_BYTES, memory, shape);
    return result < 0 ? result : ring;
  }

  /** The value of a register, or a negative errno: what is counted, for instance. */
  *read(register: AnyLayout): Blocking<bigint> {
    const words = yield* getRegister(this.#registers, register);
    return typeof words === 'number' ? BigInt(words) : joinWords(words, register.$.offset! / 4);
  }

  *#enable(queue: number, { iova }: DeviceMemory, { log2 }: QueueShape): Blocking<number> {
    const words = encode(QUEUE, { BASE: iova >> 6n, SIZE: log2, ENABLE: 1 });
    for (const at of [0, 4, 8, QUEUE_CONTROL]) {
      const result = yield* this.#write(queue + at, words[at / 4]!);
      if (result < 0) return result;
    }
    return 0;
  }

  #doorbell(queue: number): (tail: number) => Blocking<number> {
    return (tail) => this.#write(queue + QUEUE_TAIL, tail);
  }

  #write(offset: number, word: number): Blocking<number> {
    return this.#registers.write(offset, bytesOf(Uint32Array.of(word)));
  }
}

/** A ring in the program's memory: descriptor i has buffer i. */
class DescriptorRing {
  protected readonly size: number;
  protected readonly shape: QueueShape;
  protected readonly program: Program;
  readonly #memory: DeviceMemory;
  readonly #doorbell: (tail: number) => Blocking<number>;
  /** The next descriptor to give, and the next that the device will be done with. */
  protected tail = 0;
  protected head = 0;

  constructor(program: Program, memory: DeviceMemory, shape: QueueShape, doorbell: DescriptorRing['ring']) {
    this.program = program;
    this.shape = shape;
    this.size = 2 ** shape.log2;
    this.#memory = memory;
    this.#doorbell = doorbell;
  }

  /** Descriptors that may still be given. One stays unused, so that a full ring is not an empty one. */
  protected get free(): number {
    return (this.head - this.tail - 1) & (this.size - 1);
  }

  /** Makes the next descriptor; `ring` tells the device. */
  protected give(length: number, end: boolean): void {
    const ADDRESS = this.#memory.iova + this.#bufferOffset(this.tail);
    const values: Values<typeof DESCRIPTOR> = { ADDRESS, LENGTH: length, END: end ? 1 : 0 };
    const words = encode(DESCRIPTOR, values);
    this.program.write(this.#memory.address + BigInt(this.tail * DESCRIPTOR_BYTES), bytesOf(words));
    this.tail = (this.tail + 1) % this.size;
  }

  protected ring(tail: number): Blocking<number> {
    return this.#doorbell(tail);
  }

  /** Words of the oldest descriptor given, if the device is done with it. */
  protected done(at = this.head): Uint32Array | null {
    if (at === this.tail) return null;
    const bytes = this.program.read(this.#memory.address + BigInt(at * DESCRIPTOR_BYTES), DESCRIPTOR_BYTES);
    const words = wordsOf(bytes);
    return DESCRIPTOR.DONE.isSet(words) ? words : null;
  }

  /** Where the program sees the buffer of a descriptor. */
  protected buffer(index: number): bigint {
    return this.#memory.address + this.#bufferOffset(index);
  }

  #bufferOffset(index: number): bigint {
    return BigInt(ringBytes(this.shape.log2) + index * this.shape.bufferBytes);
  }
}

/** A frame as it was received; not whole where buffers ran out. */
export interface Received {
  readonly frame: Uint8Array;
  readonly whole: boolean;
}

export class ReceiveRing extends DescriptorRing {
  /** Gives the device all buffers that are free: 0, or a negative errno. */
  *fill(): Blocking<number> {
    while (this.free > 0) this.give(this.shape.bufferBytes, false);
    const result = yield* this.ring(this.tail);
    return Math.min(result, 0);
  }

  /** The next frame, whose buffers go back to the device; `null` if none is there, or a negative errno. */
  *poll(): Blocking<Received | null | number> {
    const parts: Uint8Array[] = [];
    let at = this.head;
    for (;;) {
      const words = this.done(at);
      if (words === null) return null;
      parts.push(this.program.read(this.buffer(at), DESCRIPTOR.LENGTH.get(words)).slice());
      at = (at + 1) % this.size;
      if (!DESCRIPTOR.END.isSet(words)) continue;
      this.head = at;
      const result = yield* this.fill();
      if (result < 0) return result;
      return { frame: joined(parts), whole: !DESCRIPTOR.ERROR.isSet(words) };
    }
  }
}

export class TransmitRing extends DescriptorRing {
  /** Frames that the device refused. */
  errors = 0;

  /** Hands a frame of one buffer to the device: false while the ring is full, or a negative errno. */
  *send(frame: Uint8Array): Blocking<boolean | number> {
    this.reclaim();
    if (this.free === 0) return false;
    this.program.write(this.buffer(this.tail), frame.subarray(0, this.shape.bufferBytes));
    this.give(Math.min(frame.length, this.shape.bufferBytes), true);
    const result = yield* this.ring(this.tail);
    return result < 0 ? result : true;
  }

  /** Takes back what the device is done with: frames that it has not sent yet. */
  reclaim(): number {
    for (let words = this.done(); words !== null; words = this.done()) {
      if (DESCRIPTOR.ERROR.isSet(words)) this.errors++;
      this.head = (this.head + 1) % this.size;
    }
    return (this.tail - this.head) & (this.size - 1);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const frame = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
