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
}

export function abilitiesOf({
  format,
  geometry,
  canSnoop,
}: TableShape): Pick<Abilities, 'pageShifts' | 'geometry' | 'enforcesSnoop'> {
  return { pageShifts: format.leafLevels.map(format.pageShift), geometry, enforcesSnoop: canSnoop };
}

/** 0 when there can be a domain of such tables, or -EOPNOTSUPP. */
export function refusalOf({ canSnoop }: TableShape, { enforceSnoop = false }: DomainOptions): number {
  return enforceSnoop && !canSnoop ? -EOPNOTSUPP : 0;
}
