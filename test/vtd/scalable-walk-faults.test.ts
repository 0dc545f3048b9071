/** Every fault reason of the page tables and host permission tables of scalable mode (vtd.md section 4.1). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, FS, HPT, PASID, Pgtt, ScalableBench } from './scalable.ts';
import { arrange, check, checkDisabled, FPD_LEVELS, named } from './scalable-blocked.ts';
import { HOST_CONDITIONS, permit } from './scalable-host-conditions.ts';
import { WALK_CONDITIONS } from './scalable-walk-conditions.ts';

import { DATA, outcome, READ, tableAt, WRITE } from './tables.ts';

const CONDITIONS = named([...WALK_CONDITIONS, ...HOST_CONDITIONS]);

describe('A request that the page tables or host permissions of scalable mode block', () => {
  it.each(CONDITIONS)('is answered and recorded: %s.', (_, one) => {
    proves(one.name.slice(0, one.name.indexOf(':')), ...(one.rows ?? []));
    const bench = arrange(one, 0);
    for (const ask of one.asks) check(bench, one, ask);
  });

  it.each(CONDITIONS)('is not recorded when an entry that it has met has FPD set: %s.', (_, one) => {
    for (const level of FPD_LEVELS) checkDisabled(one, level);
  });
});

describe('A request is not blocked', () => {
  const zero = { length: 0 };

  it('by lack of read permission when it is a zero-length read of a page that can be written and ZLR is 1.', () => {
    const bench = new ScalableBench().scalable({ pgtt: Pgtt.SECOND }).second(1, 0, WRITE).on();
    expect(bench.rig.translate({ requester: 0x18, address: 0n, write: false, ...zero }).ok).toBe(true);
    const nested = new ScalableBench()
      .scalable({ pgtt: Pgtt.NESTED })
      .mapPage(DATA, DATA | WRITE)
      .on();
    expect(nested.rig.translate({ requester: 0x18, address: 0n, write: false, ...zero }).ok).toBe(true);
  });

  it('by a first-stage table that can only be read once every flag is set.', () => {
    const bench = new ScalableBench().scalable({ pgtt: Pgtt.NESTED });
    for (let l = 4; l >= 1; l--) bench.entry(l, 0, (l === 1 ? DATA : tableAt(l - 1)) | ALL | FS.A | FS.D);
    for (let l = 4; l >= 1; l--) bench.mapPage(tableAt(l), tableAt(l) | READ);
    expect(outcome(bench.on().ask(0n, true))).toBe(DATA);
  });

  it('by walks that are not snooped once every flag is set.', () => {
    const bench = new ScalableBench().scalable({ pwsnp: false });
    for (let l = 4; l >= 1; l--) bench.entry(l, 0, (l === 1 ? DATA : tableAt(l - 1)) | ALL | FS.A | FS.D);
    expect(outcome(bench.on().ask(0n, true))).toBe(DATA);
  });

  it('by host permissions that the page, 2 MiB or 1 GiB has.', () => {
    proves('HPTL2E', 'HPTL3E', 'HPTL4E.AV');
    const translated = (b: ScalableBench, address: bigint, write: boolean) =>
      outcome(b.ask(address, write, { addressType: 'translated' }));
    const bench = permit(new ScalableBench().scalable({}, { hpte: true, eptr: true })).on();
    expect(translated(bench, 0x10_0000n, true)).toBe(0x10_0000n);
    expect(translated(bench, 0x10_1000n, true)).toBe('A4h');
    bench.acknowledge().write64(0xa000n, 0x3n << 28n, 0n);
    expect(translated(bench, 0xe0_1000n, true)).toBe(0xe0_1000n);
    expect(translated(bench, 0xc0_1000n, false)).toBe('A5h');
    bench.acknowledge().write64(0x9000n, 0x1n, 0n);
    expect(translated(bench, 0xc0_1000n, false)).toBe(0xc0_1000n);
    // With PASID the host permission table of that PASID counts.
    bench.pasid(PASID, { hptptr: 0xc000n }).write64(HPT, 0n, 0n);
    expect(outcome(bench.ask(0n, false, { addressType: 'translated', pasid: PASID }))).toBe('A5h');
  });

  it('by host permissions while HPTE is 0: no PASID table is read.', () => {
    const bench = new ScalableBench().scalable({ p: false }).directory(0n).on();
    expect(outcome(bench.ask(0x10_0000n, true, { addressType: 'translated' }))).toBe(0x10_0000n);
  });
});
