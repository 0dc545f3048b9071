/** Interrupt remapping: VT-d 11.4.10. */
import { bit, bits, register } from '../../../bits/index.ts';
import type { ReservedWithout } from '../capability.ts';

export const IRTA = register('IRTA_REG', 0x0b8, 64, 'VT-d 11.4.10', {
  S: bits(3, 0, 'RW', 'The table has 2 ** (S + 1) entries'),
  EIME: bit(11, 'RW', 'Extended interrupt mode: 32-bit APIC ids'),
  IRTA: bits(63, 12, 'RW', 'Interrupt remapping table'),
});

export const IRTA_RESERVED_WITHOUT = {
  EIM: ['EIME'],
} as const satisfies ReservedWithout<typeof IRTA>;
