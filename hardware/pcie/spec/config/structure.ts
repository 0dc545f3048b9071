/** How a capability is written down: its header, the code points of its identity, and registers within it. */
import { bits, type FieldSpec, layout } from '../../../bits/index.ts';

/** Bytes of a function's configuration space: of a conventional one, and with the extended part. */
export const CONVENTIONAL_CONFIG_BYTES = 256;
export const CONFIG_BYTES = 4096;
/** Where the two lists of capabilities have room. */
export const CAPABILITIES_START = 0x40;
export const EXTENDED_CAPABILITIES_START = 0x100;

/** Capability IDs of the list that starts at the capabilities pointer. */
export const CapabilityId = {
  POWER_MANAGEMENT: 0x01,
  MSI: 0x05,
  VENDOR: 0x09,
  SUBSYSTEM: 0x0d,
  PCI_EXPRESS: 0x10,
  MSI_X: 0x11,
  ADVANCED_FEATURES: 0x13,
} as const;

/** Capability IDs of the list that starts at 0x100. */
export const ExtendedCapabilityId = {
  ADVANCED_ERROR_REPORTING: 0x01,
  DEVICE_SERIAL_NUMBER: 0x03,
  VENDOR_SPECIFIC: 0x0b,
  ACCESS_CONTROL_SERVICES: 0x0d,
  ALTERNATIVE_ROUTING_ID: 0x0e,
  ADDRESS_TRANSLATION_SERVICES: 0x0f,
  SINGLE_ROOT_IO_VIRTUALIZATION: 0x10,
  PAGE_REQUEST_INTERFACE: 0x13,
  RESIZABLE_BAR: 0x15,
  TPH_REQUESTER: 0x17,
  SECONDARY_PCI_EXPRESS: 0x19,
  PASID: 0x1b,
  DOWNSTREAM_PORT_CONTAINMENT: 0x1d,
  L1_PM_SUBSTATES: 0x1e,
  PRECISION_TIME_MEASUREMENT: 0x1f,
  DESIGNATED_VENDOR_SPECIFIC: 0x23,
  DATA_LINK_FEATURE: 0x25,
  PHYSICAL_LAYER_16GT: 0x26,
  PHYSICAL_LAYER_32GT: 0x2a,
  DATA_OBJECT_EXCHANGE: 0x2e,
  DEVICE_3: 0x2f,
  INTEGRITY_AND_DATA_ENCRYPTION: 0x30,
  PHYSICAL_LAYER_64GT: 0x31,
} as const;

/** The fields that every capability begins with. */
export const CAPABILITY_FIELDS = {
  CAPABILITY_ID: bits(7, 0, 'RO', 'which capability', CapabilityId),
  NEXT: bits(15, 8, 'RO', 'offset of the next one, 0 at the end'),
} as const;

export const EXTENDED_CAPABILITY_FIELDS = {
  CAPABILITY_ID: bits(15, 0, 'RO', 'which capability', ExtendedCapabilityId),
  CAPABILITY_VERSION: bits(19, 16, 'RO', 'version of the structure'),
  NEXT: bits(31, 20, 'RO', 'offset of the next one, 0 at the end'),
} as const;

/** The first word of every capability. */
export const CAPABILITY = layout('Capability header', 32, 'PCIe: capability structure', CAPABILITY_FIELDS);

export const EXTENDED_CAPABILITY = layout(
  'Extended capability header',
  32,
  'PCIe: extended capability structure',
  EXTENDED_CAPABILITY_FIELDS,
);

/** Fields of the register at byte `offset` of a structure, which are declared with their bits in the register. */
export function at<const F extends Readonly<Record<string, FieldSpec>>>(offset: number, fields: F): F {
  const moved = Object.entries(fields).map(([name, spec]) => {
    return [name, { ...spec, hi: spec.hi + offset * 8, lo: spec.lo + offset * 8 }] as const;
  });
  return Object.fromEntries(moved) as F;
}
