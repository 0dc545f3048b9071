/** A VT-d unit with its software and twins, drawn by dice. */
import type { Dice } from '../../caching/dice.ts';
import type { Wish } from '../../caching/mutants.ts';
import type { Stand, Sufficient } from '../../caching/sequence.ts';
import { ANY_PASID, type Command, EVERY_PAGE } from './commands.ts';
import { type Flags, flagsOf } from './flags.ts';
import { LegacySoftware, ROOT, type Software } from './legacy-software.ts';
import { CACHES, type CacheName, drawCaches, Machine } from './machine.ts';
import { drawRequests, isTranslated, name, type Request, rightsIn, STOPPED, show } from './requests.ts';
import { ScalableSoftware } from './scalable-software.ts';
import type { Change } from './second-tables.ts';
import { Twin } from './twin.ts';
import { directoryKey, drawAddresses, emptyWorld, pasidKey, type Setting, type Space, type World } from './world.ts';

/** Requesters that are one under function mask 1, 2 and 3; some on buses whose numbers are large. */
const REQUESTERS = [
  [0x0018, 0x001c, 1],
  [0x0018, 0x001a, 2],
  [0x8018, 0x8019, 3],
  [0xff00, 0xff02, 2],
  [0x0898, 0x089c, 1],
] as const;
/** Two that differ in low bits, in bits that a 16-bit tag loses, and by their table. */
const PASIDS = [
  [5, 6],
  [5, 0x1_0005],
  [0x45, 0x8_0045],
  [1, 0xf_ffff],
] as const;
const RID_PASIDS = [2, 0x4_0002] as const;

function drawSetting(dice: Dice, scalable: boolean, wished: Partial<Setting> = {}): Setting {
  const levels = scalable ? dice.pick([3, 3, 4]) : dice.pick([3, 4, 4, 5]);
  const firstLevels = scalable ? dice.pick([4, 4, 5]) : 4;
  const [one, other, functionMask] = dice.pick(REQUESTERS);
  const pasids = scalable ? [-1, ...dice.pick(PASIDS)] : [-1];
  const cm = dice.chance(30);
  const psi = dice.chance(85);
  const flags = scalable && dice.chance(50);
  const registers = !scalable && dice.chance(25);
  // What multiplies the states that the twin holds comes together seldom.
  const isRich = dice.chance(3);
  const only = dice.below(100);
  const among = (from: number, to: number): boolean => isRich || (only >= from && only < to);
  const ats = !registers && among(0, 20);
  const drawn = {
    ...{ cm, psi, flags, registers, ats },
    secondFlags: scalable && dice.chance(40),
    extendedAccessed: scalable && dice.chance(40),
    privileged: scalable && among(20, 35),
    host: scalable && ats && dice.chance(50),
    fpd: among(35, 50),
    holes: dice.chance(30),
    ...wished,
  };
  const addresses = drawAddresses(dice, scalable ? firstLevels : levels);
  const ids = { sids: [one, other], functionMask, pasids, ridPasids: RID_PASIDS, addresses };
  return { scalable, levels, firstLevels, ...drawn, ...ids };
}

/** All caches, one alone, or none. */
function drawNames(dice: Dice): readonly CacheName[] {
  const choice = dice.below(10);
  if (choice < 6) return CACHES;
  return choice < 9 ? [dice.pick(CACHES)] : [];
}

export function drawStand(
  dice: Dice,
  scalable: boolean,
  { caches, setting: wished }: Wish<CacheName, Setting>,
  mutate?: (machine: Machine) => void,
): Stand<Request, Command> {
  const setting = drawSetting(dice, scalable, wished);
  const drawn = drawNames(dice);
  const world = emptyWorld();
  const hardware = new Machine(setting, drawCaches(dice, caches ?? drawn));
  const software: Software = scalable
    ? new ScalableSoftware(setting, world, hardware.put, dice)
    : new LegacySoftware(setting, world, hardware.put, dice);
  const requests = drawRequests(setting);
  const places = requests.map(([request]) => request!.place);
  hardware.start(ROOT);
  mutate?.(hardware);
  return {
    requests,
    hardware,
    software: { edit: (d) => withDevices(setting, software.edit(d), d) },
    twin: new Twin(setting, places, world, true),
    now: new Twin(setting, places, world, false),
    missing: (request, outcome) => missing(world, setting, hardware, request, outcome),
    setting: { ...setting, caches: caches ?? drawn },
    show,
    name,
  };
}

/** Device-TLBs come last: what they ask for anew has to be right already. */
function withDevices(setting: Setting, { sufficient, ranges }: Change, dice: Dice): Sufficient<Command> {
  if (!setting.ats || ranges?.length === 0) return sufficient;
  const all = { address: 0, order: EVERY_PAGE };
  const everything: Command[] = setting.sids.flatMap((sid) =>
    (setting.scalable ? [-1, ANY_PASID] : [-1]).map((pasid) => ({ op: 'device', sid, pasid, ...all }) as const),
  );
  const precise: Command[] = setting.sids.flatMap((sid) =>
    setting.pasids.flatMap((pasid) =>
      (ranges ?? [all]).map((range) => ({ op: 'device', sid, pasid, ...range }) as const),
    ),
  );
  const devices = dice.chance(75) ? precise : everything;
  return sufficient.map((commands) => ({
    *[Symbol.iterator]() {
      yield* commands;
      yield* devices;
    },
  }));
}

/** The flag that an access which went through should have set, and has not. */
function missing(world: World, setting: Setting, machine: Machine, request: Request, outcome: number): string | null {
  const space = outcome < 0 || outcome === STOPPED ? null : spaceOf(world, setting, request);
  if (space?.stages == null) return null;
  const rights = isTranslated(outcome) ? rightsIn(outcome) : request.write ? 2 : 1;
  if (rights === 0) return null;
  const isSet = ({ at, flags }: Flags): boolean => (machine.memory.read64(at)! & flags) === flags;
  const unset = flagsOf(world, setting, space.stages, request.place.address, (rights & 2) !== 0).find(
    (one) => !isSet(one),
  );
  return unset === undefined ? null : `no flags ${unset.flags.toString(16)} in ${unset.at.toString(16)}`;
}

/** What the tables as they are say about a place that a request has just been let through to. */
function spaceOf(world: World, { scalable }: Setting, { place: { sid, pasid } }: Request): Space | null {
  const context = world.contexts.get(sid)!;
  if (!scalable) return null;
  const own = pasid < 0 ? context.ridPasid : pasid;
  const { table } = world.directories.get(directoryKey(context.directory, own))!;
  return world.pasids.get(pasidKey(table!, own))!;
}
