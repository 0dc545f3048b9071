/** What a unit's tables of one stage are like: what its driver makes domains of, and what it says that they can do. */
import type { PageTableFormat } from '../../../hardware/formats/index.ts';
import { EOPNOTSUPP } from '../../uapi/index.ts';
import type { Abilities, DomainOptions, Geometry } from './driver.ts';

export interface TableShape {
  readonly stage: 'first' | 'second';
  readonly format: PageTableFormat;
  readonly geometry: Geometry;
  /** DMA through them can be made to snoop. */
  readonly canSnoop: boolean;
  /** Hardware can set the flags of pages that are written. */
  readonly canTrack: boolean;
}

export function abilitiesOf({
  format,
  geometry,
  canSnoop: enforcesSnoop,
  canTrack: dirtyTracking,
}: TableShape): Pick<Abilities, 'pageShifts' | 'geometry' | 'enforcesSnoop' | 'dirtyTracking'> {
  return { pageShifts: format.leafLevels.map(format.pageShift), geometry, enforcesSnoop, dirtyTracking };
}

/** 0 when there can be a domain of such tables, or -EOPNOTSUPP. */
export function refusalOf({ canSnoop, canTrack }: TableShape, options: DomainOptions): number {
  const { enforceSnoop = false, dirtyTracking = false } = options;
  return (enforceSnoop && !canSnoop) || (dirtyTracking && !canTrack) ? -EOPNOTSUPP : 0;
}
