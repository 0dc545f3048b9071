/**
 * Performance counters: each counts one kind of event, of those requests that match its filters, and can log an event when
 * it comes round to 0.
 *
 * Needs: `log`, which logs an event; `changed`, called when `active` may have changed. Offers: `active`, which is `null`
 * unless a counter counts. The sources are the events' numbers (`CounterSource`).
 *
 * What the locks, the masks, CAC and the report do is remembered and confirmed by no source. Not acted on: CountUnits.
 */
import { encode, type Field, type RegisterFile } from '../bits/index.ts';
import type { PerformanceEvents } from '../iommu/index.ts';
import {
  COUNTER,
  COUNTER_BANK_BYTES,
  COUNTER_BANKS,
  COUNTER_BYTES,
  COUNTER_DEVICE_LOCK,
  COUNTER_DEVICE_MATCH,
  COUNTER_DOMAIN_LOCK,
  COUNTER_DOMAIN_MATCH,
  COUNTER_PASID_LOCK,
  COUNTER_PASID_MATCH,
  COUNTER_REGISTERS,
  COUNTER_REPORT,
  COUNTER_SOURCE,
  CounterSource,
  EVENT_COUNTER_ZERO,
  EventCode,
} from './spec/index.ts';

/** Not architectural. */
export interface CountersSpec {
  readonly banks: number;
  /** Counters of each bank. */
  readonly counters: number;
}

/** What servers have. */
export const COUNTERS: CountersSpec = { banks: 2, counters: 4 };

/** Most that Counter Configuration can report. */
const MOST_BANKS = 63;
const MOST_COUNTERS = 15;

/** The count has 48 bits. */
const UPPER_MASK = 0xffff;
const TWO_32 = 2 ** 32;

const LOCKS = [
  [COUNTER_PASID_LOCK, COUNTER_PASID_MATCH],
  [COUNTER_DOMAIN_LOCK, COUNTER_DOMAIN_MATCH],
  [COUNTER_DEVICE_LOCK, COUNTER_DEVICE_MATCH],
] as const;

/** The registers of one counter, as words from its first. */
const COUNT = placeOf(COUNTER) / 4;
const SOURCE = placeOf(COUNTER_SOURCE) / 4;
const PASID = placeOf(COUNTER_PASID_MATCH) / 4;
const DOMAIN = placeOf(COUNTER_DOMAIN_MATCH) / 4;
const DEVICE = placeOf(COUNTER_DEVICE_MATCH) / 4;
const REPORT = placeOf(COUNTER_REPORT) / 4;

/** Throws for a spec that the registers cannot describe. */
export function checkCounters({ banks, counters }: CountersSpec): void {
  for (const [name, value, most] of [
    ['banks', banks, MOST_BANKS],
    ['counters', counters, MOST_COUNTERS],
  ] as const) {
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw new RangeError(`counters.${name}: ${value} is not a whole number from 1 to ${most}`);
    }
  }
}

/** Byte offset of a counter's registers. */
export function offsetOfCounter(bank: number, counter: number): number {
  return COUNTER_BANKS + bank * COUNTER_BANK_BYTES + counter * COUNTER_BYTES;
}

/** The counter whose registers stand at an offset. */
export function counterAt(offset: number): { readonly bank: number; readonly counter: number } {
  const at = offset - COUNTER_BANKS;
  return { bank: Math.floor(at / COUNTER_BANK_BYTES), counter: Math.floor((at % COUNTER_BANK_BYTES) / COUNTER_BYTES) };
}

export class Counters implements PerformanceEvents {
  readonly #file: RegisterFile;
  readonly #spec: CountersSpec;
  readonly #log: (entry: Uint32Array) => void;
  readonly #changed: () => void;
  /** Where the registers of the counters that count stand, as words. */
  #counting: readonly number[] = [];

  constructor(file: RegisterFile, log: (entry: Uint32Array) => void, changed: () => void, spec = COUNTERS) {
    this.#file = file;
    this.#spec = spec;
    this.#log = log;
    this.#changed = changed;
    for (const offset of this.#offsets()) {
      file.onWrite(offset + placeOf(COUNTER_SOURCE), () => this.#refresh());
    }
    for (const [lock, match] of LOCKS) {
      for (const half of [0, 4]) file.onWrite(lock.$.offset! + half, () => this.#lock(lock, match));
    }
  }

  /** Itself while a counter counts. */
  get active(): this | null {
    return this.#counting.length === 0 ? null : this;
  }

  count(event: number, requester: number, domain: number, pasid: number, _detail: number): void {
    const { words } = this.#file;
    for (const at of this.#counting) {
      if (COUNTER_SOURCE.CSource.get(words, at + SOURCE) !== event) continue;
      if (this.#matches(at, requester, domain, pasid) && this.#increment(at)) this.#report(at);
    }
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#refresh();
  }

  #matches(at: number, requester: number, domain: number, pasid: number): boolean {
    const { words } = this.#file;
    const p = at + PASID;
    const o = at + DOMAIN;
    const d = at + DEVICE;
    const { PasMEn, PasidMatch, PasidMask } = COUNTER_PASID_MATCH;
    const { DomMEn, DomainMatch, DomainMask } = COUNTER_DOMAIN_MATCH;
    const { DIDMEn, DeviceIDMatch, DeviceIDMask } = COUNTER_DEVICE_MATCH;
    return (
      (!PasMEn.isSet(words, p) || isLike(pasid, PasidMatch.get(words, p), PasidMask.get(words, p))) &&
      (!DomMEn.isSet(words, o) || isLike(domain, DomainMatch.get(words, o), DomainMask.get(words, o))) &&
      (!DIDMEn.isSet(words, d) || isLike(requester, DeviceIDMatch.get(words, d), DeviceIDMask.get(words, d)))
    );
  }

  /** Adds 1; true when the count has come round to 0. */
  #increment(at: number): boolean {
    const { words } = this.#file;
    const low = at + COUNT;
    words[low] = words[low]! + 1;
    if (words[low] !== 0) return false;
    words[low + 1] = (words[low + 1]! + 1) & UPPER_MASK;
    return words[low + 1] === 0;
  }

  #report(at: number): void {
    const { words } = this.#file;
    const report = at + REPORT;
    if (!COUNTER_REPORT.CERE.isSet(words, report)) return;
    const note = COUNTER_REPORT.EventNote.get(words, report);
    this.#log(
      encode(EVENT_COUNTER_ZERO, {
        EventCode: EventCode.EVENT_COUNTER_ZERO,
        CounterNote_51_32: Math.floor(note / TWO_32),
        CounterNote_31_0: note % TWO_32,
      }),
    );
  }

  /** Finds out again which counters count. */
  #refresh(): void {
    const { words } = this.#file;
    this.#counting = this.#offsets()
      .map((offset) => offset / 4)
      .filter((at) => {
        const { CSource, CAC } = COUNTER_SOURCE;
        return CSource.get(words, at + SOURCE) !== CounterSource.OFF && !CAC.isSet(words, at + SOURCE);
      });
    this.#changed();
  }

  /** Takes the match registers of locked banks from software, and gives back the others. */
  #lock(lock: { readonly Lock: Field }, match: CounterRegister): void {
    const locked = lock.Lock.big(this.#file.words);
    for (let bank = 0; bank < this.#spec.banks; bank++) {
      const isLocked = ((locked >> BigInt(bank)) & 1n) !== 0n;
      for (let counter = 0; counter < this.#spec.counters; counter++) {
        this.#file.lock(offsetOfCounter(bank, counter) + placeOf(match), match.$.words, isLocked);
      }
    }
  }

  #offsets(): number[] {
    const { banks, counters } = this.#spec;
    return Array.from({ length: banks * counters }, (_, i) => offsetOfCounter(Math.floor(i / counters), i % counters));
  }
}

type CounterRegister = (typeof COUNTER_REGISTERS)[number][0];

/** Byte offset of a register within those of its counter. */
function placeOf(of: CounterRegister): number {
  return COUNTER_REGISTERS.find(([layout]) => layout === of)![1];
}

/** Equal in the bits of `mask`. What a request does not have is -1, and like nothing. */
function isLike(value: number, wanted: number, mask: number): boolean {
  return value >= 0 && (value & mask) === (wanted & mask);
}
