/**
 * What is declared here but what no model acts on yet. Registers and structures stand by their specification's name,
 * fields as NAME.FIELD.
 */
export const NOT_ACTED_ON: Readonly<Record<string, readonly string[]>> = {
  'Memory types and MTRRs (ECAP_REG.MTS)': [
    'MTRRCAP_REG',
    'MTRRDEF_REG',
    'MTRR_FIX*_REG',
    'MTRR_PHYSBASE*_REG',
    'MTRR_PHYSMASK*_REG',
    'PASID-table entry.CD',
    'PASID-table entry.EMTE',
    'PASID-table entry.PAT',
    'page attribute table',
  ],
  'Capabilities of single performance counters (PERFCAP_REG.PCCS)': ['PERFCNTRCAP_REG', 'PERFCNTREVCAP_REG'],
  'Status and operands that no enhanced command has (CAP_REG.ECMDS)': ['ECEO_REG', 'ECSTS_REG_*'],
  'Virtual commands, for units that software emulates (ECAP_REG.VCS): each is answered as undefined': ['VCCAP_REG'],
  'Resource director technology (ECAP_REG.RDTS)': ['RDTC_REG'],
  'TDX Connect (ECAP_REG.TDXCS)': ['ECAP_REG.TDXCS'],
  'Hints that change nothing in this unit': [
    'dev_tlb_inv_dsc.MIP',
    'dev_tlb_inv_dsc.PFSID_3_0',
    'p_dev_tlb_inv_dsc.MIP',
  ],
  'Host permissions are not prefetched': ['PASID-table entry.HPTPFD'],
};
