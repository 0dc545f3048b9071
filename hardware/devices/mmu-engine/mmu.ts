/**
 * The MMU of spec.ts: its registers, its table memory, its TLB, and DMA that goes through it page by page.
 *
 * Surface: `read` and `write` as of every `Dma`; `registerRead` and `registerWrite`, `tableRead` and `tableWrite` for what reaches
 * the base addresses; `counts`, `registers`, `forget` for a function-level reset, `reset`.
 *
 * Inaccuracies: look-ups in the TLB take no time. The pages of a transfer are translated and moved one after the other.
 */
import { nextPage } from '../../ats/index.ts';
import { highHalf, lowHalf, PAGE_SHIFT, PAGE_SIZE, RegisterFile, wordAt } from '../../bits/index.ts';
import { beyond, type Dma, type DmaRead, DmaStatus, type DmaTarget, type PcieFunction } from '../../pcie/index.ts';
import { type Engine, ns, type Script, Semaphore, Signal, waitFor } from '../../sim/index.ts';
import {
  DIRECTORY_ENTRY,
  ENTRY_BYTES,
  MMU_ANSWER,
  MMU_COMMAND,
  MMU_CONTROL,
  MMU_DIRECTORY,
  MMU_FAULT_ADDRESS,
  MMU_FAULT_STATUS,
  MMU_ID,
  MMU_MAGIC,
  MMU_REGISTER_BYTES,
  MMU_REGISTERS,
  MMU_REVISION,
  MmuEngineVector,
  MmuFaultReason,
  PAGE_ENTRY,
  TABLE_ENTRIES,
} from './spec.ts';

export interface MmuSpec {
  /** Pages of table memory: a power of two. */
  readonly tablePages: number;
  /** Translations that it keeps; of those that it has not used for long it keeps none. */
  readonly tlbEntries: number;
  /** Nanoseconds of a read of table memory. */
  readonly tableRead: number;
}

export interface MmuCounts {
  /** Pages of transfers whose translation was kept, and those for which tables were read. */
  hits: number;
  misses: number;
  /** Accesses that were not allowed. */
  faults: number;
  flushes: number;
}

/** What a page entry says, in one word and decoded only where it is used. */
type PageWord = number;

const NONE: MmuCounts = { hits: 0, misses: 0, faults: 0, flushes: 0 };

export class Mmu implements Pick<Dma, 'read' | 'write'> {
  readonly counts: MmuCounts = { ...NONE };
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #plain: Dma;
  readonly #spec: MmuSpec;
  readonly #registers = new RegisterFile(MMU_REGISTER_BYTES, MMU_REGISTERS);
  readonly #tables: Uint8Array;
  /** Page entries by I/O virtual page, the one that was used last at the end. */
  readonly #tlb = new Map<number, PageWord>();
  /** Held by whoever uses a translation, or makes it forgotten. */
  #use: Semaphore;
  /** Of the transfer that is stopped: true is RETRY. */
  #answer: Signal<boolean> | null = null;
  /** Changes with each reset: commands of an earlier life end nothing. */
  #life = 0;

  constructor(engine: Engine, fn: PcieFunction, plain: Dma, spec: MmuSpec) {
    this.#engine = engine;
    this.#function = fn;
    this.#plain = plain;
    this.#spec = spec;
    this.#tables = new Uint8Array(spec.tablePages * PAGE_SIZE);
    this.#use = this.#semaphore();
    const registers = this.#registers;
    registers.initial(MMU_ID, { MAGIC: MMU_MAGIC, REVISION: MMU_REVISION });
    registers.onWrite(MMU_CONTROL.$.offset!, () => {
      if (!this.isEnabled) this.#resume(false);
    });
    registers.onWrite(MMU_COMMAND.$.offset!, (written) => this.#command(written));
    registers.onWrite(MMU_ANSWER.$.offset!, (written) => {
      const { RETRY, ABORT } = MMU_ANSWER;
      if ((written & (RETRY.mask | ABORT.mask)) !== 0) this.#resume((written & ABORT.mask) === 0);
    });
  }

  get isEnabled(): boolean {
    return MMU_CONTROL.ENABLE.isSet(this.#registers.words);
  }

  /** The registers' words that are declared, by name. */
  get registers(): Readonly<Record<string, number>> {
    return this.#registers.wordValues(MMU_REGISTERS);
  }

  /** The pages whose translation it keeps. */
  get kept(): number[] {
    return [...this.#tlb.keys()];
  }

  registerRead(offset: number, into: Uint8Array, length: number): void {
    this.#registers.readAligned(offset, into, length);
  }

  registerWrite(offset: number, from: Uint8Array, length: number): void {
    this.#registers.writeAligned(offset, from, length);
  }

  tableRead(offset: number, into: Uint8Array, length: number): void {
    for (let i = 0; i < length; i++) into[i] = this.#tables[offset + i] ?? 0;
  }

  tableWrite(offset: number, from: Uint8Array, length: number): void {
    this.#tables.set(from.subarray(0, length), offset);
  }

  *read(at: DmaTarget, length: number, into: Uint8Array = new Uint8Array(length)): Script<DmaRead> {
    const plain = this.#plain;
    const part = function* (to: DmaTarget, start: number, end: number): Script<number> {
      const { status, data } = yield* plain.read(to, end - start, into.subarray(start, end));
      came = start + data.length;
      return status;
    };
    let came = 0;
    const status = yield* this.#eachPage(at, length, false, part);
    return { status, data: into.subarray(0, came) };
  }

  write(at: DmaTarget, bytes: Uint8Array): Script<number> {
    return this.#eachPage(at, bytes.length, true, (to, start, end) =>
      this.#plain.write(to, bytes.subarray(start, end)),
    );
  }

  /** Registers, tables and translations are as after power-on; what is under way ends with an error. */
  forget(): void {
    this.#life++;
    this.#resume(false);
    this.#registers.reset();
    this.#tables.fill(0);
    this.#tlb.clear();
    Object.assign(this.counts, NONE);
  }

  /** The same with the whole machine: nobody is left who holds or waits for anything. */
  reset(): void {
    this.#answer = null;
    this.forget();
    this.#use = this.#semaphore();
  }

  /** Moves an access page by page; one without bytes is to the page in which it lies. */
  *#eachPage(
    at: DmaTarget,
    length: number,
    write: boolean,
    move: (to: DmaTarget, start: number, end: number) => Script<number>,
  ): Script<number> {
    for (let start = 0; start === 0 || start < length; ) {
      const next = nextPage(at, start);
      const end = Math.min(next, length);
      const status = yield* this.#onePage(beyond(at, start), write, (to) => move(to, start, end));
      if (status !== DmaStatus.SUCCESS) return status;
      start = next;
    }
    return DmaStatus.SUCCESS;
  }

  *#onePage(at: DmaTarget, write: boolean, move: (to: DmaTarget) => Script<number>): Script<number> {
    for (;;) {
      const use = this.#use;
      yield use.acquire();
      const found = this.isEnabled ? yield* this.#translate(at, write) : at;
      const status = typeof found === 'number' ? DmaStatus.NO_TRANSLATION : yield* move(found);
      use.release();
      if (typeof found !== 'number') return status;
      if (!(yield* this.#refused(at, write, found))) return status;
    }
  }

  /** Where an access goes on the bus, or the reason why it does not. */
  *#translate(at: DmaTarget, write: boolean): Script<DmaTarget | number> {
    if (at.hi !== 0) return MmuFaultReason.ADDRESS;
    const page = at.lo >>> PAGE_SHIFT;
    const word = this.#kept(page) ?? (yield* this.#walk(page));
    if (word < 0) return -word;
    const entry = Uint32Array.of(word);
    if (!(write ? PAGE_ENTRY.W : PAGE_ENTRY.R).isSet(entry)) {
      return write ? MmuFaultReason.NOT_WRITABLE : MmuFaultReason.NOT_READABLE;
    }
    const address = PAGE_ENTRY.PAGE.get(entry) * PAGE_SIZE + (at.lo & (PAGE_SIZE - 1));
    return { ...at, hi: highHalf(address), lo: lowHalf(address) };
  }

  #kept(page: number): PageWord | undefined {
    const word = this.#tlb.get(page);
    if (word === undefined) return undefined;
    this.counts.hits++;
    this.#tlb.delete(page);
    this.#tlb.set(page, word);
    return word;
  }

  /** The entry of a page, which is kept from now on; or the reason, negated. */
  *#walk(page: number): Script<PageWord> {
    this.counts.misses++;
    const directory = MMU_DIRECTORY.PAGE.get(this.#registers.words);
    const above = yield* this.#entry(directory, Math.floor(page / TABLE_ENTRIES));
    if (!DIRECTORY_ENTRY.V.isSet(above)) return -MmuFaultReason.NO_TABLE;
    const table = DIRECTORY_ENTRY.TABLE.get(above);
    if (table >= this.#spec.tablePages) return -MmuFaultReason.NO_TABLE;
    const entry = yield* this.#entry(table, page % TABLE_ENTRIES);
    if (!PAGE_ENTRY.V.isSet(entry)) return -MmuFaultReason.NO_PAGE;
    const [oldest] = this.#tlb.keys();
    if (this.#tlb.size >= this.#spec.tlbEntries && oldest !== undefined) this.#tlb.delete(oldest);
    this.#tlb.set(page, entry[0]!);
    return entry[0]!;
  }

  /** An entry of a table; outside table memory everything is 0. */
  *#entry(table: number, index: number): Script<Uint32Array> {
    yield ns(this.#spec.tableRead);
    const at = table * PAGE_SIZE + index * ENTRY_BYTES;
    return Uint32Array.of(at < this.#tables.length ? wordAt(this.#tables, at) : 0);
  }

  /** Records what was refused. True when the access may try again. */
  *#refused({ hi, lo }: DmaTarget, write: boolean, reason: number): Script<boolean> {
    this.counts.faults++;
    const { words } = this.#registers;
    const isMissing = reason === MmuFaultReason.NO_TABLE || reason === MmuFaultReason.NO_PAGE;
    if (MMU_FAULT_STATUS.VALID.isSet(words) || MMU_FAULT_STATUS.STALLED.isSet(words)) {
      MMU_FAULT_STATUS.OVERFLOW.set(words, 1);
      return false;
    }
    const stalls = isMissing && MMU_CONTROL.STALL.isSet(words) && this.isEnabled;
    const { VALID, STALLED, WRITE, REASON } = MMU_FAULT_STATUS;
    VALID.set(words, 1);
    STALLED.set(words, stalls ? 1 : 0);
    WRITE.set(words, write ? 1 : 0);
    REASON.set(words, reason);
    words.set([lo, hi], MMU_FAULT_ADDRESS.$.offset! / 4);
    if (MMU_CONTROL.INTERRUPT_ENABLE.isSet(words)) {
      this.#engine.spawn(this.#function.interrupt(MmuEngineVector.FAULT), `${this.#function.name} tells a fault`);
    }
    if (!stalls) return false;
    this.#answer = new Signal<boolean>(this.#engine, `an answer to a page fault of ${this.#function.name}`);
    return yield* waitFor(this.#answer);
  }

  #resume(retry: boolean): void {
    const answer = this.#answer;
    this.#answer = null;
    MMU_FAULT_STATUS.STALLED.set(this.#registers.words, 0);
    answer?.fire(retry);
  }

  #command(written: number): void {
    const { FLUSH, CLEAR, BUSY } = MMU_COMMAND;
    const { words } = this.#registers;
    if (BUSY.isSet(words) || (written & (FLUSH.mask | CLEAR.mask)) === 0) return;
    BUSY.set(words, 1);
    this.#engine.spawn(this.#perform(written, this.#life), `${this.#function.name} command`);
  }

  *#perform(command: number, life: number): Script {
    const use = this.#use;
    yield use.acquire();
    if (life === this.#life) {
      if ((command & MMU_COMMAND.CLEAR.mask) !== 0) this.#tables.fill(0);
      if ((command & MMU_COMMAND.FLUSH.mask) !== 0) {
        this.#tlb.clear();
        this.counts.flushes++;
      }
      MMU_COMMAND.BUSY.set(this.#registers.words, 0);
    }
    use.release();
  }

  #semaphore(): Semaphore {
    return new Semaphore(this.#engine, 1, `the translations of ${this.#function.name}`);
  }
}
