/** How a test says what it proves. */
import { describe, expect, it } from 'vitest';
import { CATALOGUE as AMDVI } from '../hardware/amdvi/rows.ts';
import { CATALOGUE as VTD } from '../hardware/vtd/rows.ts';
import { proves, roomOf } from './proves.ts';

describe('A claim to prove something', () => {
  it('may name a register, a structure, a field and a fault reason that is declared.', () => {
    const rows = ['FSTS_REG', 'FSTS_REG.PFO', 'cc_inv_dsc.FM', 'context entry.TT', 'LGN.1.1', '29h', 'SS-PTE.ADDR'];
    expect(rows.filter((row) => roomOf(row) !== 'vtd')).toEqual([]);
  });

  it('may be about either vendor’s unit, by names that only one of them has.', () => {
    const rows = ['Control', 'Control.IommuEn', 'DTE.IV', 'IO_PAGE_FAULT.DEVICE_ID', 'host PTE.PR'];
    expect(rows.filter((row) => roomOf(row) !== 'amdvi')).toEqual([]);
    expect([...AMDVI.rows].filter((row) => VTD.rows.has(row))).toEqual([]);
  });

  it.each(['FSTS', 'FSTS_REG.pfo', 'LGN.9', 'PFO', ''])('may not name anything else: "%s"', (row) => {
    expect(roomOf(row)).toBeUndefined();
    expect(() => proves(row)).toThrow(/nothing that is declared is called/);
  });

  it('names a field that hardware reads in one way for several structures by one of them.', () => {
    const rows = ['descriptor.TYPE', 'cc_inv_dsc.TYPE', 'SS-PTE.R', 'SS-PML4E.R', 'SS-PML4E.ADDR'];
    expect(rows.map((row) => VTD.rows.has(row))).toEqual([true, false, true, false, true]);
    const posted = ['posted interrupt descriptor.ON', 'posted interrupt descriptor (xAPIC).ON'];
    expect(posted.map((row) => VTD.rows.has(row))).toEqual([true, false]);
  });

  it('tells the two stages of paging apart, whose entries look alike.', () => {
    const rows = ['FS-PDE.PS', 'SS-PDE.PS', 'FS-PTE.A', 'SS-PTE.A'];
    expect(rows.filter((row) => !VTD.rows.has(row))).toEqual([]);
  });
});
