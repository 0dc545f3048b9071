/**
 * The log of peripheral page requests, and what it has to say of requests that it cannot take: the unit then answers by
 * itself, if software has allowed it.
 *
 * Offers: `append`, one entry as a walk; `entries`, `overflow`; `answersAll`, `automaticAnswer`.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import type { Features } from './features.ts';
import { LogRing } from './log-ring.ts';
import type { OwnInterrupts } from './own-interrupts.ts';
import { RINGS } from './rings.ts';
import { CONTROL, PPR_AUTO_RESPONSE, PPR_B_OVERFLOW_EARLY, PPR_OVERFLOW_EARLY, STATUS } from './spec/index.ts';

export interface AutomaticAnswer {
  readonly code: number;
  /** The answer carries no PASID although the request had one. */
  readonly dropsPasid: boolean;
}

const EARLY = [
  { register: PPR_OVERFLOW_EARLY, status: STATUS.PprOvrflwEarly },
  { register: PPR_B_OVERFLOW_EARLY, status: STATUS.PprOvrflwEarlyB },
] as const;

export class PprLog {
  readonly #file: RegisterFile;
  readonly #features: Features;
  readonly #interrupts: OwnInterrupts;
  readonly #log: LogRing;

  constructor(file: RegisterFile, features: Features, interrupts: OwnInterrupts) {
    this.#file = file;
    this.#features = features;
    this.#interrupts = interrupts;
    const a = { registers: RINGS.PPR, overflow: STATUS.PprOverflow };
    const b = {
      registers: RINGS.PPR_B,
      overflow: STATUS.PprOvrflwB,
      choice: CONTROL.DualPprLogEn,
      active: STATUS.PprLogActive,
    };
    this.#log = new LogRing(
      file,
      {
        enable: CONTROL.PPRLogEn,
        run: STATUS.PprLogRun,
        written: STATUS.PprInt,
        a,
        ...(features.has('DualPprLogSup') ? { b } : {}),
      },
      interrupts,
    );
  }

  get isRunning(): boolean {
    return this.#log.isRunning;
  }

  /** Every request is to be answered with `automaticAnswer`, and none logged. */
  get answersAll(): boolean {
    return CONTROL.PprAutoRspAon.isSet(this.#file.words);
  }

  /** What to answer the last request of a group with that was not logged; `null` when it is dropped. */
  get automaticAnswer(): AutomaticAnswer | null {
    const { words } = this.#file;
    if (!CONTROL.PprAutoRspEn.isSet(words) && !this.answersAll) return null;
    const { PprAutoRespCode, PprAutoRespMaskGn } = PPR_AUTO_RESPONSE;
    return { code: PprAutoRespCode.get(words), dropsPasid: PprAutoRespMaskGn.isSet(words) };
  }

  /** Entries of the ring in use. */
  get entries(): number {
    return this.#log.length;
  }

  /** More requests have come than the log has room for. */
  overflow(): void {
    this.#log.overflow();
  }

  /** Logs a request. False when it was not: the log does not run, or is full. */
  *append(entry: Uint32Array): Walk<boolean> {
    const logged = yield* this.#log.append(entry);
    if (logged) this.#warn();
    return logged;
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#log.reset();
  }

  /** The log has reached the threshold from which software wants to know. */
  #warn(): void {
    const { words } = this.#file;
    if (!this.#features.has('PprOvrflwEarlySup')) return;
    const { register, status } = EARLY[this.#log.active]!;
    if (register.En.isSet(words) && this.#log.entries >= register.Threshold.get(words)) {
      this.#interrupts.signal(status);
    }
  }
}
