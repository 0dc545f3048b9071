/** Registers that belong to no larger group. */
import { bit, bits, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

const FILTERS = Array.from({ length: 16 }, (_, n) => n);

export const SMI_FILTER = FILTERS.map((n) =>
  register(`SMI Filter ${n}`, 0x0060 + n * 8, 64, amdVi('FB', 'VB', 'OS'), {
    SmiDID: bits(15, 0, 'RW', 'Device that may send SMIs'),
    SmiDV: bit(16, 'RW', 'The filter holds a device'),
    SmiFLock: from('MEM', bit(17, 'RW', 'The filter cannot be changed')),
  }),
);

export const PERFORMANCE_OPTIMIZATION = register('Performance Optimization Control', 0x016c, 32, amdVi('VB', 'NV'), {
  PerfOptEn: bit(13, 'RW', 'Performance optimization on'),
});

/** No source names its fields. */
export const VIOMMU_STATUS = register('vIOMMU Status', 0x0190, 64, amdVi('FB', 'OS'), {});

/** Performance event 14h counts what is read and written here. */
export const RESERVED_1FF8 = register('Reserved Register', 0x1ff8, 64, amdVi('VB', 'LX'), {
  Value: bits(63, 0, 'RW', 'No effect'),
});
