import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../hardware/amdvi/rows.ts';
import { NOT_ACTED_ON, whyNotActedOn } from '../../hardware/amdvi/spec/index.ts';
import { notActedOnContract } from '../contracts/not-acted-on.ts';

describe('What is not acted on of AMD-Vi', () => {
  notActedOnContract(NOT_ACTED_ON, CATALOGUE);

  it.each([
    ['SMI Filter 15.SmiDV', /^system management/],
    ['MARC Aperture 3 Relocation', /^memory access routing/],
    ['MARC Aperture 3 Relocation.RelocEn', /^memory access routing/],
    ['DSSX.RevMajor', /implementation/],
    ['guest PDE (2 MiB page).PAT', /^memory types/],
    ['IRTE (128 bits, XT).RqEoi', /no end/],
    ['IRTE (guest).GAPPIDis', /doorbell/],
    ['Control.HADUpdate', /^DTE\.HAD/],
  ])('has a reason that a row finds: %s.', (row, reason) => {
    expect(whyNotActedOn(row)).toMatch(reason);
  });

  it.each([
    'SMI Filter 0',
    'SMI Filter 0.SmiFLock',
    'Control',
    'Control.IommuEn',
    'DTE.HAD',
    'DTE.PPR',
    'IRTE (guest).GATag',
    'guest PTE.NX',
    'INVALIDATE_IOTLB_PAGES',
    'IO_PAGE_FAULT.DENIED',
  ])('is not: %s.', (row) => {
    expect(whyNotActedOn(row)).toBeUndefined();
  });
});
