/** Single root I/O virtualization: a physical function that has virtual ones. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { at, EXTENDED_CAPABILITY_FIELDS } from './structure.ts';

/** Where the base addresses of the virtual functions stand in the capability; they are declared with their sizes. */
export const VF_BARS = 0x24;
/** What follows them. */
export const VF_MIGRATION_STATE_AT = 0x3c;

const SR_IOV = 'PCIe: SR-IOV extended capability structure';

/** The capability up to the base addresses. */
export const SRIOV_CAPABILITY = layout('SR-IOV extended capability', VF_BARS * 8, SR_IOV, {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    VF_MIGRATION_CAPABLE: bit(0, 'RO', 'not modelled'),
    ARI_HIERARCHY_PRESERVED: bit(1, 'RO', 'a reset of the function keeps ARI_CAPABLE_HIERARCHY'),
    VF_MIGRATION_INTERRUPT: bits(31, 21, 'RO', 'not modelled'),
  }),
  ...at(0x08, {
    VF_ENABLE: bit(0, 'RW', 'the virtual functions are there'),
    VF_MIGRATION_ENABLE: bit(1, 'RO', 'not modelled'),
    VF_MIGRATION_INTERRUPT_ENABLE: bit(2, 'RO', 'not modelled'),
    VF_MEMORY_SPACE_ENABLE: bit(3, 'RW', 'they answer memory requests'),
    ARI_CAPABLE_HIERARCHY: bit(4, 'RW', 'they may have function numbers above 7'),
  }),
  ...at(0x0a, { VF_MIGRATION_STATUS: bit(0, 'RO', 'not modelled') }),
  ...at(0x0c, {
    INITIAL_VFS: bits(15, 0, 'RO', 'as TOTAL_VFS'),
    TOTAL_VFS: bits(31, 16, 'RO', 'virtual functions that there can be'),
  }),
  ...at(0x10, {
    NUM_VFS: bits(15, 0, 'RW', 'virtual functions that there are, once VF_ENABLE is 1'),
    FUNCTION_DEPENDENCY_LINK: bits(23, 16, 'RO', 'the function itself: depends on no other'),
  }),
  ...at(0x14, {
    FIRST_VF_OFFSET: bits(15, 0, 'RO', 'from the routing id of the physical function to that of the first'),
    VF_STRIDE: bits(31, 16, 'RO', 'from one virtual function to the next'),
  }),
  ...at(0x18, { VF_DEVICE_ID: bits(31, 16, 'RO', 'Device ID of the virtual functions') }),
  ...at(0x1c, { SUPPORTED_PAGE_SIZES: bits(31, 0, 'RO', 'bit n: 4 KiB << n') }),
  ...at(0x20, { SYSTEM_PAGE_SIZE: bits(31, 0, 'RW', 'one of the supported ones: what base addresses are aligned to') }),
});

export const VF_MIGRATION_STATE = layout('SR-IOV VF Migration State Array Offset', 32, SR_IOV, {
  VF_MIGRATION_STATE_BIR: bits(2, 0, 'RO', 'not modelled'),
  VF_MIGRATION_STATE_OFFSET: bits(31, 3, 'RO', 'not modelled'),
});
