/** The registers of one queue, as its model reads them. */
import type { Field, RegisterFile } from '../../bits/index.ts';
import type { DmaTarget } from '../../pcie/index.ts';
import type { ModerationLimits } from './moderation.ts';
import { QUEUE, SIZE_LEAST, SIZE_MOST } from './spec.ts';

export class QueueRegisters {
  readonly offset: number;
  readonly #file: RegisterFile;
  readonly #at: number;

  constructor(file: RegisterFile, offset: number) {
    this.#file = file;
    this.offset = offset;
    this.#at = offset / 4;
  }

  get enabled(): boolean {
    return QUEUE.ENABLE.isSet(this.#file.words, this.#at);
  }

  /** Descriptors of the ring. */
  get size(): number {
    const log2 = QUEUE.SIZE.get(this.#file.words, this.#at);
    return 2 ** Math.min(Math.max(log2, SIZE_LEAST), SIZE_MOST);
  }

  get tail(): number {
    return QUEUE.TAIL.get(this.#file.words, this.#at) & (this.size - 1);
  }

  get head(): number {
    return QUEUE.HEAD.get(this.#file.words, this.#at);
  }

  set head(index: number) {
    QUEUE.HEAD.set(this.#file.words, index, this.#at);
  }

  get vector(): number {
    return QUEUE.VECTOR.get(this.#file.words, this.#at);
  }

  get moderation(): ModerationLimits {
    const { words } = this.#file;
    return {
      enabled: QUEUE.INTERRUPT_ENABLE.isSet(words, this.#at),
      time: QUEUE.MODERATION_TIME.get(words, this.#at),
      count: QUEUE.MODERATION_COUNT.get(words, this.#at),
    };
  }

  /** Where the ring is. */
  get base(): DmaTarget {
    return this.#target(QUEUE.BASE);
  }

  /** Where HEAD is written to; `null` where it is not. */
  get headWriteback(): DmaTarget | null {
    const isEnabled = QUEUE.HEAD_WRITEBACK_ENABLE.isSet(this.#file.words, this.#at);
    return isEnabled ? this.#target(QUEUE.HEAD_WRITEBACK) : null;
  }

  /** An address as this queue's requests name it. */
  at(hi: number, lo: number): DmaTarget {
    const { words } = this.#file;
    const pasid = QUEUE.PASID_ENABLE.isSet(words, this.#at) ? QUEUE.PASID.get(words, this.#at) : undefined;
    return { hi: hi | 0, lo: lo | 0, pasid };
  }

  /** Both indices are those of an empty ring that begins anew; what describes the ring stays as it is while the queue works. */
  begin(): void {
    QUEUE.HEAD.set(this.#file.words, 0, this.#at);
    QUEUE.TAIL.set(this.#file.words, 0, this.#at);
    this.#lock(true);
  }

  end(): void {
    this.#lock(false);
  }

  /** The queue stops because of an error. */
  fault(): void {
    QUEUE.FAULT.set(this.#file.words, 1, this.#at);
    QUEUE.ENABLE.set(this.#file.words, 0, this.#at);
    this.end();
  }

  /** Where an address points that has its upper half in the next word. */
  #target({ word, mask }: Field): DmaTarget {
    const { words } = this.#file;
    return this.at(words[this.#at + word + 1]!, words[this.#at + word]! & mask);
  }

  /** All but CONTROL, TAIL and FAULT. */
  #lock(locked: boolean): void {
    for (const [first, words] of SETTINGS) this.#file.lock(this.offset + first * 4, words, locked);
  }
}

const SETTINGS = [
  [0, 3],
  [6, 5],
] as const;
