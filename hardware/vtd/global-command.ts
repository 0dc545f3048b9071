/**
 * The global command register (VT-d 11.4.4): what each bit of a write to GCMD switches, and GSTS, which tells of it.
 *
 * Remapping is switched between two requests: those that have come go on as they began, and TES and IRES tell of it when all
 * of them have been answered.
 *
 * Offers: `carryOut` for a write; `latchRootTable`, which takes RTADDR over as SRTP does; `reset`.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import type { InterruptRemapper } from './interrupt-remapper.ts';
import type { Invalidator } from './invalidation.ts';
import { GCMD, GSTS, IQH, RTADDR } from './spec/index.ts';
import type { Translator } from './translator.ts';

type Command = (typeof GCMD)['TE'];

/** The parts of the unit that are commanded. */
export interface Commanded {
  readonly file: RegisterFile;
  readonly capabilities: Capabilities;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptRemapper;
  readonly faults: FaultRecorder;
  /** Carries out work of the unit. */
  start(walk: Walk): void;
  startQueue(): void;
  /** The queue is off: waits that it has taken do not complete. */
  abortWaits(): void;
}

export class GlobalCommand {
  readonly #unit: Commanded;
  /** Requests are being answered that came before remapping was switched. */
  #settling = false;
  /** It was switched once more meanwhile. */
  #again = false;

  constructor(unit: Commanded) {
    this.#unit = unit;
  }

  /** A write to GCMD: one-shot bits act where they are 1, level bits where they differ from the status. */
  carryOut(written: number): void {
    const { file, capabilities, translator, interrupts, invalidator } = this.#unit;
    const { words } = file;
    const wanted = (field: Command): boolean => (written & field.mask) !== 0;
    const translates = wanted(GCMD.TE);
    const remaps = capabilities.has('IR') && wanted(GCMD.IRE);
    // Interrupts wait for no capability (11.4.4.1, IRE).
    const mustDrain = (translates !== translator.enabled && capabilities.drains) || remaps !== interrupts.enabled;
    if (wanted(GCMD.SRTP)) {
      this.latchRootTable();
      if (capabilities.has('ESRTPS')) invalidator.everything();
      GSTS.RTPS.set(words, 1);
    }
    translator.enabled = translates;
    if (capabilities.has('QI') && wanted(GCMD.QIE) !== GSTS.QIES.isSet(words)) {
      GSTS.QIES.set(words, wanted(GCMD.QIE) ? 1 : 0);
      if (wanted(GCMD.QIE)) this.#unit.startQueue();
      else {
        IQH.QH.set(words, 0);
        this.#unit.abortWaits();
      }
    }
    if (capabilities.has('IR')) this.#commandInterrupts(wanted);
    if (mustDrain) this.#settle();
    else if (!this.#settling) this.#tell();
  }

  latchRootTable(): void {
    const { file, capabilities, translator } = this.#unit;
    const { words } = file;
    translator.root = {
      mode: RTADDR.TTM.get(words),
      table: RTADDR.RTA.address(words),
      ioRights: capabilities.has('SSIRWS') && RTADDR.SSIRWE.isSet(words),
    };
  }

  reset(): void {
    this.#settling = false;
    this.latchRootTable();
  }

  #settle(): void {
    this.#again = true;
    if (this.#settling) return;
    this.#settling = true;
    this.#unit.start(this.#drain());
  }

  *#drain(): Walk {
    while (this.#again) {
      this.#again = false;
      yield new MemoryOperation().barrier();
    }
    this.#settling = false;
    this.#tell();
  }

  #tell(): void {
    const { file, capabilities, translator, interrupts, invalidator, faults } = this.#unit;
    const { words } = file;
    const isDisabled = GSTS.TES.isSet(words) && !translator.enabled;
    GSTS.TES.set(words, translator.enabled ? 1 : 0);
    GSTS.IRES.set(words, interrupts.enabled ? 1 : 0);
    if (isDisabled && capabilities.has('SMTS')) invalidator.everything();
    if (!translator.enabled && !interrupts.enabled) faults.rewind();
  }

  #commandInterrupts(wanted: (field: Command) => boolean): void {
    const { file, interrupts } = this.#unit;
    const { words } = file;
    if (wanted(GCMD.SIRTP)) {
      interrupts.setTable(file);
      GSTS.IRTPS.set(words, 1);
    }
    interrupts.setEnabled(wanted(GCMD.IRE));
    interrupts.compatibilityPasses = wanted(GCMD.CFI);
    GSTS.CFIS.set(words, wanted(GCMD.CFI) ? 1 : 0);
  }
}
