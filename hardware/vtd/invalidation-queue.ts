/**
 * The invalidation queue (VT-d 6.5.2): a ring of descriptors in memory that software fills at the tail and the unit
 * empties at the head.
 *
 * Offers: `process`, the unit's work as a walk; `kick` to start it. At most one run is under way; a run ends when the
 * queue is empty or stopped by an error, so that the work of one kick is bounded by the ring.
 */
import { anySet, maskOf, type RegisterFile, undeclared } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { EventInterrupt } from './event-interrupt.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import type { Invalidator } from './invalidation.ts';
import type { Capability } from './spec/capability.ts';
import {
  CONTEXT_CACHE_INVALIDATE,
  DESCRIPTOR_HEADER,
  DESCRIPTORS,
  type DescriptorInfo,
  type DescriptorName,
  FSTS,
  GSTS,
  ICS,
  INVALIDATION_WAIT,
  IOTLB_INVALIDATE,
  IotlbGranularity,
  IQA,
  IQERCD,
  IQH,
  IQT,
  Iqei,
  RTADDR,
  TranslationTableMode,
} from './spec/index.ts';

/** A descriptor is refused with a code of IQERCD.IQEI. */
type Refusal = number;
/** Carries a descriptor out; only one that touches memory is a walk. */
type Run = (words: Uint32Array) => Refusal | Walk<Refusal>;

interface Handler {
  readonly reserved: Uint32Array;
  readonly run: Run;
}

export interface QueueSurroundings {
  readonly capabilities: Capabilities;
  readonly file: RegisterFile;
  readonly invalidator: Invalidator;
  readonly faults: FaultRecorder;
  readonly completion: EventInterrupt;
}

/** A descriptor has 128 bits; in a queue of 256-bit entries each is followed by 128 bits of 0 (VT-d 6.5.2). */
const DESCRIPTOR_WORDS = 4;
const WIDEST_WORDS = 8;
/** Beside the codes of IQEI: the descriptor was refused before and has not changed. */
const STILL_REFUSED = -1;

export class InvalidationQueue {
  readonly #unit: QueueSurroundings;
  readonly #handlers: ReadonlyMap<number, Handler>;
  readonly #memory = new MemoryOperation();
  readonly #descriptor = new Uint32Array(WIDEST_WORDS);
  /** The descriptor at the head that was refused, if one was. */
  #refused: Uint32Array | null = null;
  #running = false;

  constructor(unit: QueueSurroundings) {
    this.#unit = unit;
    this.#handlers = this.#makeHandlers();
  }

  /** Software moved the tail or switched the queue on: gives the work, if there is any, to `run`. */
  kick(run: (walk: Walk) => void): void {
    this.#refused = null;
    this.resume(run);
  }

  /**
   * Software cleared an error: the queue goes on. A descriptor that stands unchanged where it was refused is not refused
   * a second time before the tail moves; the specification leaves open when hardware fetches it again.
   */
  resume(run: (walk: Walk) => void): void {
    if (this.#running || !this.#ready()) return;
    this.#running = true;
    run(this.#process());
  }

  *#process(): Walk {
    const { words } = this.#unit.file;
    while (this.#ready()) {
      const refusal = yield* this.#next();
      if (refusal === STILL_REFUSED) break;
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

  /** Descriptors are fetched while the queue is on, not empty, and no error waits for software. */
  #ready(): boolean {
    const { words } = this.#unit.file;
    if (!GSTS.QIES.isSet(words) || FSTS.IQE.isSet(words) || FSTS.ITE.isSet(words)) return false;
    return IQH.QH.get(words) !== IQT.QT.get(words);
  }

  /** Fetches, checks and carries out the descriptor at the head. */
  *#next(): Walk<Refusal> {
    const { words } = this.#unit.file;
    // 1. The queue's own settings.
    const wrong = this.#checkSettings();
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
    const handler = this.#handlers.get(
      (DESCRIPTOR_HEADER.TYPE_HIGH.get(descriptor) << DESCRIPTOR_HEADER.TYPE.width) |
        DESCRIPTOR_HEADER.TYPE.get(descriptor),
    );
    if (handler === undefined) return Iqei.INVALID_TYPE;
    if (anySet(descriptor, handler.reserved) || anySet(descriptor, PADDING)) return Iqei.RESERVED_FIELD;
    // 4. Carry it out.
    const done = handler.run(descriptor);
    return typeof done === 'number' ? done : yield* done;
  }

  get #entryWords(): number {
    return IQA.DW.isSet(this.#unit.file.words) ? WIDEST_WORDS : DESCRIPTOR_WORDS;
  }

  /** What IQA and IQT may say: width, mode and tail (VT-d 11.4.9.9). */
  #checkSettings(): Refusal {
    const { capabilities, file } = this.#unit;
    const { words } = file;
    const wide = IQA.DW.isSet(words);
    const mode = RTADDR.TTM.get(words);
    if (wide && !capabilities.has('SMTS') && !capabilities.has('ADMS')) return Iqei.INVALID_WIDTH;
    if (mode === RESERVED_TTM) return Iqei.INVALID_TTM;
    if (!wide && mode !== TranslationTableMode.LEGACY) return Iqei.INVALID_WIDTH;
    const tail = IQT.QT.address(words);
    if (wide && tail % (WIDEST_WORDS * 4) !== 0) return Iqei.UNALIGNED_TAIL;
    return tail >= 2 ** (IQA.QS.get(words) + 12) ? Iqei.INVALID_TAIL : Iqei.NONE;
  }

  #makeHandlers(): Map<number, Handler> {
    const { capabilities } = this.#unit;
    const runs: Partial<Record<DescriptorName, Run>> = {
      CONTEXT_CACHE_INVALIDATE: (words) => this.#invalidateContexts(words),
      IOTLB_INVALIDATE: (words) => this.#invalidateIotlb(words),
      DEVICE_TLB_INVALIDATE: nothingHeld,
      INTERRUPT_ENTRY_CACHE_INVALIDATE: nothingHeld,
      INVALIDATION_WAIT: (words) => this.#wait(words),
    };
    const handlers = new Map<number, Handler>();
    for (const descriptor of DESCRIPTORS) {
      const run = runs[descriptor.name];
      if (run === undefined || !descriptor.modes.includes('legacy')) continue;
      if (!descriptor.needs.every((capability) => capabilities.has(capability))) continue;
      handlers.set(descriptor.type, { reserved: reservedBits(descriptor, capabilities), run });
    }
    return handlers;
  }

  #invalidateContexts(words: Uint32Array): Refusal {
    const { G, DID, SID, FM } = CONTEXT_CACHE_INVALIDATE;
    const done = this.#unit.invalidator.contexts({
      granularity: G.get(words),
      domain: DID.get(words),
      requester: SID.get(words),
      functionMask: FM.get(words),
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #invalidateIotlb(words: Uint32Array): Refusal {
    const { G, DID, AM } = IOTLB_INVALIDATE;
    const { capabilities, invalidator } = this.#unit;
    const granularity = G.get(words);
    const order = AM.get(words);
    const tooWide =
      granularity === IotlbGranularity.PAGE && capabilities.has('PSI') && order > capabilities.maxAddressMask;
    if (tooWide) return Iqei.RESERVED_FIELD;
    const done = invalidator.iotlb({
      granularity,
      domain: DID.get(words),
      addressHi: words[3]! | 0,
      addressLo: words[2]! & ~0xfff,
      order,
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  /** Everything before has completed by now except requests in flight; the barrier waits for those. */
  *#wait(words: Uint32Array): Walk<Refusal> {
    const { SW, IF, STATUS_DATA } = INVALIDATION_WAIT;
    const memory = this.#memory;
    yield memory.barrier();
    if (SW.isSet(words)) {
      const width = this.#unit.capabilities.hostAddressWidth;
      const upper = words[3]! % 2 ** (width - 32);
      memory.words[0] = STATUS_DATA.get(words);
      yield memory.write(upper * 2 ** 32 + ((words[2]! & ~3) >>> 0), 1);
    }
    if (IF.isSet(words)) this.#complete();
    return Iqei.NONE;
  }

  /** A completed wait descriptor with IF set: an event, unless the last one has not been acknowledged. */
  #complete(): void {
    const { file, completion } = this.#unit;
    if (ICS.IWC.isSet(file.words)) return;
    ICS.IWC.set(file.words, 1);
    completion.signal();
  }
}

const PADDING = new Uint32Array([0, 0, 0, 0, ~0, ~0, ~0, ~0]);
const RESERVED_TTM = 0b10;

/** Nothing that these descriptors name is cached by this unit. */
function nothingHeld(): Refusal {
  return Iqei.NONE;
}

/** What no field declares, and the fields that a missing capability reserves. */
function reservedBits({ layout, reservedWithout }: DescriptorInfo, capabilities: Capabilities): Uint32Array {
  const missing = Object.entries(reservedWithout).filter(([name]) => !capabilities.has(name as Capability));
  const fields = new Set(missing.flatMap(([, names]) => names));
  const never = undeclared(layout);
  return maskOf(layout, (field) => fields.has(field.name)).map((bits, i) => bits | never[i]!);
}
