/** An AMD-Vi unit with its software and twins, drawn by dice. */
import type { Dice } from '../../caching/dice.ts';
import type { Wish } from '../../caching/mutants.ts';
import type { Stand } from '../../caching/sequence.ts';
import type { Command } from './commands.ts';
import { missingFlags } from './flags.ts';
import { CACHES, type CacheName, drawCaches, HOST_CACHES, Machine } from './machine.ts';
import { drawRequests, name, type Request, show } from './requests.ts';
import { Software } from './software.ts';
import { Twin } from './twin.ts';
import { drawAddresses, emptyWorld, type Setting } from './world.ts';

/** Devices that differ in their function, in their device, and in their bus. */
const DEVICES = [
  [0x0018, 0x0019],
  [0x0010, 0x0018],
  [0x0118, 0xff18],
] as const;
/** Domains that differ in low bits, and in high ones. */
const DOMAINS = [
  [1, 2],
  [1, 0x8001],
  [0x102, 0xff02],
] as const;
/** By levels of the GCR3 table: two that differ in low bits, and in those of each higher table. */
const PASIDS = [
  [
    [5, 6],
    [1, 0x101],
  ],
  [
    [5, 0x205],
    [5, 0x1_0005],
  ],
  [
    [0x45, 0x8_0045],
    [1, 0xf_ffff],
    [5, 0x1_0005],
  ],
] as const;

function drawSetting(dice: Dice, guest: boolean, wished: Partial<Setting> = {}): Setting {
  const hostLevels = guest ? dice.pick([3, 3, 4]) : dice.pick([3, 4, 4, 5, 6]);
  const guestLevels = guest ? dice.pick([4, 4, 5]) : 4;
  const gcr3Levels = 1 + dice.below(3);
  const drawn = {
    np: dice.chance(30),
    rootIsGuest: guest && dice.chance(40),
    flags: guest && dice.chance(40),
    hostFlags: dice.chance(30),
    privileged: guest && dice.chance(20),
    silent: dice.chance(20),
    holes: dice.chance(30),
    gcr3Levels,
    ...wished,
  };
  const pasids = guest ? [-1, ...dice.pick<readonly number[]>(PASIDS[drawn.gcr3Levels - 1]!)] : [-1];
  const ids = { sids: dice.pick(DEVICES), domains: dice.pick(DOMAINS), pasids };
  return {
    guest,
    hostLevels,
    guestLevels,
    ...drawn,
    ...ids,
    addresses: drawAddresses(dice, guest ? guestLevels : hostLevels),
  };
}

/** All caches, one alone, or none. */
function drawNames(dice: Dice, all: readonly CacheName[]): readonly CacheName[] {
  const choice = dice.below(10);
  if (choice < 6) return all;
  return choice < 9 ? [dice.pick(all)] : [];
}

export function drawStand(
  dice: Dice,
  guest: boolean,
  { caches, setting: wished }: Wish<CacheName, Setting>,
  mutate?: (machine: Machine) => void,
): Stand<Request, Command> {
  const setting = drawSetting(dice, guest, wished);
  const drawn = drawNames(dice, guest ? CACHES : HOST_CACHES);
  const world = emptyWorld();
  const hardware = new Machine(setting, drawCaches(dice, caches ?? drawn));
  const software = new Software(setting, world, hardware.put, dice);
  const requests = drawRequests(setting);
  const places = requests.map(([request]) => request!.place);
  hardware.start();
  mutate?.(hardware);
  return {
    requests,
    hardware,
    software,
    twin: new Twin(setting, places, world, true),
    now: new Twin(setting, places, world, false),
    missing: (request, outcome) => missingFlags({ world, setting, memory: hardware.memory }, request, outcome),
    setting: { ...setting, caches: caches ?? drawn },
    show,
    name,
  };
}
