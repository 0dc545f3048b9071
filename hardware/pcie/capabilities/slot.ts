/**
 * The PCI Express capability of a port with a slot (PCIe 6.7): whether something is in it, whether the link to it is up, and
 * an interrupt when software wants to hear that this has changed.
 *
 * Whoever has the port says what is below it, calls `sense` when that has changed, and sends the interrupt. With Hot-Plug
 * Surprise a link that goes down is no error (PCIe 3.2.1), so that Surprise Down is never reported here.
 */
import type { Field } from '../../bits/index.ts';
import { PCIE_CAPABILITY } from '../spec/index.ts';
import { PciExpressCapability, type PciExpressSpec } from './pci-express.ts';

/** What is below a port. */
export interface SlotContents {
  readonly isOccupied: boolean;
  readonly isUp: boolean;
}

const SLOT_CONTROL_AT = 0x18;
const P = PCIE_CAPABILITY;
/** Each event, and what makes it one that interrupts. */
const EVENTS = [
  [P.PRESENCE_DETECT_CHANGED, P.PRESENCE_DETECT_CHANGED_ENABLE],
  [P.DATA_LINK_STATE_CHANGED, P.DATA_LINK_STATE_CHANGED_ENABLE],
] as const;

export class SlotCapability extends PciExpressCapability {
  /** Set by whoever has the port. */
  below: SlotContents = { isOccupied: true, isUp: true };
  /** Called when the port is to send the message of its hot-plug interrupt. */
  onInterrupt: () => void = () => {};
  readonly #number: number;
  #wantsInterrupt = false;

  constructor(spec: PciExpressSpec & { readonly slot: number }) {
    super(spec, null);
    this.#number = spec.slot;
  }

  /** Looks at what is below. */
  sense(): void {
    const { isOccupied, isUp } = this.below;
    this.#follow(P.PRESENCE_DETECT, isOccupied, P.PRESENCE_DETECT_CHANGED);
    this.#follow(P.DATA_LINK_ACTIVE, isUp, P.DATA_LINK_STATE_CHANGED);
    this.#judge();
  }

  override reset(): void {
    super.reset();
    // A reset of the port changes nothing in the slot.
    const { isOccupied, isUp } = this.below;
    this.set(P.PRESENCE_DETECT, isOccupied ? 1 : 0);
    this.set(P.DATA_LINK_ACTIVE, isUp ? 1 : 0);
    this.#wantsInterrupt = false;
  }

  protected override wire(): void {
    super.wire();
    this.describe({
      SLOT_IMPLEMENTED: 1,
      HOT_PLUG_SURPRISE: 1,
      HOT_PLUG_CAPABLE: 1,
      NO_COMMAND_COMPLETED: 1,
      PHYSICAL_SLOT_NUMBER: this.#number,
      DATA_LINK_ACTIVE_CAPABLE: 1,
      DATA_LINK_ACTIVE: 1,
    });
    // The word of Slot Control and Slot Status.
    this.onWrite(SLOT_CONTROL_AT, () => this.#judge());
  }

  #follow(state: Field, now: boolean, changed: Field): void {
    if (this.isSet(state) === now) return;
    this.set(state, now ? 1 : 0);
    this.set(changed, 1);
  }

  /** One message each time that the condition becomes true (PCIe 6.7.3.4): as long as it stays so there is no other. */
  #judge(): void {
    const before = this.#wantsInterrupt;
    const isAny = EVENTS.some(([event, enable]) => this.isSet(event) && this.isSet(enable));
    this.#wantsInterrupt = isAny && this.isSet(P.HOT_PLUG_INTERRUPT_ENABLE);
    if (this.#wantsInterrupt && !before) this.onInterrupt();
  }
}
