/**
 * A transmit queue: gathers the parts of frames from memory, several frames at a time, and sends them in their order.
 *
 * Descriptors of a frame that is too long are consumed without being read.
 */
import { DmaStatus } from '../../pcie/index.ts';
import { Gate, type Script } from '../../sim/index.ts';
import { Queue, type QueuePlace } from './queue.ts';
import type { Descriptor, Ring } from './ring.ts';
import { DESCRIPTOR } from './spec.ts';
import type { Statistics } from './statistics.ts';
import type { Wire } from './wire.ts';

/** A frame on its way from memory to the wire. */
interface Outgoing {
  readonly parts: readonly Descriptor[];
  readonly frame: Uint8Array;
  state: 'read' | 'ready' | 'failed';
}

export interface TransmitSpec {
  /** Frames that are read at a time. */
  readonly frames: number;
  /** Largest frame that may be sent now, in bytes. */
  readonly longest: () => number;
}

export class TransmitQueue extends Queue {
  readonly #statistics: Statistics;
  readonly #wire: Wire;
  readonly #spec: TransmitSpec;
  /** Frames in the order in which they are sent. */
  #outgoing: Outgoing[] = [];
  readonly #changed: Gate;

  constructor(
    place: QueuePlace,
    { name, offset }: { readonly name: string; readonly offset: number },
    { statistics, wire }: { readonly statistics: Statistics; readonly wire: Wire },
    spec: TransmitSpec,
  ) {
    super(place, name, offset);
    this.#statistics = statistics;
    this.#wire = wire;
    this.#spec = spec;
    this.#changed = new Gate(place.engine, `a frame from ${name}`);
  }

  protected forget(): void {
    this.#outgoing = [];
    this.#changed.notify();
  }

  protected *work(ring: Ring): Script {
    const { engine } = this.place;
    engine.spawn(this.#send(ring), `${this.name} to the wire`);
    while (ring.isAlive) {
      while (ring.isAlive && this.#outgoing.length >= this.#spec.frames) yield this.#changed.wait();
      const outgoing = yield* this.#gather(ring);
      if (outgoing === null) return;
      this.#outgoing.push(outgoing);
      engine.spawn(this.#read(ring, outgoing), `${this.name} from memory`);
    }
  }

  /** The descriptors of the next frame; `null` when the queue has stopped. */
  *#gather(ring: Ring): Script<Outgoing | null> {
    const parts: Descriptor[] = [];
    let bytes = 0;
    for (;;) {
      const part = yield* ring.take();
      if (!ring.isAlive) return null;
      if (part === null) {
        yield* ring.change();
        continue;
      }
      bytes += DESCRIPTOR.LENGTH.get(part.words);
      parts.push(part);
      // A ring without END has no frame, and its descriptors come around again.
      if (DESCRIPTOR.END.isSet(part.words) || parts.length === ring.registers.size - 1) break;
    }
    const isWhole = DESCRIPTOR.END.isSet(parts.at(-1)!.words) && bytes > 0 && bytes <= this.#spec.longest();
    return { parts, frame: new Uint8Array(isWhole ? bytes : 0), state: isWhole ? 'read' : 'failed' };
  }

  *#read(ring: Ring, outgoing: Outgoing): Script {
    const { frame, parts } = outgoing;
    let from = 0;
    for (const part of outgoing.state === 'failed' ? [] : parts) {
      const length = DESCRIPTOR.LENGTH.get(part.words);
      if (length === 0) continue;
      const into = frame.subarray(from, from + length);
      const { status } = yield* this.place.dma.read(ring.buffer(part), length, into);
      if (!ring.isAlive) return;
      if (status !== DmaStatus.SUCCESS) outgoing.state = 'failed';
      from += length;
    }
    if (outgoing.state === 'read') outgoing.state = 'ready';
    this.#changed.notify();
  }

  *#send(ring: Ring): Script {
    while (ring.isAlive) {
      const outgoing = this.#outgoing[0];
      if (outgoing === undefined || outgoing.state === 'read') {
        yield* ring.flush();
        const isIdle = (this.#outgoing[0]?.state ?? 'read') === 'read';
        if (ring.isAlive && isIdle) yield this.#changed.wait();
        continue;
      }
      const { frame, parts, state } = outgoing;
      const failed = state === 'failed';
      if (!failed) yield* this.#wire.leave(frame);
      if (!ring.isAlive) return;
      if (!failed) this.#wire.onFrame(frame);
      this.#statistics.sent(failed ? null : frame.length);
      for (const part of parts) {
        const length = failed ? 0 : DESCRIPTOR.LENGTH.get(part.words);
        yield* ring.complete(part, length, { end: part === parts.at(-1), error: failed });
        if (!ring.isAlive) return;
      }
      this.#outgoing.shift();
      this.#changed.notify();
    }
  }
}
