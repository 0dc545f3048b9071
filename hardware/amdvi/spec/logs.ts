/** What the unit writes into the PPR log and the GA log. */
import { field, flag, layout } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

export const PprCode = { PAGE_SERVICE_REQUEST: 1 } as const;

export const PPR_LOG_ENTRY = layout('PPR Log Entry', 128, amdVi('L72'), {
  DeviceID: field(15, 0, 'Device that asks'),
  PASID_15_0: field(31, 16, 'PASID bits 15:0'),
  PRGIndex: field(40, 32, 'Page request group: bits 8:0 of the completion tag'),
  Last: from(['L72', 'LX'], flag(41, 'Last request of its group: bit 9 of the completion tag')),
  PASID_19_16: field(45, 42, 'PASID bits 19:16'),
  EXEC: flag(49, 'Execution is asked for'),
  READ: flag(50, 'Reading is asked for'),
  WRITE: flag(53, 'Writing is asked for'),
  US: flag(54, 'The request is a user’s'),
  RZ: flag(55, 'The request is malformed'),
  GN: flag(56, 'The request has a PASID'),
  Code: field(63, 60, 'Kind of entry; 0 where nothing has been written yet', PprCode),
  PageAddress: field(127, 76, 'Bits 63:12 of the address'),
});

export const GaCode = { GUEST_NR: 1 } as const;

export const GA_LOG_ENTRY = layout('GA Log Entry', 64, amdVi('L72'), {
  GATag: field(31, 0, 'GATag of the interrupt entry'),
  DeviceID: field(47, 32, 'Device that interrupted'),
  Code: field(63, 60, 'Kind of entry', GaCode),
});
