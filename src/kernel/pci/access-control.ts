/** Access control services (ACS) of ports and functions: how the kernel switches them on and off. */
import { ACS_CAPABILITY, AcsBit, ExtendedCapabilityId } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import { findExtendedCapability, wordAt } from './capabilities.ts';
import { type AccessControl, bridgesAbove, enforces, type PciFunction, WANTED_SERVICES } from './device.ts';

const CONTROL = 0x04;

/** Switches on what isolates, as far as it is there. `at` is the capability's offset. */
export function* switchAccessControlOn(bus: Bus, rid: number, at: number): Script<AccessControl> {
  const supported = ACS_CAPABILITY.SUPPORTED.get(Uint32Array.of(0, (yield* wordAt(bus, rid, at + CONTROL))[0]!));
  const enabled = supported & WANTED_SERVICES;
  yield* setServices(bus, rid, at, enabled);
  return { supported, enabled };
}

/**
 * Lets the port above a device block what says that it is translated, or asks for a translation, or lets it pass
 * again: 0, or -EOPNOTSUPP when the port cannot, or there is none.
 */
export function* blockTranslated(bus: Bus, { above }: PciFunction, on: boolean): Script<number> {
  const { TRANSLATION_BLOCKING } = AcsBit;
  const acs = above?.acs ?? null;
  if (above === null || acs === null || (acs.supported & TRANSLATION_BLOCKING) === 0) return -EOPNOTSUPP;
  acs.enabled = on ? acs.enabled | TRANSLATION_BLOCKING : acs.enabled & ~TRANSLATION_BLOCKING;
  const at = yield* findExtendedCapability(bus, above.rid, ExtendedCapabilityId.ACCESS_CONTROL_SERVICES);
  yield* setServices(bus, above.rid, at, acs.enabled);
  return 0;
}

/** True when a port on the way blocks what a device has translated: it is of no use to it to keep translations. */
export function isTranslatedBlocked(device: PciFunction): boolean {
  return [...bridgesAbove(device)].some(({ acs }) => acs !== null && (acs.enabled & AcsBit.TRANSLATION_BLOCKING) !== 0);
}

const UPWARD = AcsBit.REQUEST_REDIRECT | AcsBit.UPSTREAM_FORWARDING;

/**
 * True when all requests of a device go up to the IOMMU. Ports route by address alone: without this a request with a
 * PASID whose address happens to be that of a peer's registers ends there, whatever the PASID maps.
 */
export function isRedirected(device: PciFunction): boolean {
  const own = device.isMultiFunction ? [device] : [];
  return [...own, ...bridgesAbove(device)].every((one) => enforces(one, UPWARD));
}

function setServices(bus: Bus, rid: number, at: number, enabled: number): Script {
  return bus.configWrite(rid, at + CONTROL + 2, 2, enabled);
}
