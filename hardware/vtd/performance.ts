/**
 * Performance monitoring (VT-d 10): counters of events, which enhanced commands enable, disable, reset and freeze.
 *
 * Offers: `active`, which is `null` unless a counter counts; the commands. Needs: `changed`, called when `active` may have
 * changed; the event interrupt for overflows.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { EventInterrupt } from './event-interrupt.ts';
import { bitOf, groupOf, type PerformanceEvents } from './performance-events.ts';
import { CounterFilters } from './performance-filters.ts';
import { highMask, lowMask, type PerformanceRegisters } from './performance-registers.ts';
import {
  EnhancedStatus,
  PERFCNTR,
  PERFCNTRCFG,
  PERFFRZSTS,
  PERFINTRSTS,
  PERFORMANCE_CONFIGURATION_OFFSET,
  PERFOVFSTS,
} from './spec/index.ts';

/** A counter that counts. */
interface Active {
  readonly counter: number;
  readonly group: number;
  /** Bits of the events that count. */
  readonly events: number;
  readonly filters: CounterFilters;
  /** Word index of the count. */
  readonly word: number;
  readonly interrupts: boolean;
  readonly freezes: boolean;
}

/** The words of a counter's configuration and filters. */
const CONFIGURATION_WORDS = PERFORMANCE_CONFIGURATION_OFFSET.PERFCNTRCAP / 4;

export class Performance implements PerformanceEvents {
  readonly #file: RegisterFile;
  readonly #registers: PerformanceRegisters;
  readonly #event: EventInterrupt;
  readonly #changed: () => void;
  readonly #filters: readonly CounterFilters[];
  readonly #lowMask: number;
  readonly #highMask: number;
  #active: readonly Active[] = [];

  constructor(file: RegisterFile, registers: PerformanceRegisters, event: EventInterrupt, changed: () => void) {
    const { width, counters } = registers.spec;
    this.#file = file;
    this.#registers = registers;
    this.#event = event;
    this.#changed = changed;
    this.#lowMask = lowMask(width) & PERFCNTR.CNTR.mask;
    this.#highMask = highMask(width) & PERFCNTR.CNTR.mask;
    this.#filters = Array.from({ length: counters }, (_, c) => new CounterFilters(file, registers, c));
    registers.report(file);
    file.onWrite(PERFINTRSTS.$.offset!, () => {
      if (!PERFINTRSTS.PIS.isSet(file.words)) this.#event.withdraw();
    });
  }

  /** Itself while a counter counts. */
  get active(): this | null {
    return this.#active.length === 0 ? null : this;
  }

  count(event: number, requester: number, domain: number, pasid: number, detail: number): void {
    const group = groupOf(event);
    const bit = 1 << bitOf(event);
    let freezes = false;
    for (const active of this.#active) {
      if (active.group !== group || (active.events & bit) === 0) continue;
      if (!active.filters.accept(requester, domain, pasid, detail)) continue;
      if (this.#increment(active.word) && this.#overflow(active)) freezes = true;
    }
    if (freezes) this.freezeAll();
  }

  /** Starts a counter as its registers say, unless they ask for what the unit cannot do (VT-d 10.5). */
  enable(counter: number): number {
    if (counter >= this.#registers.spec.counters || !this.#isPossible(counter)) return EnhancedStatus.FAILED;
    this.#setEnabled(counter, true);
    this.#refresh();
    return EnhancedStatus.SUCCESS;
  }

  /** Stops a counter; it is no longer frozen either. */
  disable(counter: number): number {
    if (counter >= this.#registers.spec.counters) return EnhancedStatus.FAILED;
    this.#setEnabled(counter, false);
    this.#setFrozen(this.#frozen & ~(1n << BigInt(counter)));
    this.#refresh();
    return EnhancedStatus.SUCCESS;
  }

  /** Disables every counter and forgets configurations, filters, freeze and overflow status; the counts stay. */
  resetConfigurations(): number {
    const { words } = this.#file;
    for (let c = 0; c < this.#registers.spec.counters; c++) {
      this.#setEnabled(c, false);
      const at = this.#registers.configuration(c) / 4;
      words.fill(0, at, at + CONFIGURATION_WORDS);
      this.#filters[c]!.forget();
    }
    this.#setFrozen(0n);
    PERFOVFSTS.OS.setBig(words, 0n, this.#registers.overflow);
    this.#refresh();
    return EnhancedStatus.SUCCESS;
  }

  resetValues(): number {
    const { words } = this.#file;
    for (let c = 0; c < this.#registers.spec.counters; c++) {
      PERFCNTR.CNTR.setBig(words, 0n, this.#registers.counter(c) / 4);
    }
    return EnhancedStatus.SUCCESS;
  }

  freezeAll(): number {
    this.#setFrozen((1n << BigInt(this.#registers.spec.counters)) - 1n);
    this.#refresh();
    return EnhancedStatus.SUCCESS;
  }

  unfreezeAll(): number {
    this.#setFrozen(0n);
    this.#refresh();
    return EnhancedStatus.SUCCESS;
  }

  /** Registers are at their power-on values. */
  reset(): void {
    for (const filters of this.#filters) filters.forget();
    this.#refresh();
  }

  get #frozen(): bigint {
    return PERFFRZSTS.FS.big(this.#file.words, this.#registers.freeze);
  }

  #setFrozen(counters: bigint): void {
    PERFFRZSTS.FS.setBig(this.#file.words, counters, this.#registers.freeze);
  }

  /** Adds 1; true when the count has come round to 0. */
  #increment(word: number): boolean {
    const { words } = this.#file;
    const lo = (words[word]! + 1) & this.#lowMask;
    words[word] = lo;
    if (lo !== 0) return false;
    const hi = (words[word + 1]! + 1) & this.#highMask;
    words[word + 1] = hi;
    return hi === 0;
  }

  /** True when every counter has to freeze. */
  #overflow({ counter, interrupts, freezes }: Active): boolean {
    const { words } = this.#file;
    const { overflow } = this.#registers;
    PERFOVFSTS.OS.setBig(words, PERFOVFSTS.OS.big(words, overflow) | (1n << BigInt(counter)), overflow);
    if (interrupts) {
      PERFINTRSTS.PIS.set(words, 1);
      this.#event.signal();
    }
    return freezes;
  }

  #isPossible(counter: number): boolean {
    const { words } = this.#file;
    const at = this.#registers.configuration(counter) / 4;
    const group = PERFCNTRCFG.EGI.get(words, at);
    const events: number[] = [];
    for (let bits = PERFCNTRCFG.ES.get(words, at); bits !== 0; bits &= bits - 1) {
      events.push(group * 32 + (31 - Math.clz32(bits & -bits)));
    }
    const infos = events.map((event) => this.#registers.events.get(event));
    return infos.length > 0 && !infos.includes(undefined) && this.#filters[counter]!.suit(infos);
  }

  #setEnabled(counter: number, enabled: boolean): void {
    const { words } = this.#file;
    const at = this.#registers.configuration(counter);
    PERFCNTRCFG.EN.set(words, enabled ? 1 : 0, at / 4);
    this.#file.lock(at, CONFIGURATION_WORDS, enabled);
    if (this.#registers.spec.writableWhileEnabled) return;
    this.#file.lock(this.#registers.counter(counter), PERFCNTR.$.words, enabled);
  }

  /** Finds out again which counters count, and what. */
  #refresh(): void {
    const { words } = this.#file;
    const active: Active[] = [];
    for (let counter = 0; counter < this.#registers.spec.counters; counter++) {
      const at = this.#registers.configuration(counter) / 4;
      const isFrozen = ((this.#frozen >> BigInt(counter)) & 1n) !== 0n;
      if (!PERFCNTRCFG.EN.isSet(words, at) || isFrozen) continue;
      this.#filters[counter]!.take();
      active.push({
        counter,
        group: PERFCNTRCFG.EGI.get(words, at),
        events: PERFCNTRCFG.ES.get(words, at),
        filters: this.#filters[counter]!,
        word: this.#registers.counter(counter) / 4,
        interrupts: PERFCNTRCFG.IO.isSet(words, at),
        freezes: PERFCNTRCFG.GFO.isSet(words, at),
      });
    }
    this.#active = active;
    this.#changed();
  }
}
