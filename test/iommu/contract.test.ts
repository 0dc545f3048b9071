/** One suite for the units of both vendors, in each of their modes. */
import { type Exemption, iommuContract, testsAbout } from '../contracts/iommu-contract.ts';
import { AMD } from './contract/amd.ts';
import { VTD } from './contract/vtd.ts';

const exempt = (vendors: readonly string[], reason: string, tests: readonly string[]): Exemption[] =>
  vendors.flatMap((vendor) => tests.map((test) => ({ vendor, test, reason })));

const EXEMPTIONS: readonly Exemption[] = [
  ...exempt(
    ['VT-d, pass-through', 'AMD-Vi, pass-through'],
    'every address passes as it is, mapped or not',
    testsAbout(
      'On, it blocks DMA',
      'It lets a page be read only',
      'It lets a page be written only',
      'It has pages',
      'A question',
      'It answers at once',
      'After an invalidation',
      'It keeps devices apart',
    ),
  ),
  ...exempt(
    ['VT-d, scalable, first stage', 'VT-d, nested', 'AMD-Vi, v2', 'AMD-Vi, nested'],
    'a page of an x86 table that is present may be read',
    testsAbout('It lets a page be written only'),
  ),
  ...exempt(
    ['AMD-Vi'],
    'aligned accesses of 1 and 2 bytes are allowed (amd-vi.md section 1.3)',
    testsAbout('Register accesses of 1'),
  ),
];

iommuContract([...VTD, ...AMD], EXEMPTIONS);
