/**
 * What the unit wrote down about a blocked request, read as a driver reads it: Intel's fault recording registers, AMD's
 * event log. Offsets and bits stand here as plain numbers, apart from the layouts that the units use, so that a mistake
 * there is not repeated in what judges them.
 */

import type { Rig } from '../../../hardware/index.ts';
import type { RecordedCase } from './corpus.ts';

export interface FaultRecord {
  readonly code: number;
  readonly source: number;
  /** Page of the faulting address; `null` where this kind of record does not carry it. */
  readonly page: bigint | null;
  readonly write: boolean | null;
}

/** What one request left behind. */
export interface Evidence {
  readonly records: readonly FaultRecord[];
  /** False when no record was free before the request. */
  readonly canRecord: boolean;
  /** Sources of the records that nobody has read yet. */
  readonly waiting: readonly number[];
  /** What is wrong with the registers or the log whatever the request was. */
  readonly flaws: readonly string[];
}

export interface FaultLog {
  /** Runs `request` and gives its answer and what it left. */
  around<T>(request: () => T): readonly [answer: T, evidence: Evidence];
  /** Makes room again, as the recording harness does after a request. */
  drain(): void;
}

const PAGE = ~0xfffn;
const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;
const bits = (value: bigint, hi: number, lo: number) =>
  Number((value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n));

const FSTS = 0x34;
const FSTS_PFO = 1n;
const FSTS_PPF = 2n;
const CAP = 8;
const FAULT = 1n << 63n;
/** Upper half of a record but F, T1, FR and SID: all 0 for an untranslated request without PASID. */
const FRCD_REST = ~(FAULT | (1n << 62n) | (0xffn << 32n) | 0xffffn);

export class FaultRecordingRegisters implements FaultLog {
  readonly #rig: Rig;
  readonly #offset: number;
  readonly #count: number;

  constructor(rig: Rig) {
    const cap = rig.readRegister(CAP, 8);
    this.#rig = rig;
    this.#offset = bits(cap, 33, 24) * 16;
    this.#count = bits(cap, 47, 40) + 1;
  }

  around<T>(request: () => T): readonly [answer: T, evidence: Evidence] {
    const before = this.#read();
    const overflow = (this.#rig.readRegister(FSTS, 4) & FSTS_PFO) !== 0n;
    const answer = request();
    const records: FaultRecord[] = [];
    const flaws: string[] = [];
    const after = this.#read();
    after.forEach(([low, high], i) => {
      const [oldLow, oldHigh] = before[i]!;
      const changed = low !== oldLow || high !== oldHigh;
      if (changed && (oldHigh & FAULT) !== 0n) flaws.push(`fault record ${i} was overwritten while F=1`);
      else if (changed && (high & FAULT) !== 0n) {
        records.push({
          code: bits(high, 39, 32),
          source: bits(high, 15, 0),
          page: low & PAGE,
          write: bits(high, 62, 62) === 0,
        });
        if ((high & FRCD_REST) !== 0n || (low & ~PAGE) !== 0n)
          flaws.push(`fault record ${i} has other bits set: ${hex(high)} ${hex(low)}`);
      }
    });
    const any = after.some(([, high]) => (high & FAULT) !== 0n);
    if (any !== ((this.#rig.readRegister(FSTS, 4) & FSTS_PPF) !== 0n)) flaws.push('FSTS.PPF is not the OR of all F');
    const unread = before.filter(([, high]) => (high & FAULT) !== 0n);
    const waiting = unread.map(([, high]) => bits(high, 15, 0));
    return [answer, { records, canRecord: !overflow && unread.length < this.#count, waiting, flaws }];
  }

  drain(): void {
    for (let i = 0; i < this.#count; i++) this.#rig.writeRegister(this.#offset + i * 16 + 8, 8, FAULT);
    this.#rig.writeRegister(FSTS, 4, FSTS_PFO);
  }

  #read(): (readonly [low: bigint, high: bigint])[] {
    return Array.from({ length: this.#count }, (_, i) => {
      const at = this.#offset + i * 16;
      return [this.#rig.readRegister(at, 8), this.#rig.readRegister(at + 8, 8)] as const;
    });
  }
}

const EVENT_BYTES = 16;
const EVENT_TAIL = 0x2018;
const STATUS = 0x2020;
const STATUS_OVERFLOW = 1n;
const STATUS_RUNNING = 1n << 3n;
/** Events whose second quadword is the address of the request. */
const ILLEGAL_DEV_TABLE_ENTRY = 1;
const IO_PAGE_FAULT = 2;

export class EventLog implements FaultLog {
  readonly #rig: Rig;
  readonly #base: bigint;
  readonly #bytes: number;

  constructor(rig: Rig, { base, entries }: NonNullable<RecordedCase['evtlog']>) {
    this.#rig = rig;
    this.#base = BigInt(base);
    this.#bytes = entries * EVENT_BYTES;
  }

  around<T>(request: () => T): readonly [answer: T, evidence: Evidence] {
    const status = this.#rig.readRegister(STATUS, 8);
    let at = this.#tail();
    const answer = request();
    const records: FaultRecord[] = [];
    for (const tail = this.#tail(); at !== tail; at = (at + EVENT_BYTES) % this.#bytes) records.push(this.#event(at));
    const canRecord = (status & STATUS_RUNNING) !== 0n && (status & STATUS_OVERFLOW) === 0n;
    return [answer, { records, canRecord, waiting: [], flaws: [] }];
  }

  drain(): void {
    // The log is long enough for every case.
  }

  #tail(): number {
    return (Number(this.#rig.readRegister(EVENT_TAIL, 8)) % this.#bytes) & -EVENT_BYTES;
  }

  #event(at: number): FaultRecord {
    const bytes = this.#rig.readMemory(this.#base + BigInt(at), EVENT_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const head = view.getBigUint64(0, true);
    const code = bits(head, 63, 60);
    const ofRequest = code === ILLEGAL_DEV_TABLE_ENTRY || code === IO_PAGE_FAULT;
    return {
      code,
      source: bits(head, 15, 0),
      page: ofRequest ? view.getBigUint64(8, true) & PAGE : null,
      write: ofRequest ? bits(head, 53, 53) === 1 : null,
    };
  }
}
