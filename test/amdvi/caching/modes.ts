/** The modes of an AMD-Vi unit that the property is tested in. */
import type { Mode } from '../../caching/mutants.ts';
import type { Command } from './commands.ts';
import { GUEST_MUTANTS } from './guest-mutants.ts';
import { HOST_MUTANTS } from './host-mutants.ts';
import { CACHES, type CacheName, HOST_CACHES, type Machine } from './machine.ts';
import type { Request } from './requests.ts';
import { drawStand } from './stand.ts';
import type { Setting } from './world.ts';

type AmdMode = Mode<Request, Command, Machine, CacheName, Setting>;

export const HOST: AmdMode = {
  name: 'host',
  caches: HOST_CACHES,
  mutants: HOST_MUTANTS,
  draw: (dice, wish, mutate) => drawStand(dice, false, wish, mutate),
};

export const GUEST: AmdMode = {
  name: 'guest',
  caches: CACHES,
  mutants: GUEST_MUTANTS,
  draw: (dice, wish, mutate) => drawStand(dice, true, wish, mutate),
};
