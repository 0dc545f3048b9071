/**
 * The unit's own interrupts. One is sent when a bit of Status becomes 1 and its enable bit is set; while the bit stays 1
 * none follows, so software clears it, reads the log empty and looks at Status again. They are never remapped.
 *
 * Needs: the function's MSI capability; `raise`, which sends a message. Offers: `signal`.
 */
import type { AnyLayout, Field, RegisterFile } from '../bits/index.ts';
import type { Features } from './features.ts';
import {
  CONTROL,
  MSI_VECTOR_1,
  PPR_B_OVERFLOW_EARLY,
  PPR_OVERFLOW_EARLY,
  STATUS,
  XT_GA_INTERRUPT,
  XT_GENERAL_INTERRUPT,
  XT_PPR_INTERRUPT,
} from './spec/index.ts';

/** Sends a message-signalled interrupt to the address with these halves. */
export type RaiseMsi = (hi: number, lo: number, data: number) => void;

/** The MSI capability of the unit's function. */
export interface MsiCapability {
  /** False while the function sends no MSIs. */
  readonly isEnabled: boolean;
  readonly hi: number;
  readonly lo: number;
  dataOf(vector: number): number;
}

interface Group {
  readonly xt: typeof XT_GENERAL_INTERRUPT;
  vector(features: Features, words: Uint32Array): number;
}

const GENERAL: Group = { xt: XT_GENERAL_INTERRUPT, vector: (features) => features.value('MsiNum') };
const PPR: Group = { xt: XT_PPR_INTERRUPT, vector: (features) => features.value('MsiNumPPR') };
const GA: Group = {
  xt: XT_GA_INTERRUPT,
  vector: (features, words) =>
    features.has('MsiCapMmioSup') ? MSI_VECTOR_1.MsiNumGA.get(words) : features.value('MsiNumGA'),
};

/** Bits of Status, what enables their interrupt, and which interrupt it is. */
const SIGNALS: ReadonlyMap<Field, readonly [enable: Field, group: Group]> = new Map([
  [STATUS.EventOverflow, [CONTROL.EventIntEn, GENERAL]],
  [STATUS.EvtOvrflwB, [CONTROL.EventIntEn, GENERAL]],
  [STATUS.EventLogInt, [CONTROL.EventIntEn, GENERAL]],
  [STATUS.ComWaitInt, [CONTROL.ComWaitIntEn, GENERAL]],
  [STATUS.PprOverflow, [CONTROL.PPRIntEn, PPR]],
  [STATUS.PprOvrflwB, [CONTROL.PPRIntEn, PPR]],
  [STATUS.PprInt, [CONTROL.PPRIntEn, PPR]],
  [STATUS.PprOvrflwEarly, [PPR_OVERFLOW_EARLY.IntEn, PPR]],
  [STATUS.PprOvrflwEarlyB, [PPR_B_OVERFLOW_EARLY.IntEn, PPR]],
  [STATUS.GALOverflow, [CONTROL.GAIntEn, GA]],
  [STATUS.GAInt, [CONTROL.GAIntEn, GA]],
]);

/** What an interrupt to an APIC id is as a message; ids above 255 have their upper bits in the upper half. */
const MESSAGE_ADDRESS = 0xfee0_0000;
const DESTINATION_SHIFT = 12;
const LOGICAL_SHIFT = 2;
const DELIVERY_SHIFT = 8;

export class OwnInterrupts {
  readonly #file: RegisterFile;
  readonly #features: Features;
  readonly #msi: MsiCapability;
  readonly #raise: RaiseMsi;

  constructor(file: RegisterFile, features: Features, msi: MsiCapability, raise: RaiseMsi) {
    this.#file = file;
    this.#features = features;
    this.#msi = msi;
    this.#raise = raise;
  }

  /** Sets a bit of Status that has an interrupt. */
  signal(status: Field): void {
    const { words } = this.#file;
    const wasSet = status.isSet(words);
    status.set(words, 1);
    const [enable, group] = SIGNALS.get(status)!;
    if (!wasSet && enable.isSet(words)) this.#send(group);
  }

  #send({ xt, vector }: Group): void {
    const { words } = this.#file;
    if (CONTROL.IntCapXTEn.isSet(words)) {
      this.#sendXt(xt);
    } else if (this.#msi.isEnabled) {
      this.#raise(this.#msi.hi, this.#msi.lo, this.#msi.dataOf(vector(this.#features, words)));
    }
  }

  #sendXt(xt: typeof XT_GENERAL_INTERRUPT): void {
    const { words } = this.#file;
    // Software masks the interrupt by writing 0.
    if (isZero(xt, words)) return;
    const destination = xt.DestinationLo.get(words);
    const hi = (xt.DestinationHi.get(words) << 24) | (destination & 0xff_ff00);
    const lo =
      MESSAGE_ADDRESS | ((destination & 0xff) << DESTINATION_SHIFT) | (xt.DestMode.get(words) << LOGICAL_SHIFT);
    this.#raise(hi, lo, xt.Vector.get(words) | (xt.DM.get(words) << DELIVERY_SHIFT));
  }
}

function isZero(of: AnyLayout, words: Uint32Array): boolean {
  return of.$.fields.every((field) => !field.isSet(words));
}
