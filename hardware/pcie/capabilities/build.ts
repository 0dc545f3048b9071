/** Makes the capabilities that a function's spec names, in the order in which they take their places. */
import type { ConfigSpec } from '../config-spec.ts';
import { PortType } from '../spec/index.ts';
import { AcsCapability } from './acs.ts';
import { AerCapability } from './aer.ts';
import { AtsCapability } from './ats.ts';
import type { Capability } from './capability.ts';
import { AriCapability, serialNumber, siov } from './identity.ts';
import { MsiCapability } from './msi.ts';
import { MsixCapability } from './msix.ts';
import { PasidCapability } from './pasid.ts';
import { isRoot, PciExpressCapability, type PciExpressSpec } from './pci-express.ts';
import { PowerManagementCapability } from './power-management.ts';
import { PriCapability } from './pri.ts';
import { SlotCapability } from './slot.ts';
import { SriovCapability } from './sr-iov.ts';

/** The capabilities that have a behaviour, each `null` when the function does not have it. */
export interface CapabilitySet {
  readonly pciExpress: PciExpressCapability | null;
  readonly powerManagement: PowerManagementCapability | null;
  readonly msi: MsiCapability | null;
  readonly msix: MsixCapability | null;
  readonly aer: AerCapability | null;
  readonly acs: AcsCapability | null;
  readonly ari: AriCapability | null;
  readonly sriov: SriovCapability | null;
  readonly ats: AtsCapability | null;
  /** In a virtual function, that of its physical one; so is `pasid`. */
  readonly pri: PriCapability | null;
  readonly pasid: PasidCapability | null;
}

/** Where MSI stands in a function with a PCI Express capability. */
const MSI_AT = 0x80;

/** `physical` is the physical function of a virtual one, whose capabilities control this one's. */
export function buildCapabilities(
  spec: ConfigSpec,
  physical: CapabilitySet | null,
  onDecode: () => void,
): { readonly set: CapabilitySet; readonly own: readonly Capability[] } {
  const { capabilities: has = {}, msiVectors, payloadSupported, portType = PortType.ENDPOINT } = spec;
  const { conventional = false, msiMasking: masking = false } = spec;
  const express = { ...spec.pciExpress, portType, payloadSupported };
  const preferred = conventional ? {} : { preferred: MSI_AT };
  const pasid = has.pasid ? new PasidCapability(has.pasid) : null;
  const pri = has.pri ? new PriCapability(has.pri) : null;
  const set = {
    pciExpress: conventional ? null : pciExpress(express, physical?.pciExpress ?? null),
    powerManagement: has.powerManagement ? new PowerManagementCapability(has.powerManagement) : null,
    msi: msiVectors > 0 ? new MsiCapability({ vectors: msiVectors, masking, ...preferred }) : null,
    msix: has.msix ? new MsixCapability(has.msix) : null,
    aer: has.aer ? new AerCapability(physical?.aer ?? null, isRoot(portType)) : null,
    acs: has.acs ? new AcsCapability(has.acs) : null,
    ari: has.ari ? new AriCapability(has.ari) : null,
    sriov: has.sriov ? new SriovCapability(has.sriov, onDecode) : null,
    ats: has.ats ? new AtsCapability(has.ats, physical?.ats ?? null, pasid) : null,
    pri: physical?.pri ?? pri,
    pasid: physical?.pasid ?? pasid,
  };
  const inOrder = [
    ...[set.pciExpress, set.msi, set.powerManagement, set.msix],
    ...[set.aer, has.serialNumber ? serialNumber(has.serialNumber) : null, set.acs, set.ari, set.sriov],
    ...[set.ats, pri, pasid, has.siov ? siov(has.siov) : null],
  ];
  const own = inOrder.filter((one): one is NonNullable<typeof one> => one !== null);
  if (conventional && own.some(({ shape }) => shape.extended)) {
    throw new RangeError('a conventional function has no extended capabilities');
  }
  for (const { bar, end } of set.msix?.places ?? []) {
    const size = spec.bars.find(({ index }) => index === bar)?.size ?? 0;
    if (end > size) throw new RangeError(`MSI-X needs ${end} bytes behind base address ${bar}, which has ${size}`);
  }
  return { set, own };
}

function pciExpress(spec: PciExpressSpec, physical: PciExpressCapability | null): PciExpressCapability {
  const { slot } = spec;
  return slot === undefined ? new PciExpressCapability(spec, physical) : new SlotCapability({ ...spec, slot });
}
