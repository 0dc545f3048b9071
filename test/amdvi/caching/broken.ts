/** How a broken unit is written down. */
import type { Mutant as AnyMutant, Wish } from '../../caching/mutants.ts';
import type { CacheName, Machine } from './machine.ts';
import type { Setting } from './world.ts';

export type Mutant = AnyMutant<Machine, CacheName, Setting>;
export type Parts = Machine['unit'];

export const broken = (name: string, break_: (unit: Parts) => void, wish: Wish<CacheName, Setting> = {}): Mutant => ({
  name,
  mutate: ({ unit }) => break_(unit),
  ...wish,
});
