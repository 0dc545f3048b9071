/** Published values where they stand in the grid of a study. */
import type { Point as Published } from '../machine/index.ts';
import { agrees } from './grid.ts';
import type { GridPoint, Study } from './study.ts';

export interface PublishedValue {
  readonly id: string;
  readonly source: string;
  readonly point: GridPoint;
  readonly outcome: string;
  readonly value: number;
}

/** Those values that the study has a place for. */
export function curveOf(study: Study, points: readonly Published[]): PublishedValue[] {
  const { published } = study;
  if (published === undefined) return [];
  return points.flatMap((one) => {
    const { id, group, value, source = '' } = one;
    if (typeof value !== 'number' || !published.groups.includes(group)) return [];
    const placed = published.place(one);
    return placed === undefined ? [] : [{ id, source, ...placed, value }];
  });
}

/** The published value for what was simulated at a point: one that says nothing else than the point does. */
export function publishedAt(
  values: readonly PublishedValue[],
  point: GridPoint,
  outcome: string,
): PublishedValue | undefined {
  return values.find((one) => one.outcome === outcome && agrees(point, one.point));
}
