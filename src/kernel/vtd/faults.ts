/** Reads what a unit recorded about blocked requests (VT-d 7.2, 7.3) and clears it, so that there is room for more. */
import type { Engine, Script } from '../../../hardware/sim/index.ts';
import {
  FaultedAccess,
  FEADDR,
  FECTL,
  FEDATA,
  FEUADDR,
  FRCD,
  FSTS,
  faultsWithCode,
} from '../../../hardware/vtd/spec/index.ts';
import type { FaultAccess, FaultLog, IommuFault } from '../fault-log.ts';
import type { Interrupts, Message } from '../interrupts.ts';
import { reasonOf } from './fault-reasons.ts';
import type { Registers } from './registers.ts';

const RECORD_BYTES = 16;
/** The last word of a record holds F. */
const STATE_WORD = 3;
/** A unit whose records cannot be cleared would keep the handler for ever. */
const MOST_ROUNDS = 10_000;

const ACCESS: ReadonlyMap<number, FaultAccess> = new Map([
  [FaultedAccess.WRITE, 'write'],
  [FaultedAccess.READ, 'read'],
  [FaultedAccess.ATOMIC, 'atomic'],
  [FaultedAccess.PAGE_REQUEST, 'page request'],
]);

interface Services {
  readonly engine: Engine;
  readonly faults: FaultLog;
  readonly interrupts: Interrupts;
}

/** Byte offset of the first record and number of records. */
export interface FaultPlace {
  readonly offset: number;
  readonly count: number;
}

export class FaultReader {
  /** Hears of each fault. */
  onFault: ((fault: IommuFault) => void) | null = null;
  readonly #engine: Engine;
  readonly #registers: Registers;
  readonly #log: FaultLog;
  readonly #name: string;
  readonly #place: FaultPlace;
  readonly #interrupts: Interrupts;
  #message!: Message;
  /** The unit knows the vector. */
  #isTold = false;
  #busy = false;
  /** Somebody asked while the records were being read: what raised that event may have been missed. */
  #again = false;

  private constructor({ engine, faults, interrupts }: Services, registers: Registers, name: string, place: FaultPlace) {
    this.#engine = engine;
    this.#registers = registers;
    this.#log = faults;
    this.#interrupts = interrupts;
    this.#name = name;
    this.#place = place;
  }

  /** Takes a vector, of which the unit knows nothing yet, or gives -ENOSPC. */
  static create(services: Services, registers: Registers, name: string, place: FaultPlace): FaultReader | number {
    const reader = new FaultReader(services, registers, name, place);
    const message = services.interrupts.allocate(`${name} fault`, () => reader.read());
    if (typeof message === 'number') return message;
    reader.#message = message;
    return reader;
  }

  /** From now on the records are read whenever there is one. */
  *enable(): Script {
    this.#isTold = true;
    // What is left over from before is read first: a pending fault would keep new ones from raising an event.
    yield* this.read();
    yield* this.#registers.write(FSTS, { IQE: 1, ICE: 1, ITE: 1 });
    yield* this.#registers.write(FEDATA, { IMD: this.#message.data });
    yield* this.#registers.write(FEADDR, { MA: this.#message.address / 4 });
    yield* this.#registers.write(FEUADDR, { MUA: 0 });
    yield* this.#registers.write(FECTL, { IM: 0 });
  }

  release(): void {
    if (!this.#isTold) this.#interrupts.free(this.#message);
  }

  /** Empties the records, from the one that raised the event on. Runs for each fault event. */
  *read(): Script {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    for (let round = 0; round < MOST_ROUNDS && this.#again; round++) {
      this.#again = false;
      const status = yield* this.#registers.read(FSTS);
      if (!FSTS.PPF.isSet(status) && !FSTS.PFO.isSet(status)) continue;
      this.#again = true;
      if (FSTS.PPF.isSet(status)) yield* this.#readRecords(FSTS.FRI.get(status));
      // Only after the records: while they are full, clearing the overflow would let it happen again at once.
      if (FSTS.PFO.isSet(status)) {
        this.#log.remark(`${this.#name}: faults were lost, the fault records were full`);
        yield* this.#registers.write(FSTS, { PFO: 1 });
      }
    }
    this.#busy = false;
  }

  *#readRecords(first: number): Script {
    const { count } = this.#place;
    for (let i = 0; i < count; i++) {
      if (!(yield* this.#readRecord((first + i) % count))) return;
    }
  }

  /** False when the record holds no fault. */
  *#readRecord(index: number): Script<boolean> {
    const offset = this.#place.offset + index * RECORD_BYTES;
    // F is written last and read first: what else is read then belongs to it.
    const high = yield* this.#registers.readAt(offset + 8, 8);
    const record = Uint32Array.of(0, 0, high[0]!, high[1]!);
    if (!FRCD.F.isSet(record)) return false;
    record.set(yield* this.#registers.readAt(offset, 8));
    yield* this.#registers.writeAt(offset + STATE_WORD * 4, Uint32Array.of(FRCD.F.mask));
    this.#report(record);
    return true;
  }

  #report(record: Uint32Array): void {
    const code = FRCD.FR.get(record);
    const meanings = faultsWithCode(code);
    const requester = FRCD.SID.get(record);
    const isInterrupt = meanings.some(({ stage }) => stage === 'interrupt');
    const access = isInterrupt ? 'interrupt' : (ACCESS.get(FRCD.T1.get(record) * 2 + FRCD.T2.get(record)) ?? 'write');
    const pasid = FRCD.PP.isSet(record) ? FRCD.PV.get(record) : -1;
    const address = FRCD.FI.big(record) << 12n;
    const name = meanings.map((fault) => fault.name).join(' or ') || 'unknown';
    const meaning = meanings[0]?.meaning ?? 'unknown reason';
    const fault: IommuFault = {
      at: this.#engine.now,
      unit: this.#name,
      code,
      name,
      meaning,
      reason: reasonOf(code),
      requester,
      pasid,
      address,
      access,
    };
    this.#log.record(fault);
    this.onFault?.(fault);
  }
}
