/**
 * A device behind ports with access control reaches nothing outside its mappings, whatever it sends (memory of others, pages
 * that it may only read, registers and buffers of other devices), without ATS in the IOMMU's entry, or where something
 * limits what it says that it has translated.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena, attacks, type Grants, PAGE } from './arena.ts';

/** Nothing of others is changed, and nothing of them comes back. */
function containment(arena: Arena) {
  const { treasure } = arena;
  return fc.property(attacks, (program) => {
    arena.suffer(program);
    expect(arena.treasure).toEqual(treasure);
    expect(arena.loot).toBe(false);
  });
}

const BLOCKED: Grants = { ats: true, translationBlocking: true };

describe.each<[string, string, Grants]>([
  ['intel-legacy', 'without ATS', {}],
  ['intel-scalable', 'without ATS', {}],
  ['amd-v1', 'without ATS', {}],
  ['amd-full', 'without ATS', {}],
  ['intel-scalable', 'with ATS behind a port that blocks translated requests', BLOCKED],
  ['amd-v1', 'with ATS behind a port that blocks translated requests', BLOCKED],
  ['amd-full', 'with ATS behind a port that blocks translated requests', BLOCKED],
  ['amd-zen4', 'with ATS behind a port that blocks translated requests', BLOCKED],
  ['intel-host-permissions', 'with ATS and host permissions', { ats: true, hostPermissions: true }],
])('On %s a device %s', (preset, _, grants) => {
  it('reaches nothing outside its mappings, whatever it sends', { timeout: 120_000 }, () => {
    const arena = new Arena(preset, grants);
    fc.assert(containment(arena), { numRuns: 16 });
    expect(arena.victims.map((victim) => arena.lives(victim))).toEqual([true, true]);
  });
});

describe.each(['intel-scalable', 'intel-host-permissions', 'amd-v1', 'amd-full', 'amd-zen4'])(
  'On %s a device with ATS',
  (preset) => {
    const translated = (arena: Arena) => {
      return { addressType: 2, address: BigInt(arena.victims[0]!.buffer.frames[0]!) * BigInt(PAGE) } as const;
    };

    it('is not contained where nothing limits it: the same attacks reach others', { timeout: 120_000 }, () => {
      const { failed } = fc.check(containment(new Arena(preset, { ats: true })), {
        numRuns: 20,
        seed: 1,
        endOnFailure: true,
      });
      expect(failed).toBe(true);
    });

    it('is believed when it says that it has translated an address: what the property above looks at does change', () => {
      const arena = new Arena(preset, { ats: true });
      const { treasure } = arena;
      arena.run(arena.evil.fetch({ ...translated(arena), length: 64 }));
      expect(arena.loot).toBe(true);
      arena.run(arena.evil.send({ ...translated(arena), kind: 'MEMORY_WRITE', data: new Uint8Array(8) }));
      expect(arena.treasure).not.toEqual(treasure);
    });

    it('is believed again when the port blocks it no longer', () => {
      const arena = new Arena(preset, BLOCKED);
      const { treasure } = arena;
      const write = () =>
        arena.run(arena.evil.send({ ...translated(arena), kind: 'MEMORY_WRITE', data: new Uint8Array(8) }));
      write();
      expect(arena.treasure).toEqual(treasure);
      arena.run(arena.machine.kernel.blockTranslated('evil0', false));
      write();
      expect(arena.treasure).not.toEqual(treasure);
    });
  },
);
