/** The filters of one performance counter (VT-d 10.4): an event counts when it passes every filter that is on. */
import type { RegisterFile } from '../bits/index.ts';
import { NO_PASID } from '../iommu/index.ts';
import type { EventInfo, Filter } from './performance-events.ts';
import type { PerformanceRegisters } from './performance-registers.ts';
import {
  PasidFilterMode,
  PERFCNTR_ATFLTR,
  PERFCNTR_DIDFLTR,
  PERFCNTR_PASIDFLTR,
  PERFCNTR_PTLFLTR,
  PERFCNTR_RIDFLTR,
} from './spec/index.ts';

/** A filter that is off. */
const ANY = -1;
const REGISTERS = {
  RID: PERFCNTR_RIDFLTR,
  DID: PERFCNTR_DIDFLTR,
  PASID: PERFCNTR_PASIDFLTR,
  AT: PERFCNTR_ATFLTR,
  PTL: PERFCNTR_PTLFLTR,
} as const satisfies Record<Filter, unknown>;
const FILTERS = Object.keys(REGISTERS) as Filter[];

export class CounterFilters {
  readonly #file: RegisterFile;
  /** Word index of each filter register. */
  readonly #at: Readonly<Record<Filter, number>>;
  readonly #present: readonly Filter[];
  /** PTL is write-only; here is what software wrote. */
  readonly #levels = new Uint32Array(1);
  // What `take` found; ANY while the filter is off.
  #requester = ANY;
  #domain = ANY;
  #pasidMode = ANY;
  #pasid = ANY;
  /** Bits of the details that pass. */
  #details = ANY;

  constructor(file: RegisterFile, registers: PerformanceRegisters, counter: number) {
    const at = (filter: Filter): number => registers.filter(counter, filter) / 4;
    this.#file = file;
    this.#at = { RID: at('RID'), DID: at('DID'), PASID: at('PASID'), AT: at('AT'), PTL: at('PTL') };
    this.#present = FILTERS.filter((filter) => registers.has(filter));
    file.onWrite(registers.filter(counter, 'PTL'), (written) => {
      this.#levels[0] = written;
    });
  }

  /** True when these events may be counted together with the filters that are on. */
  suit(events: readonly (EventInfo | undefined)[]): boolean {
    const on = this.#present.filter((filter) => this.#isOn(filter));
    if (on.length === 0) return true;
    if (events.length > 1) return false;
    if (on.includes('PASID') && !Object.values<number>(PasidFilterMode).includes(this.#mode)) return false;
    return on.every((filter) => events[0]?.filters.includes(filter) === true);
  }

  /** Takes over what the registers say. */
  take(): void {
    const { words } = this.#file;
    const { RID, DID, PASID, AT } = this.#at;
    this.#requester = this.#isOn('RID') ? PERFCNTR_RIDFLTR.RID.get(words, RID) : ANY;
    this.#domain = this.#isOn('DID') ? PERFCNTR_DIDFLTR.DID.get(words, DID) : ANY;
    this.#pasidMode = this.#isOn('PASID') ? this.#mode : ANY;
    this.#pasid = PERFCNTR_PASIDFLTR.PASID.get(words, PASID);
    this.#details = ANY;
    if (this.#isOn('AT')) this.#details &= PERFCNTR_ATFLTR.AT.get(words, AT);
    if (this.#isOn('PTL')) this.#details &= PERFCNTR_PTLFLTR.PTL.get(this.#levels);
  }

  accept(requester: number, domain: number, pasid: number, detail: number): boolean {
    if (this.#requester !== ANY && requester !== this.#requester) return false;
    if (this.#domain !== ANY && domain !== this.#domain) return false;
    if (this.#pasidMode === PasidFilterMode.SAME_PASID && pasid !== this.#pasid) return false;
    if (this.#pasidMode === PasidFilterMode.ANY_PASID && pasid === NO_PASID) return false;
    if (this.#pasidMode === PasidFilterMode.WITHOUT_PASID && pasid !== NO_PASID) return false;
    return ((this.#details >>> detail) & 1) !== 0;
  }

  /** The registers have been reset. */
  forget(): void {
    this.#levels[0] = 0;
  }

  get #mode(): number {
    return PERFCNTR_PASIDFLTR.PFM.get(this.#file.words, this.#at.PASID);
  }

  #isOn(filter: Filter): boolean {
    return REGISTERS[filter].EN.isSet(this.#file.words, this.#at[filter]);
  }
}
