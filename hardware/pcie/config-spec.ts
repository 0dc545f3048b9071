/** What a function's configuration space is built from: plain data that reads like a data sheet. */
import type { BarSpec } from './base-address.ts';
import type { PciExpressSpec } from './capabilities/pci-express.ts';
import type { CapabilitySpecs } from './capabilities/specs.ts';

export interface ConfigSpec {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly bars: readonly BarSpec[];
  /** Vectors that the function can use: 0 for no MSI capability, or a power of two up to 32. */
  readonly msiVectors: number;
  /** MSI vectors can be masked. */
  readonly msiMasking?: boolean;
  /** Largest payload that the function can handle: 128 to 4096 bytes. */
  readonly payloadSupported: number;
  /** One of `PortType`, by which ports and bridges have a header of type 1; an endpoint if it is not given. */
  readonly portType?: number;
  /** What the PCI Express capability says beyond that. */
  readonly pciExpress?: Omit<PciExpressSpec, 'portType' | 'payloadSupported'>;
  /** A conventional PCI function: no PCI Express capability and nothing extended. */
  readonly conventional?: boolean;
  readonly capabilities?: CapabilitySpecs;
}

/** What identifies a virtual function stands in its physical one. */
const ABSENT = 0xffff;

/** What each virtual function of `physical` is built from. */
export function virtualConfig(physical: ConfigSpec): ConfigSpec {
  const sriov = physical.capabilities?.sriov;
  if (sriov === undefined) throw new RangeError('a function without SR-IOV has no virtual functions');
  const { bars, capabilities = {} } = sriov;
  // Each can be reset alone: that is not optional for a virtual function.
  const pciExpress = { ...physical.pciExpress, flr: true };
  return { ...physical, vendor: ABSENT, device: ABSENT, bars, msiVectors: 0, pciExpress, capabilities };
}
