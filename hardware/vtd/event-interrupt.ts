/**
 * A unit's own interrupt: fault events, invalidation completion, page requests, performance events (VT-d 7.3, 6.5.2.10).
 * All four follow one rule and differ only in their registers: an event sets IP; unmasked it becomes a message at once,
 * masked it waits until IM is cleared. These messages are never remapped.
 */
import type { RegisterFile } from '../bits/index.ts';
import {
  FEADDR,
  FECTL,
  FEDATA,
  FEUADDR,
  IEADDR,
  IECTL,
  IEDATA,
  IEUADDR,
  PEADDR,
  PECTL,
  PEDATA,
  PEUADDR,
} from './spec/index.ts';

export interface EventRegisters {
  readonly control: typeof FECTL;
  readonly data: typeof FEDATA;
  readonly address: typeof FEADDR;
  readonly upper: typeof FEUADDR;
}

/** Sends a message-signalled interrupt to the address with these halves. */
export type RaiseMsi = (hi: number, lo: number, data: number) => void;

export class EventInterrupt {
  readonly #file: RegisterFile;
  readonly #registers: EventRegisters;
  readonly #raise: RaiseMsi;

  constructor(file: RegisterFile, registers: EventRegisters, raise: RaiseMsi) {
    this.#file = file;
    this.#registers = registers;
    this.#raise = raise;
    file.onWrite(registers.control.$.offset!, () => this.#deliver());
  }

  /** An event has happened. */
  signal(): void {
    this.#registers.control.IP.set(this.#file.words, 1);
    this.#deliver();
  }

  /** Software has serviced every cause: an event that is still held back is dropped. */
  withdraw(): void {
    this.#registers.control.IP.set(this.#file.words, 0);
  }

  #deliver(): void {
    const { control, data, address, upper } = this.#registers;
    const { words } = this.#file;
    if (!control.IP.isSet(words) || control.IM.isSet(words)) return;
    control.IP.set(words, 0);
    this.#raise(upper.MUA.get(words) | 0, address.MA.address(words) | 0, data.IMD.get(words));
  }
}

/** The registers of the events that every unit may have; those of performance events stand at a place of their own. */
export const EVENTS = {
  fault: { control: FECTL, data: FEDATA, address: FEADDR, upper: FEUADDR },
  completion: { control: IECTL, data: IEDATA, address: IEADDR, upper: IEUADDR },
  pageRequest: { control: PECTL, data: PEDATA, address: PEADDR, upper: PEUADDR },
} as const satisfies Readonly<Record<string, EventRegisters>>;
