/** Functions and bridges as a kernel has found them, drawn by hand. */
import { AcsBit, PortType } from '../../hardware/pcie/spec/index.ts';
import { groupsOf, type PciBridge, type PciDevice } from '../../src/kernel/pci/index.ts';

/** What Linux asks for: source validation, request and completion redirect, upstream forwarding. */
export const REDIRECTING = { supported: 0x1d, enabled: 0x1d };
export const ALL_OFF = { supported: 0x5f, enabled: 0 };

type Kind = 'root' | 'upstream' | 'downstream' | 'to-pci' | 'to-pcie' | 'conventional' | 'endpoint' | 'integrated';

const PORT_TYPES: Readonly<Record<Kind, number | null>> = {
  endpoint: PortType.ENDPOINT,
  root: PortType.ROOT_PORT,
  upstream: PortType.UPSTREAM_PORT,
  downstream: PortType.DOWNSTREAM_PORT,
  'to-pci': PortType.PCIE_TO_PCI_BRIDGE,
  'to-pcie': PortType.PCI_TO_PCIE_BRIDGE,
  integrated: PortType.INTEGRATED_ENDPOINT,
  conventional: null,
};

interface Drawn {
  readonly above?: PciBridge;
  readonly acs?: PciBridge['acs'];
  readonly multi?: boolean;
}

function drawn(rid: number, kind: Kind, { above, acs = null, multi = false }: Drawn) {
  return {
    rid,
    address: rid.toString(16).padStart(4, '0'),
    vendor: 0x1de5,
    device: 1,
    classCode: 0,
    above: above ?? null,
    portType: PORT_TYPES[kind],
    isMultiFunction: multi,
    acs,
  };
}

export const SERVICES = AcsBit;

/** A tree of functions, drawn from the root downwards. */
export class Drawing {
  readonly bridges: PciBridge[] = [];
  readonly devices: PciDevice[] = [];
  #last = 0;

  /** A bridge; its secondary bus is the next number. */
  bridge(rid: number, kind: Kind, more: Drawn = {}): PciBridge {
    const secondary = ++this.#last;
    const bridge = { ...drawn(rid, kind, more), secondary, subordinate: 0xff, ari: false, slotAt: null };
    this.bridges.push(bridge);
    return bridge;
  }

  device(rid: number, more: Drawn & { readonly kind?: Kind } = {}): PciDevice {
    const { kind = more.above === undefined ? 'integrated' : 'endpoint' } = more;
    const device = { ...drawn(rid, kind, more), requester: rid, bars: new Map(), sriov: null };
    this.devices.push(device);
    return device;
  }

  /** Requester ids, group by group. */
  get groups(): string[] {
    return groupsOf(this.devices, this.bridges).map((group) => group.map(({ address }) => address).join(' '));
  }
}
