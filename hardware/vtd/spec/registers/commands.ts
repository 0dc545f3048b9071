/**
 * The enhanced command interface (VT-d 11.4.14), the RDT configuration (11.4.15) and the virtual command interface
 * (11.4.16). A write to the lower half of a command register starts the command; IP of the response says that it runs.
 */
import { bit, bits, register } from '../../../bits/index.ts';

/** ECMD_REG.CMD. */
export const EnhancedCommand = {
  ENABLE_PERFMON_COUNTER: 0xf0,
  DISABLE_PERFMON_COUNTER: 0xf1,
  RESET_ALL_PERFMON_COUNTER_CONFIGURATION: 0xf2,
  RESET_ALL_PERFMON_COUNTER_VALUES: 0xf3,
  FREEZE_ALL_PERFMON_COUNTERS: 0xf4,
  UNFREEZE_ALL_PERFMON_COUNTERS: 0xf5,
} as const;

/** ECRSP_REG.SC. FAILED stands for the one code of its own that a command has: wrong configuration or counter number. */
export const EnhancedStatus = { SUCCESS: 0, UNDEFINED_COMMAND: 1, ABORTED: 2, FAILED: 16 } as const;

export const ECMD = register('ECMD_REG', 0x400, 64, 'VT-d 11.4.14.1', {
  CMD: bits(7, 0, 'WO', 'Command', EnhancedCommand),
  OA: bits(63, 16, 'WO', 'Operand A: for a command on one counter, its number'),
});

export const ECEO = register('ECEO_REG', 0x408, 64, 'VT-d 11.4.14.2', {
  OB: bits(63, 0, 'WO', 'Operand B'),
});

export const ECRSP = register('ECRSP_REG', 0x410, 64, 'VT-d 11.4.14.3', {
  IP: bit(0, 'RO', 'The command is in progress'),
  SC: bits(7, 1, 'RO', 'Status code', EnhancedStatus),
  RSLT: bits(63, 16, 'RO', 'Result'),
});

/** All of it is reserved so far. */
export const ECSTS_0 = register('ECSTS_REG_0', 0x420, 64, 'VT-d 11.4.14.4.1', {});
export const ECSTS_1 = register('ECSTS_REG_1', 0x428, 64, 'VT-d 11.4.14.4.2', {});

/** Command n exists when bit n % 64 of register n / 64 is set. No command below F0h is defined so far. */
export const ECCAP_0 = register('ECCAP_REG_0', 0x430, 64, 'VT-d 11.4.14.5.1', {});
export const ECCAP_1 = register('ECCAP_REG_1', 0x438, 64, 'VT-d 11.4.14.5.2', {});
export const ECCAP_2 = register('ECCAP_REG_2', 0x440, 64, 'VT-d 11.4.14.5.3', {});
export const ECCAP_3 = register('ECCAP_REG_3', 0x448, 64, 'VT-d 11.4.14.5.4', {
  ECNTS: bit(48, 'RO', 'Enable a counter'),
  DCNTS: bit(49, 'RO', 'Disable a counter'),
  RCFGS: bit(50, 'RO', 'Reset the configuration of all counters'),
  RCNTS: bit(51, 'RO', 'Reset the values of all counters'),
  FCNTS: bit(52, 'RO', 'Freeze all counters'),
  UFCNTS: bit(53, 'RO', 'Unfreeze all counters'),
});

export const RDTC = register('RDTC_REG', 0xdc0, 64, 'VT-d 11.4.15', {
  RMID: bits(11, 0, 'RW', 'Resource monitoring id of hardware accesses to memory'),
  CLOS: bits(36, 32, 'RW', 'Class of service of hardware accesses to memory'),
});

/** VCMD_REG.CMD. */
export const VirtualCommand = { NULL: 0, ALLOCATE_PASID: 1, FREE_PASID: 2 } as const;

/** VCRSP_REG.SC. FAILED stands for the one code of its own that a command has: no PASID left, or an invalid PASID. */
export const VirtualStatus = { SUCCESS: 0, UNDEFINED_COMMAND: 1, FAILED: 16 } as const;

export const VCMD = register('VCMD_REG', 0xe00, 64, 'VT-d 11.4.16.1', {
  CMD: bits(7, 0, 'RW', 'Command', VirtualCommand),
  OA: bits(63, 16, 'RW', 'Operand A: to free a PASID, the PASID in bits 35:16'),
});

export const VCMD_EO = register('VCMD_EO_REG', 0xe08, 64, 'VT-d 11.4.16.2', {
  OB: bits(63, 0, 'RW', 'Operand B'),
});

export const VCRSP = register('VCRSP_REG', 0xe10, 64, 'VT-d 11.4.16.3', {
  IP: bit(0, 'RO', 'The command is in progress'),
  SC: bits(7, 1, 'RO', 'Status code', VirtualStatus),
  RSLT: bits(63, 16, 'RO', 'Result: an allocated PASID is in bits 35:16'),
});

export const VCCAP = register('VCCAP_REG', 0xe30, 64, 'VT-d 11.4.16.4', {
  NS: bit(0, 'RO', 'Null command'),
  PAS: bit(1, 'RO', 'PASIDs are allocated by command'),
  FPS: bit(2, 'RO', 'PASIDs are freed by command'),
});
