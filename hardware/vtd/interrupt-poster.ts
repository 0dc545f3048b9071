/**
 * Interrupt posting (VT-d 5.2.3, 9.11): an interrupt becomes a bit in a posted interrupt descriptor in memory, and a
 * notification to the processor unless one is under way or suppressed.
 *
 * The specification asks for one atomic read-modify-write of 64 bytes. Memory here exchanges 8 bytes at a time, so the
 * bit is set first and the word that holds ON, SN, NV and NDST decides: it is exchanged in every case, against the value
 * that was read, so that the decision holds at the moment when the exchange succeeds. A descriptor that has changed is
 * read again. What is weaker than the specification: between the two exchanges a reader can see the bit without ON.
 */
import { anySet, encode, undeclared } from '../bits/index.ts';
import type { InterruptMessage, IommuProbe, Walk } from '../iommu/index.ts';
import { type Delivery, deliver } from './interrupt-delivery.ts';
import {
  FAULTS,
  type Fault,
  IRTE_POSTED,
  POSTED_INTERRUPT_DESCRIPTOR,
  POSTED_INTERRUPT_DESCRIPTOR_XAPIC,
} from './spec/index.ts';

const PID_BYTES = POSTED_INTERRUPT_DESCRIPTOR.$.words * 4;
/** How often a descriptor that others change is tried: more often than all interrupts under way can change it. */
const ATTEMPTS = 256;
const PIR = [
  POSTED_INTERRUPT_DESCRIPTOR.PIR_63_0,
  POSTED_INTERRUPT_DESCRIPTOR.PIR_127_64,
  POSTED_INTERRUPT_DESCRIPTOR.PIR_191_128,
  POSTED_INTERRUPT_DESCRIPTOR.PIR_255_192,
] as const;
/** The 8 bytes that hold ON, SN, NV and NDST. */
const CONTROL_WORD = POSTED_INTERRUPT_DESCRIPTOR.ON.word;

const RESERVED = undeclared(POSTED_INTERRUPT_DESCRIPTOR);
const RESERVED_XAPIC = undeclared(POSTED_INTERRUPT_DESCRIPTOR_XAPIC);
const ON = encode(POSTED_INTERRUPT_DESCRIPTOR, { ON: 1 })[CONTROL_WORD]!;

/** Posts `message` through a valid IRTE in posted format; when no notification is due, nothing is left to deliver. */
export function* post(
  message: InterruptMessage<Fault>,
  irte: Uint32Array,
  extended: boolean,
  probe: IommuProbe | null,
): Walk<Fault | null> {
  const { memory } = message;
  const { words } = memory;
  const vector = IRTE_POSTED.VV.get(irte);
  const urgent = IRTE_POSTED.URG.isSet(irte);
  const address = postedDescriptorOf(irte);
  const { word, bitLo, bitHi } = placeOf(vector);
  let posted = false;
  // 1. What the device wrote before the interrupt comes first (VT-d 5.2.4).
  yield memory.barrier();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // 2. The descriptor as it is.
    yield memory.read(address, POSTED_INTERRUPT_DESCRIPTOR.$.words);
    if (!memory.ok) return FAULTS.IR_PID_ACCESS;
    const format = extended ? POSTED_INTERRUPT_DESCRIPTOR : POSTED_INTERRUPT_DESCRIPTOR_XAPIC;
    if (probe !== null) probe.read(format.$.name, address, words, format.$.words);
    if (anySet(words, extended ? RESERVED : RESERVED_XAPIC)) return FAULTS.IR_PID_RESERVED;
    const [lo, hi] = [words[word]!, words[word + 1]!];
    const [controlLo, controlHi] = [words[CONTROL_WORD]!, words[CONTROL_WORD + 1]!];
    const outstanding = POSTED_INTERRUPT_DESCRIPTOR.ON.isSet(words);
    const notifies = !outstanding && (urgent || !POSTED_INTERRUPT_DESCRIPTOR.SN.isSet(words));
    const notification = { destination: format.NDST.get(words), vector: format.NV.get(words) };
    // A question changes nothing: the descriptor as it is decides.
    if (!message.effects) return conclude(message, notifies ? notification : null);
    // 3. The bit of the vector; once. Somebody who has taken it since needs no notification.
    if (!posted) {
      yield memory.compareExchange(address + word * 4, lo, hi, lo | bitLo, hi | bitHi);
      if (!memory.ok) return FAULTS.IR_PID_ACCESS;
      if (words[0] !== lo || words[1] !== hi) continue;
      posted = true;
    } else if (((lo & bitLo) | (hi & bitHi)) === 0) {
      return conclude(message, null);
    }
    // 4. Whether to notify, by what ON and SN still are.
    const next = notifies ? controlLo | ON : controlLo;
    yield memory.compareExchange(address + CONTROL_WORD * 4, controlLo, controlHi, next, controlHi);
    if (!memory.ok) return FAULTS.IR_PID_ACCESS;
    if (words[0] !== controlLo || words[1] !== controlHi) continue;
    return conclude(message, notifies ? notification : null);
  }
  return FAULTS.IR_PID_ACCESS;
}

/** 5. The notification, which is physical, fixed and edge; or nothing to deliver. */
function conclude(message: InterruptMessage<Fault>, notification: Delivery | null): null {
  if (notification === null) message.delivered = false;
  else deliver(message, notification);
  return null;
}

/** Where the descriptor of an entry in posted format lies. */
export function postedDescriptorOf(irte: Uint32Array): number {
  return IRTE_POSTED.PDAH.get(irte) * 2 ** 32 + IRTE_POSTED.PDAL.get(irte) * PID_BYTES;
}

/** The 8 bytes of PIR that hold the bit of a vector, and the bit. */
function placeOf(vector: number): { word: number; bitLo: number; bitHi: number } {
  const field = PIR[vector >>> 6]!;
  const bits = new Uint32Array(POSTED_INTERRUPT_DESCRIPTOR.$.words);
  field.setBig(bits, 1n << BigInt(vector & 63));
  return { word: field.word, bitLo: bits[field.word]!, bitHi: bits[field.word + 1]! };
}
