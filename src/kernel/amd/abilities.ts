/** What a unit's features mean for those who use its driver. */
import { amdV1, x86Paging } from '../../../hardware/formats/index.ts';
import { type Abilities, type DomainOptions, lastFirstStagePage } from '../iommu/driver.ts';
import { abilitiesOf, type TableShape } from '../iommu/table-shape.ts';
import type { Features, GuestFeatures } from './features.ts';

/** What tables for these options are like, or `null` when the unit has none. */
export function shapeOf({ host, guest, reserved }: Features, options: DomainOptions = {}): TableShape | null {
  // A fifth level costs a step, so it has to be asked for.
  const { stage = host === null ? 'first' : 'second', levels = 4 } = options;
  if (stage === 'second') {
    if (host === null) return null;
    const geometry = { last: host.last, reserved };
    return { stage, format: amdV1(host), geometry, canSnoop: true, canTrack: host.dirtyFlags };
  }
  if (guest === null || !guestLevels(guest).includes(levels)) return null;
  const geometry = { last: lastFirstStagePage(levels), reserved };
  const format = x86Paging({ levels, superpages: [2, 3] });
  return { stage, format, geometry, canSnoop: false, canTrack: false };
}

export function abilities(features: Features): Abilities {
  const { host, guest, deviceTlb } = features;
  return {
    // Every unit that is used has tables of one stage.
    ...abilitiesOf(shapeOf(features)!),
    nestedLevels: host !== null && guest !== null ? guestLevels(guest) : [],
    pasidTableBits: host !== null && guest?.guestRoots === true ? guest.pasidBits : 0,
    pasidBits: guest?.pasidBits ?? 0,
    deviceTlb,
    pageRequests: takesPageRequests(features),
  };
}

export function takesPageRequests({ deviceTlb, pageRequests }: Features): boolean {
  return deviceTlb && pageRequests;
}

function guestLevels({ fiveLevels }: GuestFeatures): (4 | 5)[] {
  return fiveLevels ? [4, 5] : [4];
}
