/**
 * A log that the unit fills and the driver empties (fact sheet 5.3, 10.6), of entries of 16 bytes. The event log and the
 * PPR log differ in their registers.
 */
import { type CONTROL, STATUS } from '../../../hardware/amdvi/spec/index.ts';
import {
  type AnyLayout,
  encode,
  type Field,
  PAGE_SIZE,
  type PageNumber,
  wordsOf,
} from '../../../hardware/bits/index.ts';
import { type Script, Semaphore } from '../../../hardware/sim/index.ts';
import type { RegisterPage } from '../iommu/register-page.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { Control } from './control.ts';

const ENTRY_BYTES = 16;
/** Entries where nobody says how many. */
const ENTRIES = 512;
/** log2 of the fewest entries, which fill a page. */
const SHORTEST = 8;
/** A unit that keeps logging would keep the handler for ever. */
const MOST_ROUNDS = 10_000;

type ControlBit = Exclude<keyof typeof CONTROL, '$'>;

/** Which registers and bits a log has. */
export interface LogShape {
  readonly purpose: string;
  readonly base: AnyLayout;
  readonly address: Field;
  readonly length: Field;
  readonly head: AnyLayout;
  readonly headPointer: Field;
  readonly tail: AnyLayout;
  readonly tailPointer: Field;
  readonly enable: ControlBit;
  readonly interrupt: ControlBit;
  /** Bits of Status. */
  readonly run: Field;
  readonly written: Field;
  readonly overflow: Field;
  /** What kind of entry it is; 0 in one that has not been written yet. */
  readonly code: Field;
  /** Said when the log was full. */
  readonly lost: string;
}

export interface LogSurroundings extends IommuServices {
  readonly name: string;
  readonly registers: RegisterPage;
  readonly control: Control;
}

/** What is done with an entry, at once or as a script. */
export type TakeEntry = (entry: Uint32Array) => Script | undefined;

export class LogReader {
  /** Entries were lost. */
  onLoss: () => void = () => {};
  readonly #unit: LogSurroundings;
  readonly #shape: LogShape;
  readonly #ring: PageNumber;
  /** log2 of the entries. */
  readonly #length: number;
  readonly #entries: number;
  readonly #take: TakeEntry;
  readonly #lock: Semaphore;
  #head = 0;

  private constructor(unit: LogSurroundings, shape: LogShape, ring: PageNumber, length: number, take: TakeEntry) {
    this.#unit = unit;
    this.#shape = shape;
    this.#ring = ring;
    this.#length = length;
    this.#entries = 2 ** length;
    this.#take = take;
    this.#lock = new Semaphore(unit.engine, 1, `${unit.name} ${shape.purpose}`);
  }

  /**
   * Allocates a ring of so many entries, a power of two, of which the unit knows nothing yet, or gives -ENOMEM. `take` gets
   * each entry.
   */
  static create(unit: LogSurroundings, shape: LogShape, take: TakeEntry, wanted: number = ENTRIES): LogReader | number {
    const length = Math.max(SHORTEST, 31 - Math.clz32(wanted));
    const ring = unit.allocator.allocate(shape.purpose, length - SHORTEST);
    return ring < 0 ? ring : new LogReader(unit, shape, ring, length, take);
  }

  /** Gives the ring to the unit and switches the log on. */
  *enable(): Script {
    const { registers, control } = this.#unit;
    const shape = this.#shape;
    const base = encode(shape.base, { [shape.address.name]: this.#ring, [shape.length.name]: this.#length });
    yield* registers.writeAt(shape.base.$.offset!, base);
    for (const pointer of [shape.head, shape.tail]) yield* registers.writeAt(pointer.$.offset!, encode(pointer, {}));
    // What is left over from before would keep new entries from raising an interrupt.
    yield* registers.write(STATUS, { [shape.written.name]: 1, [shape.overflow.name]: 1 });
    yield* control.set({ [shape.enable]: 1, [shape.interrupt]: 1 });
  }

  /** Frees the ring, which the unit has not been told of. */
  release(): void {
    this.#unit.allocator.release(this.#ring);
  }

  /** Empties the log. Runs for each interrupt. */
  *serve(): Script {
    const { registers } = this.#unit;
    const { written, overflow } = this.#shape;
    yield this.#lock.acquire();
    try {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const status = yield* registers.read(STATUS);
        if (!written.isSet(status) && !overflow.isSet(status)) return;
        // First, so that what comes from now on raises an interrupt again, and is looked for once more.
        yield* registers.write(STATUS, { [written.name]: 1 });
        yield* this.#empty();
        if (overflow.isSet(status)) yield* this.#restart();
      }
      this.#unit.log.write(`${this.#unit.name}: the ${this.#shape.purpose} does not become empty`);
    } finally {
      this.#lock.release();
    }
  }

  *#empty(): Script {
    const { registers, bus } = this.#unit;
    const { tail: register, tailPointer, head, headPointer } = this.#shape;
    const tail = tailPointer.get(yield* registers.read(register)) % this.#entries;
    if (tail === this.#head) return;
    while (this.#head !== tail) {
      const address = this.#ring * PAGE_SIZE + this.#head * ENTRY_BYTES;
      const entry = yield* this.#entryAt(address);
      bus.memory.write(address, new Uint8Array(ENTRY_BYTES));
      this.#head = (this.#head + 1) % this.#entries;
      const work = entry === null ? undefined : this.#take(entry);
      if (work !== undefined) yield* work;
    }
    yield* registers.writeAt(head.$.offset!, encode(head, { [headPointer.name]: this.#head }));
  }

  /** The tail may move before the entry is visible (errata 732, 733): consumed entries are zeroed to tell. */
  *#entryAt(address: number): Script<Uint32Array | null> {
    const { bus, registers, name, log } = this.#unit;
    const { code, purpose } = this.#shape;
    let entry: Uint32Array = new Uint32Array(0);
    // biome-ignore lint/correctness/useYield: memory is looked at, which takes no time of its own
    const visible = yield* registers.waitUntil(function* () {
      entry = wordsOf(bus.memory.read(address, ENTRY_BYTES));
      return code.isSet(entry);
    });
    if (!visible) log.write(`${name}: an entry of the ${purpose} was never written`);
    return visible ? entry : null;
  }

  /** After an overflow nothing is logged until the log has been off. */
  *#restart(): Script {
    const { registers, control, name, log } = this.#unit;
    const { enable, run, overflow, lost } = this.#shape;
    log.write(`${name}: ${lost}`);
    yield* registers.waitUntil(function* () {
      return !run.isSet(yield* registers.read(STATUS));
    });
    yield* control.set({ [enable]: 0 });
    yield* this.#empty();
    yield* registers.write(STATUS, { [overflow.name]: 1 });
    this.onLoss();
    yield* control.set({ [enable]: 1 });
  }
}
