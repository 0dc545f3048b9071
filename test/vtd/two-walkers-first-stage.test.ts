/** The two walkers of the first stage, alone and nested, against each other on random tables. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highHalf, highOf, lowHalf, lowOf } from '../../hardware/bits/index.ts';
import { Access, Era, finish, Leaf, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Capabilities } from '../../hardware/vtd/capabilities.ts';
import { FirstStage } from '../../hardware/vtd/first-stage.ts';
import { SecondStage } from '../../hardware/vtd/second-stage.ts';
import { Kind, SCALABLE, type Space } from '../../hardware/vtd/space.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { capabilities } from './capability.ts';
import { FS, FULL, secondAt } from './scalable.ts';
import { BOTH, PS, tableAt } from './tables.ts';

const HAW = 46;
const RAM = 0x100_0000;
const memory = new PhysicalMemory([[0, RAM]]);
const unit = new Capabilities(capabilities({ ...FULL, sslps: 3, sc: true }), HAW);
const era = new Era();
const second = new SecondStage({ hostAddressWidth: HAW, largePages: 3, snoopControl: true }, era);
const first = new FirstStage(unit, second, era, null);

const USED = FS.P | FS.RW | FS.US | FS.A | FS.D;
/** Which bits of a clean entry are turned over: usually none. */
const flip = (most: number) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(0n) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: most }).map((n) => 1n << BigInt(n)) },
    { weight: 1, arbitrary: fc.constantFrom(FS.A, FS.D, FS.RW, 0x100n, 0x200n) },
  );
const flips = fc.record({
  first: fc.array(flip(63), { minLength: 10, maxLength: 10 }),
  second: fc.array(flip(63), { minLength: 8, maxLength: 8 }),
  large: fc.constantFrom(0, 0, 2, 3),
  secondLarge: fc.constantFrom(0, 0, 2, 3),
  nested: fc.boolean(),
  levels: fc.constantFrom(4 as const, 5 as const),
  flags: fc.boolean(),
  extended: fc.boolean(),
});
type Flips = typeof flips extends fc.Arbitrary<infer T> ? T : never;

/** Two pages are mapped, by entries 0 and 1 of the lowest tables; all others are absent. */
function build(shape: Flips): Space {
  const put = (at: bigint, value: bigint) => memory.write64(Number(at), value);
  for (let level: number = shape.levels; level >= 1; level--) {
    for (const index of [0, 1]) {
      const isLarge = level === shape.large;
      const target =
        level === 1 || isLarge ? (isLarge ? 0n : 0x10_0000n + BigInt(index) * 0x1000n) : tableAt(level - 1);
      const turned = shape.first[(level - 1) * 2 + index]!;
      put(tableAt(level) + BigInt(index) * 8n, (target | USED | FS.EA | (isLarge ? PS : 0n)) ^ turned);
    }
  }
  const clean = BOTH | 0x300n;
  for (let level = 4; level >= 2; level--) {
    const isLarge = level === shape.secondLarge;
    const target = isLarge ? 0n : secondAt(level - 1);
    put(secondAt(level), (target | clean | (isLarge ? PS : 0n)) ^ shape.second[level]!);
  }
  for (let page = 0; page < 512; page++) {
    const turned = page === 0x100 ? shape.second[0]! : page === 0x11 ? shape.second[1]! : 0n;
    put(secondAt(1) + BigInt(page) * 8n, ((BigInt(page) << 12n) | clean) ^ turned);
  }
  const [top, guest] = [Number(tableAt(shape.levels)), Number(secondAt(4))];
  const halves = (table: number) => ({ table, tableHi: highHalf(table), tableLo: lowHalf(table) });
  return {
    fault: null,
    faultDisable: false,
    kind: shape.nested ? Kind.NESTED : Kind.FIRST_STAGE,
    domain: 1,
    pasid: 5,
    first: {
      ...halves(top),
      levels: shape.levels,
      reservesXd: false,
      executePrevention: false,
      writeProtect: false,
      extendedAccessed: shape.extended,
      coherent: true,
    },
    second: shape.nested
      ? {
          ...halves(guest),
          levels: 4,
          addressBits: 48,
          executePermission: false,
          flags: shape.flags,
          coherent: true,
          domain: 1,
        }
      : null,
    addressBits: HAW,
    pageSnoop: false,
    supervisor: false,
    execution: false,
    permissions: null,
    reasons: SCALABLE,
  };
}

const changed = (before: Int32Array): boolean => memory.pool.some((word, i) => word !== before[i]);

describe('The two first-stage walkers', () => {
  it('find the same page with the same rights, and the quick one answers only what needs no update.', () => {
    const seen = { quick: 0, refused: 0, updated: 0 };
    fc.assert(
      fc.property(
        flips,
        fc.constantFrom(0n, 0x1008n, 0x20_0000n),
        fc.constantFrom(1, 2, 3),
        (shape, address, wanted) => {
          const space = build(shape);
          const t = new Translation<Fault>().ask(0x18, NO_PASID, wanted, highOf(address), lowOf(address));
          const fast = new Leaf();
          const before = memory.pool.slice();
          const quick = first.quick.walk(memory, fast, space, wanted, t.hi, t.lo);
          expect(changed(before)).toBe(false);
          t.begin();
          const fault = finish(first.walk(t, space, (wanted & Access.WRITE) !== 0), memory);
          const passes = fault === null && (t.leaf.rights & wanted) === wanted;
          const isUpdated = changed(before);
          expect(quick).toBe(passes && !isUpdated);
          if (quick) expect(fast).toEqual(t.leaf);
          seen[quick ? 'quick' : isUpdated ? 'updated' : 'refused']++;
        },
      ),
      { numRuns: 500 },
    );
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(10);
  });
});
