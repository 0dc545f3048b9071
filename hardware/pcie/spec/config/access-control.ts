/** Access control services, by which a port keeps functions apart, and alternative routing ids. */
import { bit, bits, type FieldSpec, layout } from '../../../bits/index.ts';
import { at, EXTENDED_CAPABILITY_FIELDS } from './structure.ts';

/** Bits of ACS Capability and of ACS Control. */
export const AcsBit = {
  SOURCE_VALIDATION: 1 << 0,
  TRANSLATION_BLOCKING: 1 << 1,
  REQUEST_REDIRECT: 1 << 2,
  COMPLETION_REDIRECT: 1 << 3,
  UPSTREAM_FORWARDING: 1 << 4,
  EGRESS_CONTROL: 1 << 5,
  DIRECT_TRANSLATED: 1 << 6,
} as const;

const ACS = 'PCIe: ACS extended capability structure';

const ACS_FIELDS = {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    SUPPORTED: bits(6, 0, 'RO', 'services that there are', AcsBit),
    EGRESS_VECTOR_SIZE: bits(15, 8, 'RO', 'bits of the egress control vector; 0: 256'),
  }),
  ...at(0x06, { ENABLED: bits(6, 0, 'RW', 'services that are on', AcsBit) }),
} as const;

/** Without the egress control vector. */
export const ACS_CAPABILITY = layout('ACS extended capability', 64, ACS, ACS_FIELDS);

/** With an egress control vector, one bit for each port or function that can be forbidden. */
export function acsWithEgressControl(targets: number): typeof ACS_CAPABILITY {
  const words = Math.ceil(targets / 32);
  const vector: Record<string, FieldSpec> = {};
  for (let i = 0; i < words; i++) {
    const last = Math.min(targets, (i + 1) * 32) - 1;
    vector[`EGRESS_CONTROL_${i}`] = bits(64 + last, 64 + i * 32, 'RW', 'bit n: must not send to port or function n');
  }
  return layout('ACS extended capability, egress control', 64 + words * 32, ACS, { ...ACS_FIELDS, ...vector });
}

export const ARI_CAPABILITY = layout('ARI extended capability', 64, 'PCIe: ARI extended capability structure', {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    MFVC_FUNCTION_GROUPS: bit(0, 'RO', 'function groups for virtual channels'),
    ACS_FUNCTION_GROUPS: bit(1, 'RO', 'function groups for access control'),
    NEXT_FUNCTION: bits(15, 8, 'RO', 'the next higher function number of the device, 0 at the end'),
  }),
  ...at(0x06, {
    MFVC_FUNCTION_GROUPS_ENABLE: bit(0, 'RO', 'not modelled'),
    ACS_FUNCTION_GROUPS_ENABLE: bit(1, 'RO', 'not modelled'),
    FUNCTION_GROUP: bits(6, 4, 'RO', 'not modelled'),
  }),
});
