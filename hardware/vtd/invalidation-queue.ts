/**
 * The invalidation queue (VT-d 6.5.2): a ring of descriptors in memory that software fills at the tail and the unit
 * empties at the head.
 *
 * Offers: `process`, the unit's work as a walk; `kick` to start it. At most one run is under way; a run ends when the
 * queue is empty or stopped by an error, so that the work of one kick is bounded by the ring.
 */
import { anySet } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import { type CommandSurroundings, DEFERRED, QueueCommands, type Refusal } from './queue-commands.ts';
import { DESCRIPTOR_HEADER, FSTS, GSTS, IQA, IQERCD, IQH, IQT, Iqei, TranslationTableMode } from './spec/index.ts';
import { WaitDescriptors, type WaitSurroundings } from './wait-descriptors.ts';

/** A descriptor has 128 bits; in a queue of 256-bit entries each is followed by 128 bits of 0 (VT-d 6.5.2). */
const DESCRIPTOR_WORDS = 4;
const WIDEST_WORDS = 8;
/** Beside the codes of IQEI: the descriptor was refused before and has not changed. */
const STILL_REFUSED = -1;

export interface QueueSurroundings extends CommandSurroundings, WaitSurroundings {
  readonly faults: FaultRecorder;
}

export class InvalidationQueue {
  readonly #unit: QueueSurroundings;
  readonly #memory = new MemoryOperation();
  readonly #commands: QueueCommands;
  readonly #waits: WaitDescriptors;
  readonly #descriptor = new Uint32Array(WIDEST_WORDS);
  /** The descriptor at the head that was refused, if one was. */
  #refused: Uint32Array | null = null;
  /** What was wrong with the queue's settings, as long as it still is. */
  #complaint: Refusal = Iqei.NONE;
  #running = false;

  constructor(unit: QueueSurroundings) {
    this.#unit = unit;
    this.#waits = new WaitDescriptors(unit, this.#memory);
    this.#commands = new QueueCommands(unit, this.#waits);
  }

  /** Software moved the tail or switched the queue on: gives the work, if there is any, to `run`. */
  kick(run: (walk: Walk) => void): void {
    this.#refused = null;
    this.#complaint = Iqei.NONE;
    this.resume(run);
  }

  /**
   * Software cleared an error, or a device answered: the queue goes on. A descriptor that stands unchanged where it was refused is not refused
   * a second time before the tail moves; the specification leaves open when hardware fetches it again.
   */
  resume(run: (walk: Walk) => void): void {
    if (this.#running || !(this.#ready() || this.#waits.isReady)) return;
    this.#running = true;
    run(this.#process());
  }

  /** A device did not answer in time, or the queue is switched off: the wait descriptors that have been taken never complete. */
  abortWaits(): void {
    this.#waits.abort();
  }

  /** Power-on: whoever ran the work that was under way has dropped it. */
  reset(): void {
    this.#running = false;
    this.#refused = null;
    this.#complaint = Iqei.NONE;
    this.#waits.abort();
  }

  *#process(): Walk {
    const { words } = this.#unit.file;
    for (;;) {
      yield* this.#waits.finish();
      if (!this.#ready()) break;
      const refusal = yield* this.#next();
      if (refusal === STILL_REFUSED || refusal === DEFERRED) break;
      const isDescriptor = refusal === Iqei.INVALID_TYPE || refusal === Iqei.RESERVED_FIELD;
      this.#refused = isDescriptor ? this.#descriptor.slice() : null;
      if (refusal === Iqei.NONE) {
        const size = 2 ** (IQA.QS.get(words) + 12);
        IQH.QH.setAddress(words, (IQH.QH.address(words) + this.#entryWords * 4) % size);
      } else {
        IQERCD.IQEI.set(words, refusal);
        this.#unit.faults.raise(FSTS.IQE);
      }
    }
    this.#running = false;
  }

  /** Descriptors are fetched while the queue is on, not empty, no error waits for software and no fence is up. */
  #ready(): boolean {
    const { words } = this.#unit.file;
    if (!GSTS.QIES.isSet(words) || FSTS.IQE.isSet(words) || FSTS.ITE.isSet(words)) return false;
    return IQH.QH.get(words) !== IQT.QT.get(words) && !this.#waits.isFence;
  }

  /** Fetches, checks and carries out the descriptor at the head. */
  *#next(): Walk<Refusal> {
    const { words } = this.#unit.file;
    // 1. The queue's own settings.
    const wrong = this.#checkSettings();
    if (wrong !== Iqei.NONE && wrong === this.#complaint) return STILL_REFUSED;
    this.#complaint = wrong;
    if (wrong !== Iqei.NONE) return wrong;
    // 2. Fetch.
    const memory = this.#memory;
    const count = this.#entryWords;
    yield memory.read(IQA.IQA.address(words) + IQH.QH.address(words), count);
    if (!memory.ok) return Iqei.FETCH_ERROR;
    const descriptor = this.#descriptor;
    descriptor.fill(0);
    descriptor.set(memory.words.subarray(0, count));
    if (this.#refused?.every((word, i) => word === descriptor[i]) === true) return STILL_REFUSED;
    // 3. Type, then reserved bits.
    const { TYPE, TYPE_HIGH } = DESCRIPTOR_HEADER;
    const type = (TYPE_HIGH.get(descriptor) << TYPE.width) | TYPE.get(descriptor);
    const command = this.#commands.find(type, this.#unit.invalidator.mode);
    if (command === undefined) return Iqei.INVALID_TYPE;
    const isShort = command.reserved.length === DESCRIPTOR_WORDS;
    if (anySet(descriptor, command.reserved) || (isShort && anySet(descriptor, PADDING))) return Iqei.RESERVED_FIELD;
    if (!isShort && count === DESCRIPTOR_WORDS) return Iqei.INVALID_TYPE;
    // 4. Carry it out.
    return command.run(descriptor);
  }

  get #entryWords(): number {
    return IQA.DW.isSet(this.#unit.file.words) ? WIDEST_WORDS : DESCRIPTOR_WORDS;
  }

  /** What IQA and IQT may say: width, mode and tail (VT-d 11.4.9.9). */
  #checkSettings(): Refusal {
    const { capabilities, file, invalidator } = this.#unit;
    const { mode } = invalidator;
    const { words } = file;
    const wide = IQA.DW.isSet(words);
    if (wide && !capabilities.has('SMTS') && !capabilities.has('ADMS')) return Iqei.INVALID_WIDTH;
    if (mode === RESERVED_TTM) return Iqei.INVALID_TTM;
    if (!wide && mode !== TranslationTableMode.LEGACY) return Iqei.INVALID_WIDTH;
    const tail = IQT.QT.address(words);
    if (wide && tail % (WIDEST_WORDS * 4) !== 0) return Iqei.UNALIGNED_TAIL;
    return tail >= 2 ** (IQA.QS.get(words) + 12) ? Iqei.INVALID_TAIL : Iqei.NONE;
  }
}

const PADDING = new Uint32Array([0, 0, 0, 0, ~0, ~0, ~0, ~0]);
const RESERVED_TTM = 0b10;
