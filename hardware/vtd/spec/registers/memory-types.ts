/** Memory type range registers: VT-d 11.4.12. They mirror the processor's. */
import { bit, bits, register } from '../../../bits/index.ts';

/** TYPE and R0 to R7. */
export const MtrrType = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6 } as const;

export const MTRRCAP = register('MTRRCAP_REG', 0x100, 64, 'VT-d 11.4.12.1', {
  VCNT: bits(7, 0, 'RO', 'Number of variable ranges'),
  FIX: bit(8, 'RO', 'Fixed ranges exist'),
  WC: bit(10, 'RO', 'Write combining exists'),
});

export const MTRRDEF = register('MTRRDEF_REG', 0x108, 64, 'VT-d 11.4.12.2', {
  TYPE: bits(7, 0, 'RW', 'Memory type where no range applies', MtrrType),
  FE: bit(10, 'RW', 'Fixed ranges on'),
  E: bit(11, 'RW', 'Memory type ranges on'),
});

/** Eight ranges of one size: R0 has the type of the lowest. */
const fixed = (name: string, offset: number) =>
  register(name, offset, 64, 'VT-d 11.4.12.3', {
    R0: bits(7, 0, 'RW', 'Memory type of range 0', MtrrType),
    R1: bits(15, 8, 'RW', 'Memory type of range 1', MtrrType),
    R2: bits(23, 16, 'RW', 'Memory type of range 2', MtrrType),
    R3: bits(31, 24, 'RW', 'Memory type of range 3', MtrrType),
    R4: bits(39, 32, 'RW', 'Memory type of range 4', MtrrType),
    R5: bits(47, 40, 'RW', 'Memory type of range 5', MtrrType),
    R6: bits(55, 48, 'RW', 'Memory type of range 6', MtrrType),
    R7: bits(63, 56, 'RW', 'Memory type of range 7', MtrrType),
  });

/** The name of each says the size of its ranges and where they begin. */
export const MTRR_FIXED = [
  fixed('MTRR_FIX64K_00000_REG', 0x120),
  fixed('MTRR_FIX16K_80000_REG', 0x128),
  fixed('MTRR_FIX16K_A0000_REG', 0x130),
  fixed('MTRR_FIX4K_C0000_REG', 0x138),
  fixed('MTRR_FIX4K_C8000_REG', 0x140),
  fixed('MTRR_FIX4K_D0000_REG', 0x148),
  fixed('MTRR_FIX4K_D8000_REG', 0x150),
  fixed('MTRR_FIX4K_E0000_REG', 0x158),
  fixed('MTRR_FIX4K_E8000_REG', 0x160),
  fixed('MTRR_FIX4K_F0000_REG', 0x168),
  fixed('MTRR_FIX4K_F8000_REG', 0x170),
] as const;

const physbase = (n: number) =>
  register(`MTRR_PHYSBASE${n}_REG`, 0x180 + 0x10 * n, 64, 'VT-d 11.4.12.4', {
    TYPE: bits(7, 0, 'RW', 'Memory type of the range', MtrrType),
    PHYSBASE: bits(63, 12, 'RW', 'Base of the range; bits at or above the host address width are reserved'),
  });

const physmask = (n: number) =>
  register(`MTRR_PHYSMASK${n}_REG`, 0x188 + 0x10 * n, 64, 'VT-d 11.4.12.4', {
    V: bit(11, 'RW', 'The range is valid'),
    PHYSMASK: bits(63, 12, 'RW', 'Mask of the range; bits at or above the host address width are reserved'),
  });

const VARIABLE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

export const MTRR_PHYSBASE = VARIABLE.map(physbase);
export const MTRR_PHYSMASK = VARIABLE.map(physmask);
