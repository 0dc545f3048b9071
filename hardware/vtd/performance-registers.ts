/**
 * The registers of performance monitoring that one unit has: where they stand and what they report (VT-d 11.4.13). They
 * follow the pages that the other registers take: freeze status, overflow status, configurations, counters.
 */
import { type AnyLayout, encode, type Placement, type RegisterFile } from '../bits/index.ts';
import type { Capabilities } from './capabilities.ts';
import { bitOf, EVENTS, type EventInfo, type Filter, groupOf } from './performance-events.ts';
import {
  PERFCAP,
  PERFCFGOFF,
  PERFCNTR,
  PERFCNTR_ATFLTR,
  PERFCNTR_DIDFLTR,
  PERFCNTR_PASIDFLTR,
  PERFCNTR_PTLFLTR,
  PERFCNTR_RIDFLTR,
  PERFCNTRCFG,
  PERFCNTROFF,
  PERFEVNTCAP,
  PERFEVNTCAP_OFFSET,
  PERFFRZOFF,
  PERFFRZSTS,
  PERFORMANCE_CONFIGURATION_OFFSET,
  PERFORMANCE_CONFIGURATION_STRIDE,
  PERFOVFOFF,
  PERFOVFSTS,
  PerformanceEvent,
} from './spec/index.ts';

/** Not architectural. */
export interface PerformanceSpec {
  /** Counters: 1 to 64, so that one register each holds their freeze and overflow bits. */
  readonly counters: number;
  /** Bits of a counter: 1 to 64. */
  readonly width: number;
  /** PERFCAP.CWE: software may write a counter that is enabled. */
  readonly writableWhileEnabled: boolean;
}

export const PERFORMANCE: PerformanceSpec = { counters: 8, width: 48, writableWhileEnabled: false };

const PAGE = 4096;
const MOST = 64;
/** PERFCAP.CS = 0. */
const COUNTER_STRIDE = 2 ** 10;
const GROUPS = Object.keys(PerformanceEvent).length;
const WORD = 4;
/** Bits 63:60 of PERFCAP are reserved and read Fh (table of 11.4.13.2). */
const RESERVED_ONES = 0xf000_0000;

const FILTER_REGISTERS: readonly (readonly [Filter, AnyLayout, number])[] = [
  ['RID', PERFCNTR_RIDFLTR, PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTR_RIDFLTR],
  ['DID', PERFCNTR_DIDFLTR, PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTR_DIDFLTR],
  ['PASID', PERFCNTR_PASIDFLTR, PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTR_PASIDFLTR],
  ['AT', PERFCNTR_ATFLTR, PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTR_ATFLTR],
  ['PTL', PERFCNTR_PTLFLTR, PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTR_PTLFLTR],
];

export class PerformanceRegisters {
  readonly spec: PerformanceSpec;
  readonly placements: readonly Placement[];
  /** The events that the unit has, by their code. */
  readonly events: ReadonlyMap<number, EventInfo>;
  readonly #capabilities: Capabilities;
  readonly #freeze: number;
  readonly #overflow: number;
  readonly #configurations: number;
  readonly #counters: number;

  /** `end` is the first byte behind all other registers. */
  constructor(spec: PerformanceSpec, capabilities: Capabilities, end: number) {
    const { counters, width } = spec;
    for (const [name, value] of [
      ['counters', counters],
      ['width', width],
    ] as const) {
      if (!Number.isInteger(value) || value < 1 || value > MOST) {
        throw new RangeError(`performance.${name}: ${value} is not a whole number from 1 to ${MOST}`);
      }
    }
    this.spec = spec;
    this.#capabilities = capabilities;
    this.#freeze = aligned(end, PAGE);
    this.#overflow = this.#freeze + PERFFRZSTS.$.words * WORD;
    this.#configurations = aligned(this.#overflow + 1, PERFORMANCE_CONFIGURATION_STRIDE);
    this.#counters = aligned(this.#configurations + counters * PERFORMANCE_CONFIGURATION_STRIDE, COUNTER_STRIDE);
    const present = EVENTS.filter(({ needs }) => needs.every((name) => capabilities.has(name)));
    this.events = new Map(present.map((info) => [info.event, info]));
    this.placements = this.#place();
  }

  /** Word index of the freeze bits. */
  get freeze(): number {
    return this.#freeze / WORD;
  }

  /** Word index of the overflow bits. */
  get overflow(): number {
    return this.#overflow / WORD;
  }

  /** Byte offset of a counter. */
  counter(c: number): number {
    return this.#counters + c * COUNTER_STRIDE;
  }

  /** Byte offset of the configuration of a counter. */
  configuration(c: number): number {
    return this.#configurations + c * PERFORMANCE_CONFIGURATION_STRIDE;
  }

  /** Byte offset of a filter of a counter. */
  filter(c: number, filter: Filter): number {
    return this.configuration(c) + PERFORMANCE_CONFIGURATION_OFFSET[`PERFCNTR_${filter}FLTR`];
  }

  has(filter: Filter): boolean {
    return filter !== 'PASID' || this.#capabilities.has('PASID');
  }

  /** Puts what the registers report into the file, and takes away the bits that this unit does not have. */
  report(file: RegisterFile): void {
    const { counters, width, writableWhileEnabled } = this.spec;
    const capability = encode(PERFCAP, {
      NCNTR: counters,
      CW: width,
      EGCNT: GROUPS,
      RIDFS: 1,
      DIDFS: 1,
      PASIDFS: this.has('PASID') ? 1 : 0,
      ATFS: 1,
      PTLFS: 1,
      CWE: writableWhileEnabled ? 1 : 0,
      GFS: 1,
      IOS: 1,
      // The stride is 2 ** (CS + 10) bytes.
      CS: 31 - Math.clz32(COUNTER_STRIDE) - 10,
    });
    file.initialWords(PERFCAP.$.offset!, [capability[0]!, capability[1]! | RESERVED_ONES]);
    file.initial(PERFCFGOFF, { CFGO: this.#configurations });
    file.initial(PERFFRZOFF, { FZO: this.#freeze });
    file.initial(PERFOVFOFF, { OFO: this.#overflow });
    file.initial(PERFCNTROFF, { CNTO: this.#counters });
    for (let group = 0; group < GROUPS; group++) {
      let events = 0;
      for (const event of this.events.keys()) if (groupOf(event) === group) events |= 1 << bitOf(event);
      file.initialWords(PERFEVNTCAP_OFFSET + group * 8, [...encode(PERFEVNTCAP, { ES: events })]);
    }
    for (let c = 0; c < counters; c++) this.#narrow(file, c);
  }

  /** Bits beyond the counter's width; address types that no request has. */
  #narrow(file: RegisterFile, c: number): void {
    const { width } = this.spec;
    const at = this.counter(c);
    file.withholdBits(at, ~lowMask(width));
    file.withholdBits(at + WORD, ~highMask(width));
    const types = 1 | (this.#capabilities.has('DT') ? 0b110 : 0) | (this.#capabilities.has('HPTS') ? 0b1_0000 : 0);
    file.withholdBits(this.filter(c, 'AT'), 0b1_1111 & ~types);
  }

  #place(): Placement[] {
    const placed: Placement[] = [
      { layout: PERFFRZSTS, offset: this.#freeze },
      { layout: PERFOVFSTS, offset: this.#overflow },
    ];
    for (let g = 0; g < GROUPS; g++) placed.push({ layout: PERFEVNTCAP, offset: PERFEVNTCAP_OFFSET + g * 8 });
    for (let c = 0; c < this.spec.counters; c++) {
      placed.push({ layout: PERFCNTRCFG, offset: this.configuration(c) });
      placed.push({ layout: PERFCNTR, offset: this.counter(c) });
      for (const [filter, layout, offset] of FILTER_REGISTERS) {
        if (this.has(filter)) placed.push({ layout, offset: this.configuration(c) + offset });
      }
    }
    return placed;
  }
}

/** The bits of a counter of `width` bits that lie in its lower and its upper word. */
export const lowMask = (width: number): number => (width >= 32 ? -1 : (1 << width) - 1);
export const highMask = (width: number): number => (width <= 32 ? 0 : lowMask(width - 32));

function aligned(offset: number, to: number): number {
  return Math.ceil(offset / to) * to;
}
