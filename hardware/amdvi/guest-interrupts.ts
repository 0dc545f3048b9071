/**
 * Interrupts for guests: a bit in the virtual APIC backing page of the guest, and somebody who is told of it, unless the
 * guest neither runs nor wants to be woken.
 *
 * The page is memory that processors change too, so the bit is set by exchanges of 8 bytes. What is decided without a
 * source: that a page out of reach is a PAGE_TAB_HARDWARE_ERROR; and from memory: where the bits are, and that a GA log
 * entry is for a guest with IsRun = 0 and GALogIntr = 1.
 */
import type { InterruptMessage, Walk } from '../iommu/index.ts';
import { type AmdFault, BACKING_PAGE_IRR, FAULTS } from './spec/index.ts';

/** Who is told of interrupts for guests. */
export interface GuestInterrupts {
  /** The doorbell of the processor with this APIC id, on which the guest runs. */
  ring(destination: number): void;
  /** GA log: an entry GUEST_NR. */
  log(tag: number, deviceId: number): Walk;
}

export interface GuestInterrupt {
  /** Address of the backing page. */
  readonly page: number;
  readonly vector: number;
  /** APIC id of the processor on which the guest runs; `null` when it does not. */
  readonly running: number | null;
  /** GATag, for a guest that is woken through the GA log; `null` for one that is not. */
  readonly logged: number | null;
  readonly guests: GuestInterrupts | null;
}

/** How often a word that others change is tried: more often than all interrupts under way can change it. */
const ATTEMPTS = 256;

/** Records `message` for a guest; nothing is left to deliver. */
export function* post(message: InterruptMessage<AmdFault>, interrupt: GuestInterrupt): Walk<AmdFault | null> {
  const { page, vector, running, logged, guests } = interrupt;
  const { memory } = message;
  const { words } = memory;
  const { offset, step, vectors } = BACKING_PAGE_IRR;
  const address = page + offset + Math.floor(vector / vectors) * step;
  const bit = 1 << (vector % vectors);
  // 1. What the device wrote before the interrupt comes first.
  yield memory.barrier();
  // 2. The bit of the vector.
  yield memory.read(address, 2);
  if (!memory.ok) return FAULTS.INTERRUPT_BACKING_PAGE;
  message.delivered = false;
  if (!message.effects) return null;
  let isSet = false;
  for (let attempt = 0; attempt < ATTEMPTS && !isSet; attempt++) {
    const [lo, hi] = [words[0]!, words[1]!];
    yield memory.compareExchange(address, lo, hi, lo | bit, hi);
    if (!memory.ok) return FAULTS.INTERRUPT_BACKING_PAGE;
    isSet = words[0] === lo && words[1] === hi;
  }
  if (!isSet) return FAULTS.INTERRUPT_BACKING_PAGE;
  // 3. Who has to know.
  if (running !== null) guests?.ring(running);
  else if (logged !== null && guests !== null) yield* guests.log(logged, message.requester);
  return null;
}
