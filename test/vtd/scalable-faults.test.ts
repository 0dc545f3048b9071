/** Every fault reason of the root, context and PASID tables of scalable mode, through tables and DMA (vtd.md section 4.1). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, FS, PASID, Pgtt, RID_PASID, ScalableBench } from './scalable.ts';
import { arrange, check, checkDisabled, FPD_LEVELS, named } from './scalable-blocked.ts';
import { TABLE_CONDITIONS } from './scalable-conditions.ts';
import { CONTEXT, CONTEXT_BUS_1, DATA, outcome, SID } from './tables.ts';

describe('A request that the root, context or PASID tables of scalable mode block', () => {
  it.each(named(TABLE_CONDITIONS))('is answered and recorded: %s.', (_, one) => {
    proves(one.name.slice(0, one.name.indexOf(':')));
    proves(...(one.rows ?? []));
    const bench = arrange(one, 0);
    for (const ask of one.asks) check(bench, one, ask);
  });

  it.each(named(TABLE_CONDITIONS))('is recorded under FPD only when the fault is not qualified: %s.', (_, one) => {
    if (one.met === 3) {
      proves('scalable-mode context entry.FPD', 'PASID-directory entry.FPD', 'PASID-table entry.FPD');
    }
    for (const level of FPD_LEVELS) checkDisabled(one, level);
  });
});

describe('Reserved bits in scalable mode', () => {
  it('of the half of a root entry that is not used do not count, nor do those of an absent entry.', () => {
    proves('scalable-mode root entry.LP', 'scalable-mode root entry.LCTP', 'scalable-mode root entry.UP');
    proves('scalable-mode root entry.UCTP', 'scalable-mode context entry.P', 'PASID-table entry.P');
    const bench = new ScalableBench().scalable();
    bench.root(CONTEXT | 1n, CONTEXT_BUS_1 | 0xfffn).on();
    expect(outcome(bench.ask(0n))).toBe(DATA);
    bench.root(0xfff_fffen, CONTEXT_BUS_1 | 1n).smContext({}, 0x98);
    expect(outcome(bench.rig.dma({ requester: 0x98, address: 0n, write: false, length: 4 }))).toBe(DATA);
    const other = new ScalableBench().scalable({ p: false, bits: [5, 511] }).on();
    expect(outcome(other.ask(0n))).toBe('59h');
    other.smContext({ p: false, bits: [7, 255] }, 0x20);
    expect(outcome(other.rig.dma({ requester: 0x20, address: 0n, write: false, length: 4 }))).toBe('41h');
  });

  it('of a PASID-table entry are not those of fields that its PGTT ignores.', () => {
    const second = { pgtt: Pgtt.SECOND, wpe: true, eafe: true, bits: [128 + 48, 128 + 63] };
    expect(outcome(new ScalableBench().scalable(second).on().ask(0x3000n, false))).toBe(0x3000n);
    const first = { pgtt: Pgtt.FIRST, aw: 7, ssptptr: 0xf_f000_0000_0000n, ssade: true };
    expect(outcome(new ScalableBench().scalable(first).on().ask(0n))).toBe(DATA);
    const pass = { pgtt: Pgtt.PASS, aw: 0, fspm: 0, bits: [63, 128 + 63] };
    expect(outcome(new ScalableBench().scalable(pass).on().ask(0x3000n))).toBe(0x3000n);
    // HPTSZ, HPTPTR and HPTDID while HPTE is 0.
    expect(
      outcome(
        new ScalableBench()
          .scalable({ bits: [256, 257, 319, 335] })
          .on()
          .ask(0n),
      ),
    ).toBe(DATA);
  });

  it('of a PASID-table entry are not bits 133 and 134, which older software sets.', () => {
    const bench = new ScalableBench().scalable({ bits: [133, 134] }).on();
    expect(outcome(bench.ask(0n))).toBe(DATA);
  });

  it('of a PASID-table entry are all that no field takes, in every capability set that has all fields.', () => {
    // Memory types: their fields are reserved in a unit without MTS.
    proves('PASID-table entry.CD', 'PASID-table entry.EMTE', 'PASID-table entry.PAT');
    const bench = new ScalableBench().scalable().on();
    const free = (n: number): boolean =>
      n <= 4 ||
      (n >= 6 && n <= 9) ||
      (n >= 12 && n < 80) ||
      n === 87 ||
      n === 88 ||
      n === 128 ||
      (n >= 130 && n <= 135) ||
      (n >= 140 && n < 192) ||
      (n >= 256 && n <= 258) ||
      (n >= 268 && n < 336);
    for (let n = 0; n < 512; n++) {
      if (free(n)) continue;
      bench.pasid(PASID, { bits: [n] });
      const result = bench.rig.translate({ requester: SID, pasid: PASID, address: 0n, write: false, probe: true });
      expect(outcome(result), `bit ${n}`).toBe('5Ah');
    }
  });
});

describe('Scalable mode', () => {
  it('serves requests without PASID with RID_PASID, and requests with PASID with their own.', () => {
    proves('scalable-mode context entry.RID_PASID', 'PASID-table entry.PGTT', 'RTADDR_REG.TTM');
    proves('scalable-mode context entry.PASIDE', 'scalable-mode context entry.PASIDDIRPTR');
    proves('PASID-directory entry.P', 'ECAP_REG.SMTS', 'ECAP_REG.RPS', 'ECAP_REG.FSTS', 'ECAP_REG.PSS');
    const bench = new ScalableBench().scalable();
    bench.pasid(RID_PASID, { pgtt: Pgtt.PASS }).pasid(PASID, { pgtt: Pgtt.FIRST }).on();
    expect(outcome(bench.ask(0x7000n))).toBe(0x7000n);
    expect(outcome(bench.ask(0x123n, false, { pasid: PASID }))).toBe(DATA + 0x123n);
  });

  it('finds a PASID by its upper bits in the directory and by its lower six in the table.', () => {
    proves('PASID-directory entry.SMPTBLPTR', 'scalable-mode context entry.PDTS');
    const bench = new ScalableBench().scalable({}, { pdts: 7 }).on();
    const [pasid, table] = [0x345 * 64 + 9, 0x7_0000n];
    bench.directory(table | 1n, 0x345).write64(table + 9n * 64n, ...Array.from({ length: 8 }, () => 0n));
    expect(outcome(bench.ask(0n, false, { pasid }))).toBe('59h');
    const entry = new ScalableBench().pasid(9, { pgtt: Pgtt.FIRST, fsptptr: 0x7_1000n });
    bench.write64(
      table + 9n * 64n,
      ...Array.from({ length: 8 }, (_, i) => entry.read64(0x6000n + 576n + BigInt(i) * 8n)),
    );
    bench.write64(0x7_1000n, bench.read64(0x1_4000n) & ~FS.A).acknowledge();
    expect(outcome(bench.ask(0n, false, { pasid }))).toBe(DATA);
    expect(bench.read64(0x7_1000n) & (ALL | FS.A)).toBe(ALL | FS.A);
  });
});
