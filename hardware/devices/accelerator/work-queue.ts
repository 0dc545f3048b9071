/** A work queue: its entry of WQCFG, and the descriptors that no engine has taken. */
import type { RegisterFile } from '../../bits/index.ts';
import { Table, WQCFG, WQCFG_BYTES, WqMode, WqState } from './spec/index.ts';
import type { Submission } from './submission.ts';

/** Words of WQCFG that stay as they are while the queue is not disabled: all but size, occupancy and its interrupt. */
const SETTINGS: readonly (readonly [word: number, words: number])[] = [
  [1, 3],
  [8, 8],
];

export class WorkQueue {
  readonly index: number;
  /** In the order of coming. */
  readonly entries: Submission[] = [];
  /** Descriptors that it may still give before the other queues of its group have had their share. */
  share = 0;
  readonly #registers: RegisterFile;
  readonly #at: number;

  constructor(index: number, registers: RegisterFile) {
    this.index = index;
    this.#registers = registers;
    this.#at = (Table.WQCFG + index * WQCFG_BYTES) / 4;
  }

  get state(): number {
    return this.get(WQCFG.WQ_STATE);
  }

  set state(state: number) {
    WQCFG.WQ_STATE.set(this.#registers.words, state, this.#at);
    for (const [word, words] of SETTINGS) {
      this.#registers.lock((this.#at + word) * 4, words, state !== WqState.DISABLED);
    }
  }

  get isEnabled(): boolean {
    return this.state === WqState.ENABLED;
  }

  get isDedicated(): boolean {
    return this.get(WQCFG.MODE) === WqMode.DEDICATED;
  }

  get pasidEnabled(): boolean {
    return this.has(WQCFG.PASID_EN);
  }

  get pasid(): number {
    return this.get(WQCFG.PASID);
  }

  get privileged(): boolean {
    return this.has(WQCFG.PRIV);
  }

  /** True when it takes one more descriptor through a portal. */
  hasRoom(isLimited: boolean): boolean {
    const limit = isLimited && !this.isDedicated ? this.get(WQCFG.THRESHOLD) : this.get(WQCFG.SIZE);
    return this.entries.length < Math.min(limit, this.get(WQCFG.SIZE));
  }

  /** True when a queue may do the operation with this code, which the device can do. */
  allows(opcode: number): boolean {
    const word = this.#registers.words[this.#at + WQCFG.NOOP.word + (opcode >>> 5)]!;
    return (word & (1 << (opcode & 31))) !== 0;
  }

  put(submission: Submission): void {
    this.entries.push(submission);
    this.#count();
  }

  take(): Submission {
    const first = this.entries.shift()!;
    this.#count();
    return first;
  }

  /** Takes out what `isMeant` accepts. */
  remove(isMeant: (submission: Submission) => boolean): Submission[] {
    const removed = this.entries.filter(isMeant);
    const kept = this.entries.filter((one) => !removed.includes(one));
    this.entries.splice(0, this.entries.length, ...kept);
    this.#count();
    return removed;
  }

  /** The value of a field of its entry of WQCFG. */
  get(field: WqField): number {
    return field.get(this.#registers.words, this.#at);
  }

  has(field: WqField): boolean {
    return field.isSet(this.#registers.words, this.#at);
  }

  /** Back to its first configuration, but for its size, which is the device's business. */
  reset(first: Uint32Array): void {
    const { words } = this.#registers;
    for (const [word, count] of SETTINGS) words.set(first.subarray(word, word + count), this.#at + word);
  }

  #count(): void {
    WQCFG.OCCUPANCY.set(this.#registers.words, this.entries.length, this.#at);
  }
}

type WqField = (typeof WQCFG)['SIZE'];
