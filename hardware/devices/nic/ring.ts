/**
 * A descriptor ring in memory, from the device's side: reads descriptors ahead in batches, writes them back in their order
 * in batches, moves HEAD, and has the queue interrupt.
 *
 * Offers: `take` the next descriptor, `complete` it, `flush` what is complete; `doorbell`, `stop`.
 * Needs: the queue's registers, a `Dma`, a moderation.
 */
import { bytesOf, wordsOf } from '../../bits/index.ts';
import { beyond, type Dma, DmaStatus, type DmaTarget } from '../../pcie/index.ts';
import { type Engine, Gate, type Script } from '../../sim/index.ts';
import type { Moderation } from './moderation.ts';
import type { QueueRegisters } from './queue-registers.ts';
import { DESCRIPTOR, DESCRIPTOR_BYTES } from './spec.ts';

/** A descriptor that the device works on. */
export interface Descriptor {
  readonly index: number;
  /** As it was read; `complete` changes it. */
  readonly words: Uint32Array;
}

export interface RingSpec {
  /** Descriptors that are read at a time, and up to twice as many are kept. */
  readonly prefetch: number;
  /** Descriptors that are written back at a time when there are as many. */
  readonly writeBack: number;
}

const WORDS = DESCRIPTOR_BYTES / 4;

export class Ring {
  readonly registers: QueueRegisters;
  /** False once the queue was stopped: whoever works on the ring ends. */
  isAlive = true;
  readonly #dma: Dma;
  readonly #engine: Engine;
  readonly #spec: RingSpec;
  readonly #moderation: Moderation;
  readonly #ready: Descriptor[] = [];
  readonly #changed: Gate;
  readonly #onFault: () => void;
  /** Next descriptor to read. */
  #next = 0;
  #isReading = false;
  /** Completed and not written back: they are consecutive, and do not go around the end. */
  #done: Descriptor[] = [];

  constructor(engine: Engine, dma: Dma, spec: RingSpec, queue: RingQueue) {
    this.registers = queue.registers;
    this.#engine = engine;
    this.#dma = dma;
    this.#spec = spec;
    this.#moderation = queue.moderation;
    this.#onFault = queue.onFault;
    this.#changed = new Gate(engine, `descriptors of ${queue.name}`);
  }

  /** Software has moved TAIL. */
  doorbell(): void {
    this.#readAhead();
    this.#changed.notify();
  }

  /** Nothing of this ring goes on. */
  stop(): void {
    this.isAlive = false;
    this.#changed.notify();
  }

  /** The next descriptor, which may have to be read first; `null` when software has given no more, or the queue has stopped. */
  *take(): Script<Descriptor | null> {
    while (this.isAlive && this.#ready.length === 0 && this.#isReading) yield this.#changed.wait();
    if (!this.isAlive) return null;
    const descriptor = this.#ready.shift() ?? null;
    this.#readAhead();
    return descriptor;
  }

  /** Waits until software has moved TAIL, a read has ended, or the queue has stopped. */
  *change(): Script {
    yield this.#changed.wait();
  }

  /** Where the buffer of a descriptor is. */
  buffer({ words }: Descriptor): DmaTarget {
    return this.registers.at(words[1]!, words[0]!);
  }

  /** The device is done with `descriptor`, the next in order, whose buffer has `length` bytes of the frame. */
  *complete(descriptor: Descriptor, length: number, flags: { end: boolean; error: boolean }): Script {
    const { index, words } = descriptor;
    DESCRIPTOR.LENGTH.set(words, length);
    DESCRIPTOR.END.set(words, flags.end ? 1 : 0);
    DESCRIPTOR.DONE.set(words, 1);
    DESCRIPTOR.ERROR.set(words, flags.error ? 1 : 0);
    this.#done.push(descriptor);
    const isLast = index === this.registers.size - 1;
    if (this.#done.length >= this.#spec.writeBack || isLast) yield* this.flush();
  }

  /** Writes back what is complete. */
  *flush(): Script {
    const done = this.#done;
    if (done.length === 0 || !this.isAlive) return;
    this.#done = [];
    const first = done[0]!.index;
    const { registers } = this;
    const words = new Uint32Array(done.length * WORDS);
    done.forEach((descriptor, n) => {
      words.set(descriptor.words, n * WORDS);
    });
    yield* this.#dma.write(beyond(registers.base, first * DESCRIPTOR_BYTES), bytesOf(words));
    if (!this.isAlive) return;
    registers.head = (first + done.length) & (registers.size - 1);
    const { headWriteback } = registers;
    if (headWriteback !== null) {
      yield* this.#dma.write(headWriteback, bytesOf(Uint32Array.of(registers.head)));
      if (!this.isAlive) return;
    }
    this.#moderation.note(done.length);
  }

  #readAhead(): void {
    if (this.#isReading || !this.isAlive || this.#ready.length > this.#spec.prefetch) return;
    const { size, tail } = this.registers;
    const given = (tail - this.#next) & (size - 1);
    const count = Math.min(given, this.#spec.prefetch, size - this.#next);
    if (count === 0) return;
    this.#isReading = true;
    this.#engine.spawn(this.#read(count), 'a read of descriptors');
  }

  *#read(count: number): Script {
    const { base, size } = this.registers;
    const { status, data } = yield* this.#dma.read(
      beyond(base, this.#next * DESCRIPTOR_BYTES),
      count * DESCRIPTOR_BYTES,
    );
    if (!this.isAlive) return;
    this.#isReading = false;
    if (status !== DmaStatus.SUCCESS) {
      this.#onFault();
      return;
    }
    const words = wordsOf(data);
    for (let n = 0; n < count; n++) {
      this.#ready.push({ index: this.#next + n, words: words.subarray(n * WORDS, (n + 1) * WORDS) });
    }
    this.#next = (this.#next + count) & (size - 1);
    this.#readAhead();
    this.#changed.notify();
  }
}

/** What a ring has of the queue that it belongs to. */
export interface RingQueue {
  readonly name: string;
  readonly registers: QueueRegisters;
  readonly moderation: Moderation;
  /** Descriptors could not be read. */
  readonly onFault: () => void;
}
