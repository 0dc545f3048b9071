/** A receive queue: holds frames that have arrived, and puts them into the buffers that software has given. */
import { Gate, type Script } from '../../sim/index.ts';
import { Queue, type QueuePlace } from './queue.ts';
import type { Descriptor, Ring } from './ring.ts';
import { DESCRIPTOR } from './spec.ts';
import type { Statistics } from './statistics.ts';

export class ReceiveQueue extends Queue {
  readonly #statistics: Statistics;
  /** Bytes of frames that all queues together may hold. */
  readonly #room: FrameRoom;
  readonly #frames: Uint8Array[] = [];
  readonly #arrived: Gate;

  constructor(place: QueuePlace, name: string, offset: number, statistics: Statistics, room: FrameRoom) {
    super(place, name, offset);
    this.#statistics = statistics;
    this.#room = room;
    this.#arrived = new Gate(place.engine, `a frame for ${name}`);
  }

  /** A frame for this queue has arrived. */
  deliver(frame: Uint8Array): void {
    if (!this.#room.take(frame.length)) {
      this.#statistics.overrun();
      return;
    }
    this.#frames.push(frame);
    this.#arrived.notify();
  }

  protected forget(): void {
    for (const frame of this.#frames) {
      this.#room.give(frame.length);
      this.#statistics.dropped();
    }
    this.#frames.length = 0;
    this.#arrived.notify();
  }

  protected *work(ring: Ring): Script {
    while (ring.isAlive) {
      const frame = this.#frames[0];
      if (frame !== undefined) yield* this.#receive(ring, frame);
      else {
        yield* ring.flush();
        if (ring.isAlive && this.#frames.length === 0) yield this.#arrived.wait();
      }
    }
  }

  *#receive(ring: Ring, frame: Uint8Array): Script {
    let filled: { descriptor: Descriptor; length: number } | null = null;
    let from = 0;
    while (from < frame.length) {
      const descriptor = yield* ring.take();
      if (!ring.isAlive) return;
      if (filled !== null) {
        // That was not its last buffer, unless there is none left.
        const flags = { end: descriptor === null, error: descriptor === null };
        yield* ring.complete(filled.descriptor, filled.length, flags);
        filled = null;
      }
      if (descriptor === null) break;
      const length = Math.min(DESCRIPTOR.LENGTH.get(descriptor.words), frame.length - from);
      if (length === 0) {
        yield* ring.complete(descriptor, 0, { end: false, error: true });
        continue;
      }
      const bytes = frame.length === length ? frame : frame.subarray(from, from + length);
      yield* this.place.dma.write(ring.buffer(descriptor), bytes);
      if (!ring.isAlive) return;
      filled = { descriptor, length };
      from += length;
    }
    if (filled !== null) yield* ring.complete(filled.descriptor, filled.length, { end: true, error: false });
    if (!ring.isAlive) return;
    this.#frames.shift();
    this.#room.give(frame.length);
    this.#statistics.received(from === frame.length ? frame.length : null);
  }
}

/** Memory on the device for frames that have arrived. */
export class FrameRoom {
  readonly #bytes: number;
  #used = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** False, and nothing is taken, when there is not as much left. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytes) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
