/** What ports and bridges say of themselves in configuration space. */
import type { ConfigSpec } from './config-spec.ts';
import { AcsBit, PortType } from './spec/index.ts';

export const BRIDGE_KINDS = {
  'root port': PortType.ROOT_PORT,
  'upstream port': PortType.UPSTREAM_PORT,
  'downstream port': PortType.DOWNSTREAM_PORT,
  'PCI bridge': PortType.PCIE_TO_PCI_BRIDGE,
} as const;

export type BridgeKind = keyof typeof BRIDGE_KINDS;

/** The project's own ids: no product is meant. */
const VENDOR = 0xd3a0;
const FIRST_DEVICE = 0x0b00;
const PCI_TO_PCI_BRIDGE = 0x06_0400;

/** A port with a link below it, which leads to one device. */
export function leadsDown(portType: number): boolean {
  return portType === PortType.ROOT_PORT || portType === PortType.DOWNSTREAM_PORT;
}

export interface PortFeatures {
  /** Access control services, bits of `AcsBit`; 0 for a port without. */
  readonly services?: number;
  /** How many ports it may have to do with. */
  readonly ports?: number;
  /** Number of its slot; a port has none unless this is given. */
  readonly slot?: number;
}

export function bridgeConfig(kind: BridgeKind, { services = 0, ports = 1, slot }: PortFeatures = {}): ConfigSpec {
  const portType = BRIDGE_KINDS[kind];
  const egressTargets = (services & AcsBit.EGRESS_CONTROL) === 0 ? 0 : ports;
  return {
    vendor: VENDOR,
    device: FIRST_DEVICE | portType,
    revision: 0,
    classCode: PCI_TO_PCI_BRIDGE,
    bars: [],
    msiVectors: slot === undefined ? 0 : 1,
    payloadSupported: 512,
    portType,
    pciExpress: { ariForwarding: leadsDown(portType), ...(slot === undefined ? {} : { slot }) },
    capabilities: { aer: true, ...(services === 0 ? {} : { acs: { services, egressTargets } }) },
  };
}
