/**
 * The log of interrupts for guests that do not run at the time (guest virtual APIC log). The unit also stores the tail in
 * memory, where software has given an address for it.
 *
 * Offers: `append`, one entry of 8 bytes as a walk.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import { LogRing } from './log-ring.ts';
import type { OwnInterrupts } from './own-interrupts.ts';
import { RINGS } from './rings.ts';
import { CONTROL, GA_LOG_TAIL_ADDRESS, GA_TAIL, STATUS } from './spec/index.ts';

export class GaLog {
  readonly #file: RegisterFile;
  readonly #log: LogRing;

  constructor(file: RegisterFile, interrupts: OwnInterrupts) {
    this.#file = file;
    this.#log = new LogRing(
      file,
      {
        enable: CONTROL.GALogEn,
        run: STATUS.GALogRun,
        written: STATUS.GAInt,
        a: { registers: RINGS.GA, overflow: STATUS.GALOverflow },
      },
      interrupts,
    );
  }

  get isRunning(): boolean {
    return this.#log.isRunning;
  }

  /** Logs an interrupt. False when it was not: the log does not run, or is full. */
  *append(entry: Uint32Array): Walk<boolean> {
    const logged = yield* this.#log.append(entry);
    if (logged) yield* this.#storeTail();
    return logged;
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#log.reset();
  }

  *#storeTail(): Walk {
    const { words } = this.#file;
    const address = GA_LOG_TAIL_ADDRESS.GALogTailAddr.address(words);
    if (address === 0) return;
    const memory = new MemoryOperation();
    memory.words[0] = GA_TAIL.GATailptr.address(words);
    memory.words[1] = 0;
    yield memory.write(address, 2);
  }
}
