/** Capabilities that only say something: the serial number, the next function, and Intel's Scalable I/O Virtualization. */
import {
  ARI_CAPABILITY,
  ExtendedCapabilityId,
  INTEL_VENDOR,
  SERIAL_NUMBER_CAPABILITY,
  SIOV_CAPABILITY,
  SIOV_DVSEC_ID,
} from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface AriSpec {
  /** The next higher function number of the device, 0 at the end. */
  readonly nextFunction: number;
}

export interface SiovSpec {
  /** It has an interrupt message store. */
  readonly ims: boolean;
}

/** 4 KiB. */
const PAGE_SIZES = 1;

export class AriCapability extends Capability<typeof ARI_CAPABILITY> {
  readonly nextFunction: number;

  constructor({ nextFunction }: AriSpec) {
    super({
      extended: true,
      id: ExtendedCapabilityId.ALTERNATIVE_ROUTING_ID,
      layout: ARI_CAPABILITY,
      initial: { NEXT_FUNCTION: nextFunction },
    });
    this.nextFunction = nextFunction;
  }
}

/** `high` and `low` are the halves of an EUI-64. */
export function serialNumber([high, low]: readonly [high: number, low: number]): Capability {
  return new Capability({
    extended: true,
    id: ExtendedCapabilityId.DEVICE_SERIAL_NUMBER,
    layout: SERIAL_NUMBER_CAPABILITY,
    initial: { SERIAL_NUMBER: (BigInt(high) << 32n) | BigInt(low) },
  });
}

export function siov({ ims }: SiovSpec): Capability {
  return new Capability({
    extended: true,
    id: ExtendedCapabilityId.DESIGNATED_VENDOR_SPECIFIC,
    layout: SIOV_CAPABILITY,
    initial: {
      DVSEC_VENDOR_ID: INTEL_VENDOR,
      DVSEC_LENGTH: SIOV_CAPABILITY.$.words * 4,
      DVSEC_ID: SIOV_DVSEC_ID,
      SUPPORTED_PAGE_SIZES: PAGE_SIZES,
      SYSTEM_PAGE_SIZE: PAGE_SIZES,
      IMS_SUPPORTED: ims ? 1 : 0,
    },
  });
}
