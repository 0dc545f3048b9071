/** The device table entry of a device, as its route says. */
import { type DTE, GuestPagingMode, HostAccessedDirty, HostMode } from '../../../hardware/amdvi/spec/index.ts';
import type { Values } from '../../../hardware/bits/index.ts';
import type { DeviceFeatures } from '../iommu/driver.ts';
import { gcr3Fields } from './gcr3-table.ts';
import { didOf, isGuest, openTargets, type Route, type Target } from './route.ts';

export function deviceEntry(route: Route, { deviceTlb, pageRequests }: DeviceFeatures): Values<typeof DTE> {
  const { host, gcr3 } = route;
  const open = openTargets(route);
  if (open.length === 0) return {};
  const common = {
    IR: 1,
    IW: 1,
    Mode: host?.levels ?? HostMode.NONE,
    HostPTRoot: host?.root ?? 0,
    HAD: host?.tracking?.isOn === true ? HostAccessedDirty.BOTH : HostAccessedDirty.NONE,
    DomainID: didOf(route),
    I: deviceTlb ? 1 : 0,
    PPR: pageRequests ? 1 : 0,
    GPRP: pageRequests ? 1 : 0,
  };
  if (gcr3 === null || !open.some(isGuest)) return common;
  return {
    ...common,
    GV: 1,
    // Where nobody takes requests without PASID they end at an empty GCR3 entry.
    GIoV: open.every(takesPasidZero) ? 1 : 0,
    ...gcr3Fields(gcr3.place),
    GuestPagingMode: gcr3.levels === 5 ? GuestPagingMode.FIVE_LEVEL : GuestPagingMode.FOUR_LEVEL,
  };
}

/** Requests without PASID go through the guest table of PASID 0. */
function takesPasidZero(target: Target): boolean {
  return isGuest(target) && (target.kind !== 'PASID table' || target.usesPasidZero);
}
