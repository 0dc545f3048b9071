/** The base machine around AMD-Vi units, with caches of the same sizes: no measurement of such units is known that says otherwise. */
import { CAPABILITY_HEADER_DEFAULT, COUNTERS } from '../../../hardware/amdvi/index.ts';
import { hex } from '../../../hardware/bits/index.ts';
import { type AmdCapabilitySet, amdCapabilities } from '../capabilities.ts';
import { inherited } from '../measured/parameter.ts';
import { AGENT, BASE, IOTLB as INTEL_IOTLB, TABLE_CACHE } from './base.ts';
import type { StatedMachine } from './stated.ts';

const NOT_MEASURED = "no measurement of an AMD unit: an Intel one's";
const IOTLB = inherited(INTEL_IOTLB, NOT_MEASURED);
const INHERITED = {
  ...AGENT,
  lookup: inherited(AGENT.lookup, NOT_MEASURED),
  walkers: inherited(AGENT.walkers, NOT_MEASURED),
};

/** The machine with the unit that these registers describe. */
function withUnit(name: string, description: string, unit: AmdCapabilitySet) {
  const iommu = {
    vendor: 'amd',
    ...unit,
    capHeader: hex(CAPABILITY_HEADER_DEFAULT),
    miscInfo1: '0x0',
    iotlb: IOTLB,
    deviceTableCache: TABLE_CACHE,
    gcr3Cache: TABLE_CACHE,
    hostDirectoryCache: null,
    guestDirectoryCache: null,
    interruptEntryCache: TABLE_CACHE,
    counters: COUNTERS,
    ...INHERITED,
  } as const;
  return { ...BASE, name, description, iommu };
}

const ALL = withUnit(
  'amd-full',
  'AMD-Vi with everything: guest tables, PASIDs, page requests, flags in host tables; caches for tables of every kind.',
  amdCapabilities.full,
);

export const FULL = {
  ...ALL,
  iommu: { ...ALL.iommu, hostDirectoryCache: TABLE_CACHE, guestDirectoryCache: TABLE_CACHE },
} satisfies StatedMachine;

export const AMD: readonly StatedMachine[] = [
  withUnit(
    'amd-v1',
    'AMD-Vi with host (v1) tables of up to six levels, of 4 KiB pages and every larger power of two.',
    amdCapabilities['host-tables'],
  ),
  FULL,
  withUnit(
    'amd-zen',
    'The unit of Ryzen and EPYC with Zen (2017): guest tables of four levels, page requests, counters.',
    amdCapabilities.zen,
  ),
  withUnit(
    'amd-zen-apu',
    'The unit of Ryzen APUs with Zen (2018): the same with typed invalidations of device TLBs.',
    amdCapabilities['zen-apu'],
  ),
  withUnit(
    'amd-zen2-desktop',
    'The unit of Ryzen desktop chips with Zen 2 and Zen 3 (2019): no virtual APIC.',
    amdCapabilities['zen2-desktop'],
  ),
  withUnit(
    'amd-zen2-server',
    'The unit of EPYC and Threadripper with Zen 2 and Zen 3 (2019): the virtual APIC, x2APIC destinations.',
    amdCapabilities['zen2-server'],
  ),
  withUnit(
    'amd-zen2-apu',
    'The unit of Ryzen APUs with Zen 2 and Zen 3 (2020): x2APIC destinations, no accessed flags in host tables.',
    amdCapabilities['zen2-apu'],
  ),
  withUnit(
    'amd-zen4',
    'The unit of Ryzen with Zen 4 (2022): secure ATS, no x2APIC destinations.',
    amdCapabilities.zen4,
  ),
  withUnit(
    'amd-epyc-four-segments',
    'An EPYC unit of a machine with four PCI segments: guest tables of five levels, dirty flags in host tables.',
    amdCapabilities['epyc-four-segments'],
  ),
];
