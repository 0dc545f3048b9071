/** What hardware writes into the page request queue: VT-d 7.4.1.1. */
import { field, flag, layout } from '../../../bits/index.ts';

/** PAGE_REQUEST_DESCRIPTOR.TYPE. */
export const PageRequestType = { PAGE_REQUEST: 0x01 } as const;

/** A stop marker is a page request with LPIG = 1 and RDR = WRR = 0. */
export const PAGE_REQUEST_DESCRIPTOR = layout('page_req_dsc', 256, 'VT-d 7.4.1.1', {
  TYPE: field(7, 0, 'Type', PageRequestType),
  PP: flag(8, 'The request carries a PASID'),
  RID: field(31, 16, 'Requester id of the device'),
  PASID: field(51, 32, 'PASID; valid with PP'),
  EXR: flag(52, 'Execute requested; valid with PP and RDR'),
  PMR: flag(53, 'Privileged mode requested'),
  RDR: flag(64, 'Read requested'),
  WRR: flag(65, 'Write requested'),
  LPIG: flag(66, 'Last page in group: software must respond'),
  PRGI: field(75, 67, 'Page request group index; undefined when RDR and WRR are 0'),
  ADDR: field(127, 76, 'Page'),
});
