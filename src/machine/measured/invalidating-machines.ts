/**
 * Machines whose cores have units forget something: how far it is from core to unit and from unit to memory, and how fast the clock
 * goes in which somebody has counted how long it takes. Of AMD nobody has.
 *
 * No source takes such a time apart. What the unit reads and writes goes the way of its walks, whose times are known from
 * pcie-bench; ring and status lie in the last-level cache, because the core has just written them. A core is as far from
 * the unit as memory is, without memory itself.
 */
import { DEFAULT_COSTS } from '../../kernel/index.ts';
import type { amdCapabilities, intelCapabilities } from '../capabilities.ts';
import { type Certainty, type Parameter, parameter, plainValues } from './parameter.ts';
import { fetchTime, type MachineName, parametersOf } from './pcie-bench-machines.ts';

const PCIE_BENCH = 'pcie-bench data, as of that machine';
const COSTS = 'src/kernel/costs.ts';
const NOT_OF_AMD = 'no measurement of an AMD machine: that of an Intel one';

export interface InvalidatingMachine {
  readonly name: string;
  /** Cycles per nanosecond of the clock in which it was counted. */
  readonly clock: Parameter;
  /** Nanoseconds of a register access of a core there and back; a posted write takes half of it. */
  readonly register: Parameter;
  /** Nanoseconds of each access of the unit on its way to memory and back. */
  readonly fetch: Parameter;
  /** Nanoseconds of a read that the last-level cache serves, and of one that goes to DRAM. */
  readonly cache: Parameter;
  readonly dram: Parameter;
  /** Nanoseconds in which a core writes a descriptor. */
  readonly descriptor: Parameter;
  /** Nanoseconds in which a device answers that its TLB has forgotten a page. */
  readonly device: Parameter;
}

export interface VtdMachine extends InvalidatingMachine {
  readonly vendor: 'intel';
  /** What its unit can do. */
  readonly unit: keyof typeof intelCapabilities;
  /** Scalable mode, and so descriptors of 256 bits. */
  readonly scalable: boolean;
}

export interface AmdMachine extends InvalidatingMachine {
  readonly vendor: 'amd';
  readonly unit: keyof typeof amdCapabilities;
  /** Nanoseconds from one look at what a wait stores to the next. */
  readonly look: Parameter;
}

function machine(name: string, like: MachineName, clock: Parameter): InvalidatingMachine {
  const values = plainValues(parametersOf(like));
  const { cacheLatency, dram } = values;
  const fetch = fetchTime(values);
  return {
    name,
    clock,
    register: parameter(fetch, 'ns', 'a register access there and back', 'assumed', 'as far as from unit to memory'),
    fetch: parameter(fetch, 'ns', 'the unit asks memory and has its answer', 'derived', `${PCIE_BENCH} (${like})`),
    cache: parameter(cacheLatency, 'ns', 'a read from the last-level cache', 'inherited', like),
    dram: parameter(cacheLatency + dram, 'ns', 'a read from DRAM', 'inherited', like),
    descriptor: parameter(DEFAULT_COSTS.writeEntry, 'ns', 'a core writes a descriptor', 'assumed', COSTS),
    device: parameter(
      4200,
      'ns',
      'a device forgets a page and says so',
      'inherited',
      'ISPASS 2016: GPU of an A10-7850K',
    ),
  };
}

function intel(name: string, unit: VtdMachine['unit'], like: MachineName, clock: Parameter): VtdMachine {
  return { vendor: 'intel', unit, scalable: unit === 'modern', ...machine(name, like, clock) };
}

/** With the times of an Intel machine, since of none of AMD's any is published. */
function amd(name: string, unit: AmdMachine['unit'], like: MachineName, clock: Parameter): AmdMachine {
  const { register, fetch, cache, dram, ...known } = machine(name, like, clock);
  const assumed = (from: Parameter): Parameter => ({
    ...from,
    certainty: 'assumed',
    source: `${NOT_OF_AMD} (${like})`,
  });
  return {
    vendor: 'amd',
    unit,
    ...known,
    register: assumed(register),
    fetch: assumed(fetch),
    cache: assumed(cache),
    dram: assumed(dram),
    look: parameter(1000, 'ns', 'from one look at what a wait stores to the next', 'published', 'Linux: udelay(1)'),
  };
}

function clock(gigahertz: number, certainty: Certainty, source: string): Parameter {
  return parameter(gigahertz, 'GHz', 'the clock that counts', certainty, source);
}

export const INVALIDATING_MACHINES = {
  riommu: intel(
    'Sandy Bridge, Xeon E3-1220',
    'sandy-bridge-ep',
    'snb',
    clock(3.1, 'published', 'Malka et al., "rIOMMU" (ASPLOS 2015)'),
  ),
  silver: intel(
    'Ice Lake, Xeon Silver 4314, of whose IOMMU nothing is published: it is that of Broadwell',
    'broadwell-ep',
    'bdw',
    clock(2.4, 'published', 'zhzh2001/nvme-iommu'),
  ),
  dsa: intel(
    'Sapphire Rapids, of which nothing is published: its times are those of Broadwell',
    'modern',
    'bdw',
    clock(2, 'assumed', 'the time-stamp counter of a Xeon Platinum 8480+'),
  ),
  pac: intel(
    'the host of an FPGA card, of whose IOMMU nothing else is published: it is that of Broadwell',
    'broadwell-ep',
    'bdw',
    clock(2.2, 'inherited', 'Xeon E5-2630 v4'),
  ),
  epyc: amd(
    'EPYC, of whose IOMMU no times are published: they are those of Broadwell and its VT-d unit',
    'zen2-server',
    'bdw',
    clock(2.25, 'assumed', 'the time-stamp counter of an EPYC 7742'),
  ),
} as const;

export type InvalidatingMachineName = keyof typeof INVALIDATING_MACHINES;
