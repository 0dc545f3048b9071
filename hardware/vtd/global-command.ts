/**
 * The global command register (VT-d 11.4.4): what each bit of a write to GCMD switches, and GSTS, which tells of it.
 *
 * Offers: `carryOut` for a write; `latchRootTable`, which takes RTADDR over as SRTP does.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import type { InterruptRemapper } from './interrupt-remapper.ts';
import type { Invalidator } from './invalidation.ts';
import { GCMD, GSTS, IQH, RTADDR } from './spec/index.ts';
import type { Translator } from './translator.ts';

type Command = (typeof GCMD)['TE'];
type CommandStatus = (typeof GSTS)['TES'];

/** The parts of the unit that are commanded. */
export interface Commanded {
  readonly file: RegisterFile;
  readonly capabilities: Capabilities;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptRemapper;
  readonly faults: FaultRecorder;
  startQueue(): void;
  /** The queue is off: waits that it has taken do not complete. */
  abortWaits(): void;
}

export class GlobalCommand {
  readonly #unit: Commanded;

  constructor(unit: Commanded) {
    this.#unit = unit;
  }

  /** A write to GCMD: one-shot bits act where they are 1, level bits where they differ from the status. */
  carryOut(written: number): void {
    const { file, capabilities, translator, invalidator, faults } = this.#unit;
    const { words } = file;
    const wanted = (field: Command): boolean => (written & field.mask) !== 0;
    const changes = (field: Command, status: CommandStatus): boolean => wanted(field) !== status.isSet(words);
    if (wanted(GCMD.SRTP)) {
      this.latchRootTable();
      if (capabilities.has('ESRTPS')) invalidator.everything();
      GSTS.RTPS.set(words, 1);
    }
    if (changes(GCMD.TE, GSTS.TES)) {
      translator.enabled = wanted(GCMD.TE);
      GSTS.TES.set(words, wanted(GCMD.TE) ? 1 : 0);
      if (!wanted(GCMD.TE) && capabilities.has('SMTS')) invalidator.everything();
    }
    if (capabilities.has('QI') && changes(GCMD.QIE, GSTS.QIES)) {
      GSTS.QIES.set(words, wanted(GCMD.QIE) ? 1 : 0);
      if (wanted(GCMD.QIE)) this.#unit.startQueue();
      else {
        IQH.QH.set(words, 0);
        this.#unit.abortWaits();
      }
    }
    if (capabilities.has('IR')) this.#commandInterrupts(wanted);
    if (!GSTS.TES.isSet(words) && !GSTS.IRES.isSet(words)) faults.rewind();
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

  #commandInterrupts(wanted: (field: Command) => boolean): void {
    const { file, interrupts } = this.#unit;
    const { words } = file;
    if (wanted(GCMD.SIRTP)) {
      interrupts.setTable(file);
      GSTS.IRTPS.set(words, 1);
    }
    interrupts.setEnabled(wanted(GCMD.IRE));
    interrupts.compatibilityPasses = wanted(GCMD.CFI);
    GSTS.IRES.set(words, wanted(GCMD.IRE) ? 1 : 0);
    GSTS.CFIS.set(words, wanted(GCMD.CFI) ? 1 : 0);
  }
}
