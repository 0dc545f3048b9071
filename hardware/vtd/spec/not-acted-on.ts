/**
 * What is declared here but what no model acts on, by the reason. Registers, structures and fault reasons stand by their
 * specification's name, fields as NAME.FIELD; `*` stands for anything. A name stands for all fields, too. Where a field
 * does act, as reserved while its capability is 0, the reason says what of it does not.
 */
import { reasonFor } from '../../bits/index.ts';

export const NOT_ACTED_ON: Readonly<Record<string, readonly string[]>> = {
  'memory types and MTRRs do not exist (ECAP_REG.MTS is reported 0)': [
    'ECAP_REG.MTS',
    'MTRRCAP_REG',
    'MTRRDEF_REG',
    'MTRR_FIX*_REG',
    'MTRR_PHYSBASE*_REG',
    'MTRR_PHYSMASK*_REG',
    'PASID-table entry.CD',
    'PASID-table entry.EMTE',
    'PASID-table entry.PAT',
    'page attribute table',
    'FS-PTE.PWT',
    'FS-PTE.PCD',
    'FS-*.PAT',
    'SS-PTE.EMT',
    'SS-PTE.IPAT',
  ],
  'counters have no capabilities of their own (PERFCAP_REG.PCCS is reported 0)': [
    'PERFCAP_REG.PCCS',
    'PERFCNTRCAP_REG',
    'PERFCNTREVCAP_REG',
  ],
  'it is 0: counters are 2 ** 10 bytes apart': ['PERFCAP_REG.CS'],
  'no enhanced command has an operand B, a result, a status register or a number below F0h': [
    'ECEO_REG',
    'ECRSP_REG.RSLT',
    'ECSTS_REG_*',
    'ECCAP_REG_0',
    'ECCAP_REG_1',
    'ECCAP_REG_2',
  ],
  'virtual commands are for units that software emulates (ECAP_REG.VCS): each is answered as undefined': [
    'VCCAP_REG',
    'VCRSP_REG.RSLT',
  ],
  'resource director technology does not exist (ECAP_REG.RDTS is reported 0)': ['ECAP_REG.RDTS', 'RDTC_REG'],
  'TDX Connect does not exist (ECAP_REG.TDXCS is reported 0)': ['ECAP_REG.TDXCS'],
  'a hint that changes nothing in this unit': [
    'dev_tlb_inv_dsc.MIP',
    'dev_tlb_inv_dsc.PFSID_*',
    'p_dev_tlb_inv_dsc.MIP',
    'p_dev_tlb_inv_dsc.PFSID_*',
  ],
  'host permissions are not prefetched': ['PASID-table entry.HPTPFD'],
  'a wait descriptor drains all requests, whichever the invalidations before it named': [
    'iotlb_inv_dsc.DW',
    'iotlb_inv_dsc.DR',
  ],
  'a stop marker that cannot be queued is dropped in every unit; without SMS nothing is said about it': [
    'ECAP_REG.SMS',
  ],
  'nothing buffers writes (CAP_REG.RWBF is reported 0)': ['CAP_REG.RWBF', 'GCMD_REG.WBF', 'GSTS_REG.WBFS'],
  'the CPU has no caches here': ['ECAP_REG.C'],
  'it is reported, and nothing depends on it': ['VER_REG.MIN'],
  'no cached translation is global (VT-d 9.7)': ['FS-PTE.G'],
  'bits 1:0 of the address of a DWORD write are 0': [
    'compatibility interrupt address.IGNORED_1_0',
    'remappable interrupt address.IGNORED_1_0',
  ],
  'that an address lies in FEEx_xxxxh is known before it is read as a request': [
    'remappable interrupt address.IDENTIFIER',
  ],
  'how software programs an I/O APIC: none is here': ['I/O APIC redirection entry (remappable)'],
  'how software programs an event: the unit sends what it finds in the register': [
    'event message address',
    'event message data',
  ],
};

/** Why no model acts on a row, or on all of it; `undefined` where nothing is known against it. */
export function whyNotActedOn(row: string): string | undefined {
  return reasonFor(NOT_ACTED_ON, row);
}
