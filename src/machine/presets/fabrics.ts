/** Machines with ports, a switch and a bridge: the places of their devices, for whatever unit. */
import { DMA_ENGINE } from '../../../hardware/devices/dma-engine/index.ts';
import { SWITCH } from '../../../hardware/pcie/index.ts';
import { parameter } from '../measured/parameter.ts';
import { FULL } from './amd.ts';
import { SCALABLE } from './intel.ts';
import type { StatedMachine } from './stated.ts';

/** Every service but egress control, which asks for a vector that says who may reach whom. */
const ACCESS_CONTROL = [
  'source-validation',
  'translation-blocking',
  'request-redirect',
  'completion-redirect',
  'upstream-forwarding',
  'direct-translated',
];

const dmaEngine = (name: string, at: string) => ({ name, model: 'dma-engine', at, ...DMA_ENGINE }) as const;

/** Four root ports: a device, a device behind a port without access control, a switch, and a bridge to conventional PCI. */
function withFabric(name: string, description: string, machine: StatedMachine): StatedMachine {
  return {
    ...machine,
    name,
    description,
    rootPorts: [
      { name: 'port0', at: '00:1c.0', acs: ACCESS_CONTROL, slot: false, link: null },
      { name: 'port1', at: '00:1d.0', acs: [], slot: false, link: null },
      { name: 'port2', at: '00:1e.0', acs: ACCESS_CONTROL, slot: false, link: null },
      { name: 'port3', at: '00:1f.0', acs: ACCESS_CONTROL, slot: false, link: null },
    ],
    switches: [
      {
        name: 'switch0',
        at: 'port2:00.0',
        ports: 2,
        acs: ACCESS_CONTROL,
        slots: false,
        latency: parameter(SWITCH.latency, 'ns', 'through the switch', 'assumed', ''),
        link: null,
      },
    ],
    bridges: [{ name: 'bridge0', at: 'port3:00.0' }],
    devices: [
      dmaEngine('dma0', 'port0:00.0'),
      dmaEngine('dma1', 'port1:00.0'),
      dmaEngine('dma2', 'switch0-0:00.0'),
      dmaEngine('dma3', 'switch0-1:00.0'),
      dmaEngine('pci0', 'bridge0:00.0'),
      dmaEngine('pci1', 'bridge0:01.0'),
    ],
  };
}

/** A fabric for a machine of each vendor. */
export const FABRICS: readonly StatedMachine[] = [
  withFabric(
    'intel-fabric',
    'Like intel-scalable, with root ports, a switch and a bridge to conventional PCI; one port has no access control.',
    SCALABLE,
  ),
  withFabric('amd-fabric', 'Like amd-full, with the same ports, switch and bridge.', FULL),
];
