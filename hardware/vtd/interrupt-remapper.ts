/**
 * Interrupt remapping (VT-d 5.1.2 to 5.1.4, 9.9): a message names an entry of the interrupt remapping table, and the
 * entry says what is delivered to whom.
 *
 * Not acted on: posted interrupts and the interrupt entry cache; every message fetches its entry.
 */
import { anySet, maskOf, undeclared } from '../bits/index.ts';
import { type InterruptMessage, type IommuProbe, Status, type Walk } from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import {
  FAULTS,
  type Fault,
  IRTE_REMAPPED,
  IRTE_REMAPPED_XAPIC,
  SourceIdQualifier,
  SourceValidationType,
} from './spec/index.ts';

/** Bits of a remappable message's address (VT-d 5.1.2.2). */
const FORMAT = 1 << 4;
const SUBHANDLE_VALID = 1 << 3;
const HANDLE_15 = 1 << 2;

/** Bits of a delivered message (VT-d 5.1.6, 5.1.2.1). */
const MESSAGE_BASE = 0xfee0_0000 | 0;

/** Bits of the source id that each qualifier leaves out. */
const LEFT_OUT: Readonly<Record<number, number>> = {
  [SourceIdQualifier.ALL]: 0,
  [SourceIdQualifier.IGNORE_BIT_2]: 0b100,
  [SourceIdQualifier.IGNORE_BITS_2_1]: 0b110,
  [SourceIdQualifier.IGNORE_BITS_2_0]: 0b111,
};

export class InterruptRemapper {
  /** GSTS.IRES and GSTS.CFIS. */
  enabled = false;
  compatibilityPasses = false;
  /** IRTA as SIRTP latched it. */
  table = 0;
  entries = 0;
  extended = false;
  probe: IommuProbe | null = null;
  readonly #capabilities: Capabilities;
  readonly #reserved: Uint32Array;
  readonly #reservedXapic: Uint32Array;

  constructor(capabilities: Capabilities) {
    const posted = maskOf(IRTE_REMAPPED, (field) => field === IRTE_REMAPPED.IM);
    const withMode = (mask: Uint32Array): Uint32Array => mask.map((bits, i) => bits | posted[i]!);
    this.#capabilities = capabilities;
    this.#reserved = withMode(undeclared(IRTE_REMAPPED));
    this.#reservedXapic = withMode(undeclared(IRTE_REMAPPED_XAPIC));
  }

  /** What becomes of a message; a blocked one has `fault` set. */
  *walk(message: InterruptMessage<Fault>): Walk {
    const fault = yield* this.#procedure(message);
    if (fault === null) return;
    message.fault = fault;
    message.status = Status.UNSUPPORTED_REQUEST;
  }

  *#procedure(message: InterruptMessage<Fault>): Walk<Fault | null> {
    message.recorded = true;
    // 1. Remapping is off: the message passes, unless the unit demands remapping.
    if (!this.enabled) return this.#capabilities.has('IRREQ') ? FAULTS.IR_OFF : null;
    if (this.#capabilities.has('EIMER') && !this.extended) return FAULTS.IR_EIME;
    // 2. Compatibility format.
    if ((message.lo & FORMAT) === 0) {
      return this.extended || !this.compatibilityPasses ? FAULTS.IR_COMPATIBILITY : null;
    }
    // 3. The index that handle and subhandle give.
    const hasSubhandle = (message.lo & SUBHANDLE_VALID) !== 0;
    if (hasSubhandle && message.data >>> 16 !== 0) return FAULTS.IR_REQUEST_RESERVED;
    const handle = ((message.lo >>> 5) & 0x7fff) | ((message.lo & HANDLE_15) !== 0 ? 0x8000 : 0);
    message.index = handle + (hasSubhandle ? message.data & 0xffff : 0);
    const address = this.table + message.index * IRTE_REMAPPED.$.words * 4;
    if (message.index >= this.entries || address >= 2 ** this.#capabilities.hostAddressWidth) return FAULTS.IR_INDEX;
    // 4. The entry.
    const { memory } = message;
    yield memory.read(address, IRTE_REMAPPED.$.words);
    if (!memory.ok) return FAULTS.IR_READ;
    if (this.probe !== null) this.probe.read('IRTE', address, memory.words, IRTE_REMAPPED.$.words);
    return this.#apply(message, memory.words);
  }

  #apply(message: InterruptMessage<Fault>, irte: Uint32Array): Fault | null {
    // 5. A fault that the entry leads to is recorded unless the entry says otherwise.
    message.recorded = !IRTE_REMAPPED.FPD.isSet(irte);
    if (!IRTE_REMAPPED.P.isSet(irte)) return FAULTS.IR_NOT_PRESENT;
    const type = IRTE_REMAPPED.SVT.get(irte);
    const known = type <= SourceValidationType.BUS_RANGE;
    if (!known || anySet(irte, this.extended ? this.#reserved : this.#reservedXapic)) return FAULTS.IR_RESERVED;
    // 6. The entry is for this sender.
    if (!isFor(irte, type, message.requester)) return FAULTS.IR_SOURCE;
    // 7. The message that the entry describes.
    const destination = this.extended ? IRTE_REMAPPED.DST.get(irte) : IRTE_REMAPPED_XAPIC.DST.get(irte);
    const hint = IRTE_REMAPPED.RH.get(irte);
    const mode = IRTE_REMAPPED.DM.get(irte);
    message.hi = (destination & ~0xff) | 0;
    message.lo = MESSAGE_BASE | ((destination & 0xff) << 12) | (hint << 3) | (mode << 2);
    const trigger = IRTE_REMAPPED.TM.get(irte);
    message.data = IRTE_REMAPPED.V.get(irte) | (IRTE_REMAPPED.DLM.get(irte) << 8) | (trigger << 15);
    return null;
  }
}

/** The source check of VT-d 5.1.4, by SVT and SQ. */
function isFor(irte: Uint32Array, type: number, requester: number): boolean {
  const sid = IRTE_REMAPPED.SID.get(irte);
  if (type === SourceValidationType.NONE) return true;
  if (type === SourceValidationType.SOURCE_ID) {
    const counts = ~LEFT_OUT[IRTE_REMAPPED.SQ.get(irte)]!;
    return (sid & counts) === (requester & counts);
  }
  const bus = requester >>> 8;
  return bus >= sid >>> 8 && bus <= (sid & 0xff);
}
