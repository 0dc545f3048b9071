/** Functions and bridges as the kernel has found them. */
import { AcsBit, PortType } from '../../../hardware/pcie/spec/index.ts';

export interface Bar {
  readonly index: number;
  readonly address: number;
  readonly bytes: number;
}

/** What every function says of itself. */
export interface PciFunction {
  /** Bus, device and function as a 16-bit number. */
  readonly rid: number;
  /** Segment, bus, device and function as they are written: `0000:00:03.0`. */
  readonly address: string;
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
  /** The bridge above; `null` on the root complex's own bus. */
  readonly above: PciBridge | null;
  /** What its PCI Express capability says it is; `null` without one, or where nobody has asked. */
  readonly portType: number | null;
  /** There may be other functions under its device number. */
  readonly isMultiFunction: boolean;
  /** Access control as it stands: services that there are, and those that are on. */
  readonly acs: AccessControl | null;
}

/** Services of a port or function, as bits of `AcsBit`. */
export interface AccessControl {
  readonly supported: number;
  enabled: number;
}

export interface PciBridge extends PciFunction {
  readonly secondary: number;
  readonly subordinate: number;
  /** It passes function numbers above 7 (ARI). */
  readonly ari: boolean;
  /** Where its PCI Express capability is, if that says that there is a slot below. */
  readonly slotAt: number | null;
}

export interface PciDevice extends PciFunction {
  /** The id that its requests carry on their way to the IOMMU: its own, or that of a bridge. */
  readonly requester: number;
  /** Memory base address registers, by their index. */
  readonly bars: ReadonlyMap<number, Bar>;
  /** What it can have virtual functions by; `null` where it cannot, or where nobody has asked. */
  readonly sriov: SingleRoot | null;
}

/** A physical function's SR-IOV capability. */
export interface SingleRoot {
  /** Offset in configuration space. */
  readonly at: number;
  readonly total: number;
  /** Registers of the first virtual function; those of the others follow. */
  readonly bars: ReadonlyMap<number, Bar>;
  /** Kinds of registers that a virtual function has, with or without a place. */
  readonly barCount: number;
}

export function formatRid(rid: number): string {
  const part = (value: number) => value.toString(16).padStart(2, '0');
  return `0000:${part(rid >>> 8)}:${part((rid >>> 3) & 31)}.${rid & 7}`;
}

/** What keeps what is below a port, or a function, from reaching others: requests and completions go up and are checked. */
const ISOLATION =
  AcsBit.SOURCE_VALIDATION | AcsBit.REQUEST_REDIRECT | AcsBit.COMPLETION_REDIRECT | AcsBit.UPSTREAM_FORWARDING;

/** Nothing that these have checks what passes them; and conventional functions have nothing at all. */
const NEVER_ISOLATE: readonly number[] = [
  PortType.PCIE_TO_PCI_BRIDGE,
  PortType.PCI_TO_PCIE_BRIDGE,
  PortType.ROOT_COMPLEX_EVENT_COLLECTOR,
];

/** True when nothing passes this function without going up to the IOMMU first. */
export function isolates(fn: PciFunction): boolean {
  return enforces(fn, ISOLATION);
}

/** True when a function does all of these services to what passes it. One that it does not have it does not need. */
export function enforces({ portType, isMultiFunction, acs }: PciFunction, services: number): boolean {
  if (portType === null || NEVER_ISOLATE.includes(portType)) return false;
  const isPort = portType === PortType.ROOT_PORT || portType === PortType.DOWNSTREAM_PORT;
  if (!isPort && !isMultiFunction) return true;
  if (acs === null) return false;
  const needed = services & (acs.supported | AcsBit.EGRESS_CONTROL);
  return (acs.enabled & needed) === needed;
}

/** The services that the kernel switches on wherever they are. */
export const WANTED_SERVICES = ISOLATION;

/** The bridges above a function, the nearest first. */
export function* bridgesAbove({ above }: PciFunction): Generator<PciBridge> {
  for (let bridge = above; bridge !== null; bridge = bridge.above) yield bridge;
}
