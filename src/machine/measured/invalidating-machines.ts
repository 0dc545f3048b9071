/**
 * Machines on which somebody has measured how long the invalidation queue takes: how far it is from core to unit and from unit
 * to memory, and how fast the clock goes in which it was counted.
 *
 * No source takes such a time apart. What the unit reads and writes goes the way of its walks, whose times are known from
 * pcie-bench; ring and status lie in the last-level cache, because the core has just written them. A core is as far from
 * the unit as memory is, without memory itself.
 */
import { DEFAULT_COSTS } from '../../kernel/index.ts';
import type { intelCapabilities } from '../capabilities.ts';
import { type Certainty, type Parameter, parameter, plainValues } from './parameter.ts';
import { fetchTime, type MachineName, parametersOf } from './pcie-bench-machines.ts';

const PCIE_BENCH = 'pcie-bench data, as of that machine';
const COSTS = 'src/kernel/costs.ts';

export interface InvalidatingMachine {
  readonly name: string;
  /** What its unit can do. */
  readonly unit: keyof typeof intelCapabilities;
  /** Scalable mode, and so descriptors of 256 bits. */
  readonly scalable: boolean;
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

function machine(
  name: string,
  unit: InvalidatingMachine['unit'],
  like: MachineName,
  clock: Parameter,
): InvalidatingMachine {
  const values = plainValues(parametersOf(like));
  const { cacheLatency, dram } = values;
  const fetch = fetchTime(values);
  return {
    name,
    unit,
    scalable: unit === 'modern',
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

function clock(gigahertz: number, certainty: Certainty, source: string): Parameter {
  return parameter(gigahertz, 'GHz', 'the clock that counts', certainty, source);
}

export const INVALIDATING_MACHINES = {
  riommu: machine(
    'Sandy Bridge, Xeon E3-1220',
    'sandy-bridge-ep',
    'snb',
    clock(3.1, 'published', 'Malka et al., "rIOMMU" (ASPLOS 2015)'),
  ),
  silver: machine(
    'Ice Lake, Xeon Silver 4314, of whose IOMMU nothing is published: it is that of Broadwell',
    'broadwell-ep',
    'bdw',
    clock(2.4, 'published', 'zhzh2001/nvme-iommu'),
  ),
  dsa: machine(
    'Sapphire Rapids, of which nothing is published: its times are those of Broadwell',
    'modern',
    'bdw',
    clock(2, 'assumed', 'the time-stamp counter of a Xeon Platinum 8480+'),
  ),
  pac: machine(
    'the host of an FPGA card, of whose IOMMU nothing else is published: it is that of Broadwell',
    'broadwell-ep',
    'bdw',
    clock(2.2, 'inherited', 'Xeon E5-2630 v4'),
  ),
} as const;

export type InvalidatingMachineName = keyof typeof INVALIDATING_MACHINES;
