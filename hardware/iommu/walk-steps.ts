/**
 * A plain walk, entry by entry: what a unit keeps of it between two reads. Time may pass there, and memory may change.
 *
 * The walks of a unit, which are generators, know every case and cost accordingly. Steps know only what ends in success with
 * no flag to be set; at the first entry that says anything else the walk goes over to the generator, which is told what was
 * read so far: `replay`.
 */
import { numberOf } from '../bits/index.ts';
import { entryWord, radixShift } from '../formats/index.ts';
import { type MemoryOperation, OperationKind, type PhysicalMemory } from '../memory/index.ts';
import { NO_PASID } from './access.ts';
import { type PagingStructures, type StructureTags, WalkStart } from './paging-structures.ts';
import type { Translation } from './translation.ts';
import type { Walk } from './walk.ts';

/** What a step has come to. */
export const Step = {
  /** There is another entry to be read. */
  MORE: 0,
  /** The request is answered. */
  DONE: 1,
  /** Only the whole procedure knows what to do about this entry. */
  ODD: 2,
} as const;

/** What a step reads. */
export const ENTRY_BYTES = 8;
/** Entries that a walk without nesting can read: six levels. */
const MOST_READS = 6;
const WORDS = 4;
/** Nothing is denied at the top. */
const ALL = -1;

/** The topmost table of what a walk goes through, and by what its structures are cached. */
interface Top {
  readonly tableHi: number;
  readonly tableLo: number;
  readonly domain: number;
  readonly context?: number;
}

export class WalkSteps<Space = unknown> implements StructureTags {
  /** What translates the request, as it was found when the walk began. */
  space: Space | null = null;
  /** Where the walk began, if not at the top: what a cache of table pointers knew then. */
  start: WalkStart | null = null;
  /** The whole procedure is going over what the steps have done: from where they began, and keeping nothing a second time. */
  isResumed = false;
  /** Whose structures it reads, and for which address. */
  domain = 0;
  context = 0;
  readonly pasid = NO_PASID;
  hi = 0;
  lo = 0;
  /** The table with the entry that is read next, and log2 of the bytes that one of its entries translates. */
  tableHi = 0;
  tableLo = 0;
  shift = 0;
  /** What the entries on the way there grant. */
  rights = 0;
  readonly #start = new WalkStart();
  #reads = 0;
  /** The time of a read is over that no step can do: nothing is there, or no RAM. */
  #isDue = false;
  /** Of each read: the entry's address and its value. */
  readonly #log = new Int32Array(MOST_READS * WORDS);

  /** Begins at the top of `levels` tables, or at the lowest one that is cached. */
  begin(t: Translation, space: Space, top: Top, levels: number, paging: PagingStructures): void {
    this.space = space;
    this.domain = top.domain;
    this.context = top.context ?? top.domain;
    this.hi = t.hi;
    this.lo = t.lo;
    this.#reads = 0;
    this.#isDue = false;
    const start = paging.cache === null ? null : paging.find(t, this, levels);
    if (start === null) {
      this.start = null;
      this.tableHi = top.tableHi;
      this.tableLo = top.tableLo;
      this.shift = radixShift(levels);
      this.rights = ALL;
    } else {
      this.start = this.#start.copy(start);
      this.tableHi = start.tableHi;
      this.tableLo = start.tableLo;
      this.shift = radixShift(start.level);
      this.rights = start.granted;
    }
  }

  /** Low half of the address of the entry that is read next; the high half is that of its table. */
  get entryLo(): number {
    return this.tableLo | (entryWord(this.shift, this.hi, this.lo) << 2);
  }

  /** The entry was read. */
  note(entryLo: number, entryHi: number): void {
    const at = this.#reads * WORDS;
    this.#reads++;
    const log = this.#log;
    log[at] = this.tableHi;
    log[at + 1] = this.entryLo;
    log[at + 2] = entryLo;
    log[at + 3] = entryHi;
  }

  /** The next entry lies where no step can read it. */
  miss(): number {
    this.#isDue = true;
    return Step.ODD;
  }

  /**
   * Brings the walk that `IommuUnit.resume` has given to where the steps have come to: gives it what they read, and answers with the
   * access that it waits for, or `null` when it has ended before.
   */
  replay(walk: Walk, memory: PhysicalMemory): MemoryOperation | null {
    const log = this.#log;
    const last = (this.#reads - 1) * WORDS;
    this.isResumed = true;
    let step = walk.next();
    for (let at = 0; at <= last && step.done !== true; at += WORDS) {
      // Of the last entry nothing has come yet, if it is the odd one.
      this.isResumed = at < last || this.#isDue;
      const { kind, address, words } = step.value;
      if (kind !== OperationKind.READ || address !== numberOf(log[at]!, log[at + 1]!)) {
        throw new Error('a walk does not read what its steps have read');
      }
      words[0] = log[at + 2]!;
      words[1] = log[at + 3]!;
      step.value.ok = true;
      step = walk.next();
    }
    this.isResumed = false;
    if (step.done !== true && this.#isDue) {
      memory.perform(step.value);
      step = walk.next();
    }
    return step.done === true ? null : step.value;
  }
}

/** Who can walk for a request entry by entry. */
export interface Stepper<T> {
  begin(t: T): boolean;
  step(t: T, memory: PhysicalMemory): number;
}

/** Walks for a request entry by entry in no time; false when it needs the whole procedure. */
export function stepThrough<T>(stepper: Stepper<T>, t: T, memory: PhysicalMemory): boolean {
  if (!stepper.begin(t)) return false;
  let end: number = Step.MORE;
  while (end === Step.MORE) end = stepper.step(t, memory);
  return end === Step.DONE;
}
