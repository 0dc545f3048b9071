/** Accessed and dirty flags that an access leaves in the tables it goes through (vtd.md sections 3.1, 3.2 and 3.4). */
import { floorTo, indexOf, PAGE, sizeOf } from '../../caching/radix.ts';
import type { SecondTable, Setting, Stages, World } from './world.ts';

const SECOND = { A: 0x100n, D: 0x200n } as const;
const FIRST = { A: 0x20n, D: 0x40n, EA: 0x400n } as const;

export interface Flags {
  /** Host address of the entry. */
  readonly at: number;
  readonly flags: bigint;
}

/** Flags on the way of an access that the tables as they are let through. */
export function flagsOf(world: World, setting: Setting, stages: Stages, address: number, write: boolean): Flags[] {
  const all: Flags[] = [];
  const { first, second } = stages;
  if (first === null) {
    if (second !== null) throughSecond(world, second, address, write, all);
    return all;
  }
  const used = FIRST.A | (setting.extendedAccessed ? FIRST.EA : 0n);
  let table = first.top;
  for (let level = first.levels; ; level--) {
    const own = table + indexOf(address, level) * 8;
    // A read of a first-stage entry counts as a write of its page.
    const at = second === null ? own : throughSecond(world, second, own, true, all);
    const { kind, target } = world.entries.get(at)!;
    const isLeaf = kind === 'leaf';
    all.push({ at, flags: used | (isLeaf && write ? FIRST.D : 0n) });
    table = target;
    if (!isLeaf) continue;
    if (second !== null) throughSecond(world, second, floorTo(target + (address % sizeOf(level)), PAGE), write, all);
    return all;
  }
}

/** The host address, with the flags on the way if they are kept. */
function throughSecond(world: World, second: SecondTable, address: number, write: boolean, all: Flags[]): number {
  let table = second.top;
  for (let level = second.levels; ; level--) {
    const at = table + indexOf(address, level) * 8;
    const { kind, target } = world.entries.get(at)!;
    const isLeaf = kind === 'leaf';
    if (second.flags) all.push({ at, flags: SECOND.A | (isLeaf && write ? SECOND.D : 0n) });
    if (isLeaf) return target + (address % sizeOf(level));
    table = target;
  }
}
