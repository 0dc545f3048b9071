/** The message that reaches the processors (VT-d 5.1.4, 5.2.3, 5.1.6): how its address and data are made. */
import { encode } from '../bits/index.ts';
import type { InterruptMessage } from '../iommu/index.ts';
import {
  COMPATIBILITY_MSI_ADDRESS,
  COMPATIBILITY_MSI_DATA,
  DeliveryMode,
  EVENT_UPPER_ADDRESS,
  INTERRUPT_IDENTIFIER,
} from './spec/index.ts';

export interface Delivery {
  /** APIC id: 8 bits in xAPIC mode, 32 bits in x2APIC mode. */
  readonly destination: number;
  readonly vector: number;
  readonly logical?: number;
  readonly redirectionHint?: number;
  readonly deliveryMode?: number;
  /** 1 for level. */
  readonly trigger?: number;
}

/** Makes `message` the one that is delivered. Its trigger mode level is always "asserted" (footnote to VT-d 5.1.4). */
export function deliver(message: InterruptMessage, delivery: Delivery): void {
  const { destination, vector, logical = 0, redirectionHint = 0, trigger = 0 } = delivery;
  const mode = delivery.deliveryMode ?? DeliveryMode.FIXED;
  // SMI, NMI, INIT and ExtINT are edge-triggered whatever TM says (VT-d 9.9).
  const hasTrigger = mode === DeliveryMode.FIXED || mode === DeliveryMode.LOWEST_PRIORITY;
  message.hi = encode(EVENT_UPPER_ADDRESS, { DESTINATION_ID_31_8: destination >>> 8 })[0]! | 0;
  message.lo =
    encode(COMPATIBILITY_MSI_ADDRESS, {
      IDENTIFIER: INTERRUPT_IDENTIFIER,
      DESTINATION_ID: destination & 0xff,
      RH: redirectionHint,
      DM: logical,
    })[0]! | 0;
  message.data = encode(COMPATIBILITY_MSI_DATA, {
    VECTOR: vector,
    DELIVERY_MODE: mode,
    LEVEL: 1,
    TRIGGER_MODE: hasTrigger ? trigger : 0,
  })[0]!;
}
