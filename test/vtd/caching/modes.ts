/** The modes of a VT-d unit that the property is tested in. */
import type { Mode } from '../../caching/mutants.ts';
import { LEGACY_ATTRIBUTE_MUTANTS, SCALABLE_ATTRIBUTE_MUTANTS } from './attribute-mutants.ts';
import type { Command } from './commands.ts';
import { LEGACY_MUTANTS } from './legacy-mutants.ts';
import { CACHES, type CacheName, type Machine } from './machine.ts';
import { REGISTER_MUTANTS } from './register-mutants.ts';
import type { Request } from './requests.ts';
import { SCALABLE_MUTANTS } from './scalable-mutants.ts';
import { drawStand } from './stand.ts';
import type { Setting } from './world.ts';

type VtdMode = Mode<Request, Command, Machine, CacheName, Setting>;

export const LEGACY: VtdMode = {
  name: 'legacy',
  caches: ['iotlb', 'contextCache', 'secondStageCache'],
  mutants: [...LEGACY_MUTANTS, ...LEGACY_ATTRIBUTE_MUTANTS, ...REGISTER_MUTANTS],
  draw: (dice, wish, mutate) => drawStand(dice, false, wish, mutate),
};

export const SCALABLE: VtdMode = {
  name: 'scalable',
  caches: CACHES,
  mutants: [...SCALABLE_MUTANTS, ...SCALABLE_ATTRIBUTE_MUTANTS],
  draw: (dice, wish, mutate) => drawStand(dice, true, wish, mutate),
};
