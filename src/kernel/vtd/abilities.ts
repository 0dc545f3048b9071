/** What a unit's capabilities mean for those who use its driver. */
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import { type Abilities, type DomainOptions, INTERRUPT_PAGES, lastFirstStagePage } from '../iommu/driver.ts';
import { abilitiesOf, type TableShape } from '../iommu/table-shape.ts';
import type { Capabilities, ScalableCapabilities } from './capabilities.ts';
import { firstStageFormat } from './first-stage.ts';

interface Unit {
  readonly capabilities: Capabilities;
  /** `null` in legacy mode. */
  readonly scalable: ScalableCapabilities | null;
}

const RESERVED = [INTERRUPT_PAGES];

/** What tables for these options are like, or `null` when the unit has none. */
export function shapeOf({ capabilities, scalable }: Unit, options: DomainOptions = {}): TableShape | null {
  const hasSecondStage = scalable === null || scalable.secondStage;
  // A fifth level costs a step, so it has to be asked for.
  const { stage = hasSecondStage ? 'second' : 'first', levels = 4 } = options;
  const { snoopControl: canSnoop, depth, superpages, lastPage } = capabilities;
  if (stage === 'second') {
    if (!hasSecondStage) return null;
    const format = vtdSecondStage({ levels: depth.levels, superpages });
    const geometry = { last: lastPage, reserved: RESERVED };
    return { stage, format, geometry, canSnoop, canTrack: scalable?.secondStageFlags === true };
  }
  if (scalable?.firstStage !== true || (levels === 5 && !scalable.fiveLevels)) return null;
  const geometry = { last: lastFirstStagePage(levels), reserved: RESERVED };
  return { stage, format: firstStageFormat(levels, scalable), geometry, canSnoop, canTrack: false };
}

export function abilities(unit: Unit): Abilities {
  const { scalable } = unit;
  return {
    // Every unit that is used has tables of one stage.
    ...abilitiesOf(shapeOf(unit)!),
    nestedLevels: scalable?.nested === true ? firstStageLevels(scalable) : [],
    // Hardware finds PASID-table entries at host addresses only (VT-d 9.4 to 9.6).
    pasidTableBits: 0,
    pasidBits: scalable?.pasidBits ?? 0,
    deviceTlb: scalable?.deviceTlb ?? false,
    pageRequests: scalable !== null && takesPageRequests(scalable),
  };
}

/** Without the drain nobody would know when a PASID can be used again. */
export function takesPageRequests({ deviceTlb, pageRequests, pageRequestDrain }: ScalableCapabilities): boolean {
  return deviceTlb && pageRequests && pageRequestDrain;
}

function firstStageLevels({ fiveLevels }: ScalableCapabilities): (4 | 5)[] {
  return fiveLevels ? [4, 5] : [4];
}
