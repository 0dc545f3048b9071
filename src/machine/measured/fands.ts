/**
 * The machine of "Fast & Safe IO Memory Protection" (Rubin et al., SOSP 2024): four Xeon Gold 6234 (Cascade Lake), a ConnectX-5 of
 * 100 Gb/s on PCIe 3.0 x16, Linux 6.0. Of its IOMMU nothing is published but what was measured with it.
 */
import { type Receiving, receive } from './nic-receive/run.ts';
import type { ReceiveSetUp, ReceiveValues } from './nic-receive/values.ts';
import { type Parameter, parameter, plainValues } from './parameter.ts';
import { parametersOf } from './pcie-bench-machines.ts';

const PAPER = 'Rubin et al., "Fast & Safe IO Memory Protection" (SOSP 2024)';
const HOST_NETWORK = 'Vuppalapati et al., "Understanding the host network" (SIGCOMM 2024), the same processor';
const DRIVER = 'mlx5 of Linux 6.0';
const FLOWS = 'group fands-flows';
const PCIE_BENCH = parametersOf('bdw');

export const FANDS = {
  network: parameter(100, 'Gb/s', 'the network', 'published', PAPER),
  sharedSenders: parameter(
    91.5 / 97.6,
    '1',
    'share of the network that senders reach who have several flows each',
    'fitted',
    `${FLOWS}, without the IOMMU`,
  ),
  cores: parameter(5, '1', 'cores that receive, each with a ring and a share of the flows', 'published', PAPER),
  channels: parameter(32, '1', 'rings of the NIC: one for each core of the machine', 'derived', DRIVER),
  control: parameter(18, '1', 'pages of a channel besides its buffers that one of its polls touches', 'fitted', FLOWS),
  socket: parameter(1_000_000, 'B', 'what a flow may have received that nobody has read', 'published', PAPER),
  nicBuffer: parameter(262_016, 'B', 'what the NIC holds back', 'assumed', 'default receive buffer of a ConnectX-5'),
  roundTrip: parameter(4, 'us', 'there and back, without the time that packets wait', 'assumed', 'one switch'),
  lostPerEvent: parameter(4.8, '1', 'packets that a flow loses when it loses some', 'fitted', FLOWS),
  duplicates: parameter(2, '1', 'acknowledgements that a lost packet leads to, beside others', 'fitted', FLOWS),
  waitingTlps: parameter(64, '1', 'TLPs that wait for their translation in the root complex', 'assumed', ''),
  visible: parameter(300, 'ns', 'a write, from the root complex to memory', 'published', HOST_NETWORK),
  lookup: parameter(65 / 16, 'ns', 'a look-up: l0 of the paper, 65 ns, for 16 TLPs', 'derived', `${PAPER} 2.2`),
  read: parameter(197, 'ns', 'a read of a walk, one at a time: lm of the paper', 'published', `${PAPER} 2.2`),
  iotlb: parameter(128, '1', 'entries of the IOTLB', 'inherited', 'Broadwell, as of its eviction sets'),
  structures: parameter(128, '1', 'entries of the paging-structure cache', 'published', `${PAPER} 4.1: 64 to 128`),
  moderation: parameter(128, 'us', 'from one interrupt of a channel to the next', 'assumed', `a step of ${DRIVER}`),
  budget: parameter(64, '1', 'packets of a poll', 'published', 'NAPI_POLL_WEIGHT of Linux'),
  aggregate: parameter(65_536, 'B', 'packets that become one for TCP', 'published', 'GRO_MAX_SIZE of Linux'),
  packet: parameter(500, 'ns', "a packet, in the driver and the kernel's stack", 'assumed', ''),
  copy: parameter(800, 'ns', 'a reader copies 4 KiB: with every protection it keeps up', 'assumed', ''),
  turn: parameter(410, 'us', 'a reader reads before the next one of its core does', 'fitted', FLOWS),
  map: parameter(200, 'ns', 'a core maps a page', 'assumed', 'Malka et al., "rIOMMU" (ASPLOS 2015): 588 cycles'),
  invalidate: parameter(
    1060,
    'ns',
    'a core has the IOMMU forget and waits',
    'derived',
    'zhzh2001/nvme-iommu: 2548 cycles',
  ),
  dram: parameter(PCIE_BENCH.cacheLatency.value + PCIE_BENCH.dram.value, 'ns', 'memory alone', 'inherited', 'bdw'),
} as const satisfies Readonly<Record<keyof ReceiveValues, Parameter>>;

export const FANDS_VALUES: ReceiveValues = plainValues(FANDS);

/** Receiving on this machine. */
export function measureReceiving(setUp: ReceiveSetUp): Receiving {
  return receive(FANDS_VALUES, setUp);
}
