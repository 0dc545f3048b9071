/** Power management of a function: its capability and its states. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { at, CAPABILITY_FIELDS } from './structure.ts';

/** D3cold is without power, so it is no value of a register. */
export const PowerState = { D0: 0, D1: 1, D2: 2, D3_HOT: 3 } as const;

export const PM_CAPABILITY = layout('Power management capability', 64, 'PCIe: power management capability structure', {
  ...CAPABILITY_FIELDS,
  ...at(0x02, {
    VERSION: bits(2, 0, 'RO', '3'),
    D1_SUPPORT: bit(9, 'RO', 'has state D1'),
    D2_SUPPORT: bit(10, 'RO', 'has state D2'),
    PME_SUPPORT: bits(15, 11, 'RO', 'states in which it can signal a power management event'),
  }),
  ...at(0x04, {
    POWER_STATE: bits(1, 0, 'RW', 'what state it is in; one that it does not have is not taken', PowerState),
    NO_SOFT_RESET: bit(3, 'RO', 'keeps its configuration from D3hot to D0'),
    PME_ENABLE: bit(8, 'RO', 'power management events are not modelled'),
    PME_STATUS: bit(15, 'RO', 'power management events are not modelled'),
  }),
});
