/** Accessed and dirty flags that an access has to leave in the tables it went through (amd-vi.md sections 3.3 and 3.4). */
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { indexOf, NONE, sizeOf } from '../../caching/radix.ts';
import { indexFor } from './guest-tables.ts';
import type { Request } from './requests.ts';
import { GIOV_PASID, NO_HOST_ENTRY, type Setting, slotsOf, type Tables, type World } from './world.ts';

const A = 0x20n;
const D = 0x40n;

interface Stage {
  readonly world: World;
  readonly setting: Setting;
  readonly memory: PhysicalMemory;
}

/** The flag that an access which went through should have set, and has not. */
export function missingFlags(of: Stage, { place, write }: Request, outcome: number): string | null {
  const { world, setting, memory } = of;
  const { kind, tables, giov } = world.devices.get(place.sid)!;
  if (outcome < 0 || kind !== 'translates') return null;
  const pasid = place.pasid >= 0 ? place.pasid : giov ? GIOV_PASID : null;
  const used = pasid === null || tables.gcr3 === null ? [] : guestEntries(of, tables, pasid, place.address);
  const target = used.length === 0 ? place.address : used.at(-1)!.target;
  if (setting.hostFlags && tables.host !== null) used.push(...hostEntries(of, tables, target));
  for (const { at, slots, isLeaf } of used) {
    const wanted = A | (isLeaf && write ? D : 0n);
    let seen = 0n;
    for (let slot = 0; slot < slots; slot++) seen |= memory.read64(at + slot * 8)!;
    if ((seen & wanted) !== wanted) return `no flags ${wanted.toString(16)} in ${at.toString(16)}`;
  }
  return null;
}

interface Used {
  readonly at: number;
  /** A page takes several entries from `at` on: hardware sets a flag in the one that it has read. */
  readonly slots: number;
  readonly isLeaf: boolean;
  /** Where a leaf leads for the address. */
  readonly target: number;
}

function hostEntries({ world }: Stage, { host }: Tables, address: number): Used[] {
  const used: Used[] = [];
  let { top: table, level } = host!;
  for (;;) {
    const index = indexOf(address, level);
    const entry = world.host.get(table + index * 8) ?? NO_HOST_ENTRY;
    const { kind, target, next, shift } = entry;
    const isLeaf = kind === 'leaf';
    const slots = slotsOf(entry, level);
    const at = table + (index - (index % slots)) * 8;
    used.push({ at, slots, isLeaf, target: target + (isLeaf ? address % 2 ** shift : 0) });
    if (kind !== 'table') return used;
    [table, level] = [target, next];
  }
}

/** The system address of what lies at a guest address. */
const located = (of: Stage, tables: Tables, at: number): number =>
  tables.host === null ? at : hostEntries(of, tables, at).at(-1)!.target;

function guestEntries(of: Stage, tables: Tables, pasid: number, address: number): Used[] {
  const { world, setting } = of;
  let table = tables.gcr3!;
  for (let level = setting.gcr3Levels - 1; level >= 0; level--) {
    const entry = table + indexFor(pasid, level) * 8;
    const isSystem = level === setting.gcr3Levels - 1 && !setting.rootIsGuest;
    table = (world.gcr3.get(isSystem ? entry : located(of, tables, entry)) ?? NONE).target;
  }
  const used: Used[] = [];
  for (let level = setting.guestLevels; ; level--) {
    const at = located(of, tables, table + indexOf(address, level) * 8);
    const { kind, target } = world.guest.get(at) ?? NONE;
    const isLeaf = kind === 'leaf';
    used.push({ at, slots: 1, isLeaf, target: target + (isLeaf ? address % sizeOf(level) : 0) });
    if (kind !== 'table') return used;
    table = target;
  }
}
