/** Accessed, dirty and extended-accessed flags in scalable mode (vtd.md sections 3.1, 3.2, 3.4). */
import { describe, expect, it } from 'vitest';
import { Access } from '../../hardware/iommu/index.ts';
import { OperationKind } from '../../hardware/memory/index.ts';
import { proves } from '../proves.ts';
import { HostRam } from './host-ram.ts';
import { ALL, FS, PASID, Pgtt, ScalableBench, SS, secondAt } from './scalable.ts';
import { resultOf, UnitBench } from './scalable-unit.ts';
import { BOTH, code, DATA, outcome, READ, tableAt, WRITE } from './tables.ts';

const LEVELS = [1, 2, 3, 4];
const firstFlags = (b: ScalableBench): bigint[] => LEVELS.map((l) => b.read64(tableAt(l)) & (FS.A | FS.D | FS.EA));
const secondFlags = (b: ScalableBench): bigint[] => LEVELS.map((l) => b.read64(secondAt(l)) & (SS.A | SS.D));
const pageFlags = (b: ScalableBench, page: bigint): bigint => b.read64(secondAt(1) + (page >> 9n)) & (SS.A | SS.D);
const all = (leaf: bigint, rest: bigint): bigint[] => [leaf, rest, rest, rest];

describe('First-stage flags', () => {
  it('accessed is set in every entry that is used, and dirty in the leaf when it is written.', () => {
    proves('FS-PTE.A', 'FS-PTE.D');
    const bench = new ScalableBench().scalable().on();
    bench.ask(0n);
    expect(firstFlags(bench)).toEqual(all(FS.A, FS.A));
    bench.ask(0n, true);
    expect(firstFlags(bench)).toEqual(all(FS.A | FS.D, FS.A));
  });

  it('extended-accessed is set with accessed while EAFE is 1.', () => {
    proves('PASID-table entry.EAFE', 'FS-PTE.EA', 'ECAP_REG.EAFS', 'ECAP_REG.SMPWCS', 'PASID-table entry.PWSNP');
    const bench = new ScalableBench().scalable({ eafe: true }).on();
    bench.ask(0n, true);
    expect(firstFlags(bench)).toEqual(all(FS.A | FS.D | FS.EA, FS.A | FS.EA));
  });

  it('are not touched by a probe, by an entry that is not present, nor below a fault.', () => {
    const bench = new ScalableBench()
      .scalable()
      .entry(2, 0, tableAt(1) | 6n)
      .on();
    bench.rig.translate({ requester: 0x18, address: 0n, write: true, probe: true });
    expect(firstFlags(bench)).toEqual([0n, 0n, 0n, 0n]);
    bench.ask(0n, true);
    expect(firstFlags(bench).slice(0, 2)).toEqual([0n, 0n]);
  });

  it.each([{ pgtt: Pgtt.FIRST }, { pgtt: Pgtt.NESTED }])(
    'dirty is not set by a write that is denied (PGTT $pgtt).',
    ({ pgtt }) => {
      const bench = new ScalableBench()
        .scalable({ pgtt })
        .entry(1, 0, DATA | 5n)
        .on();
      expect(outcome(bench.ask(0n, true))).toBe('85h');
      expect(firstFlags(bench)[0]! & FS.D).toBe(0n);
      const page = new ScalableBench()
        .scalable({ pgtt: Pgtt.NESTED, ssade: true })
        .mapPage(DATA, DATA | READ)
        .on();
      expect(outcome(page.ask(0n, true))).toBe('85h');
      expect(firstFlags(page)[0]! & FS.D).toBe(0n);
      expect(pageFlags(page, DATA) & SS.D).toBe(0n);
    },
  );

  it('dirty is set by the first write to a page that a read has brought into the IOTLB.', () => {
    const bench = new ScalableBench().scalable().on();
    for (const extra of [{}, { pasid: PASID }]) {
      bench.entry(1, 0, DATA | ALL);
      bench.ask(0n, false, extra);
      expect(firstFlags(bench)[0]! & FS.D).toBe(0n);
      bench.ask(0n, true, extra);
      expect(firstFlags(bench)[0]! & FS.D).toBe(FS.D);
    }
  });

  it('dirty is set by a supervisor write that WPE lets through a read-only page.', () => {
    const bench = new ScalableBench()
      .scalable({ sre: true })
      .entry(1, 0, DATA | 5n)
      .on();
    bench.ask(0n, true, { pasid: PASID, privileged: true });
    expect(firstFlags(bench)[0]).toBe(FS.A | FS.D);
  });
});

describe('Second-stage flags', () => {
  it('are set while SSADE is 1, and not touched while it is 0.', () => {
    proves('PASID-table entry.SSADE', 'SS-PTE.A', 'SS-PTE.D', 'ECAP_REG.SSADS', 'ECAP_REG.SSTS');
    const kept = new ScalableBench().scalable({ pgtt: Pgtt.SECOND, ssade: true }).on();
    kept.ask(0n);
    expect(secondFlags(kept)).toEqual(all(SS.A, SS.A));
    kept.ask(0n, true);
    expect(secondFlags(kept)).toEqual(all(SS.A | SS.D, SS.A));
    const not = new ScalableBench().scalable({ pgtt: Pgtt.SECOND }).on();
    not.ask(0n, true);
    expect(secondFlags(not)).toEqual([0n, 0n, 0n, 0n]);
  });

  it.each([false, true])(
    'of the page of a nested translation follow the access (write %s), those of first-stage tables count as written.',
    (write) => {
      const bench = new ScalableBench().scalable({ pgtt: Pgtt.NESTED, ssade: true }).on();
      expect(outcome(bench.ask(0n, write))).toBe(DATA);
      expect(pageFlags(bench, DATA)).toBe(write ? SS.A | SS.D : SS.A);
      for (const level of LEVELS) expect(pageFlags(bench, tableAt(level)), `level ${level}`).toBe(SS.A | SS.D);
      expect(secondFlags(bench).slice(1)).toEqual([SS.A, SS.A, SS.A]);
      expect(firstFlags(bench)).toEqual(all(write ? FS.A | FS.D : FS.A, FS.A));
      expect(pageFlags(bench, tableAt(5))).toBe(0n);
    },
  );

  it('dirty is not set by a write that is denied.', () => {
    const bench = new ScalableBench().scalable({ pgtt: Pgtt.SECOND, ssade: true }).second(1, 0, READ).on();
    expect(outcome(bench.ask(0n, true))).toBe('85h');
    expect(secondFlags(bench)[0]! & SS.D).toBe(0n);
  });
});

/** Another frame of the same rights, and an entry that is not there. */
const OTHER = 0x11_0000n;
/** A bit that both stages ignore. */
const SOFTWARE = 1n << 52n;
const stages = [
  { stage: 'first', fields: {}, leaf: tableAt(1), rights: ALL, set: FS.A | FS.D, fault: '71h', failed: 0x91 },
  {
    stage: 'second',
    fields: { pgtt: Pgtt.SECOND, ssade: true },
    leaf: secondAt(1),
    rights: BOTH,
    set: SS.A | SS.D,
    fault: '79h',
    failed: 0x7d,
  },
] as const;
const moments = ['after the walk has read it', 'before the update'] as const;
const races = stages.flatMap((one) => moments.map((moment) => ({ ...one, moment })));

describe('An update of flags is atomic', () => {
  it.each(races)(
    'in the $stage stage: an entry that software changes $moment is read again and not overwritten.',
    ({ fields, leaf, rights, set, fault, moment }) => {
      for (const [next, expected, left] of [
        [OTHER | rights, OTHER, OTHER | rights | set],
        [0n, fault, 0n],
        [DATA | rights | 0x8000_0000_0000_0000n, DATA, DATA | rights | 0x8000_0000_0000_0000n | set],
      ] as const) {
        const memory = new HostRam();
        const bench = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] })
          .scalable(fields)
          .write64(leaf, DATA | rights)
          .on();
        const edit = (): void => memory.put(leaf, next);
        if (moment === 'before the update') memory.beforeExchange(leaf, edit);
        else memory.afterRead(leaf, edit);
        expect(outcome(bench.ask(0n, true))).toBe(expected);
        expect(memory.get(leaf)).toBe(left);
      }
    },
  );

  it.each(stages)(
    'in the $stage stage, step by step: an entry changed between read and update counts as it is then.',
    ({ fields, leaf, rights, set }) => {
      const bench = new UnitBench()
        .scalable(fields)
        .write64(leaf, DATA | rights)
        .on();
      const t = bench.prepare({ address: 0n, access: Access.WRITE });
      let edits = 0;
      for (const step of bench.unit.walk(t)) {
        const isUpdate = step.kind === OperationKind.COMPARE_EXCHANGE && BigInt(step.address) === leaf;
        // Twice: the walk must come round as often as software is faster.
        if (isUpdate && edits < 2) bench.write64(leaf, [DATA | SOFTWARE, OTHER][edits++]! | rights);
        bench.memory.perform(step);
      }
      expect(edits).toBe(2);
      expect(resultOf(t)).toBe(OTHER);
      expect(bench.read64(leaf)).toBe(OTHER | rights | set);
    },
  );

  it.each(stages)('in the $stage stage, and its failure is a fault.', ({ fields, failed }) => {
    proves(failed === 0x91 ? 'SFS.10' : 'SSS.6');
    for (const fpd of [false, true]) {
      const memory = new HostRam();
      const bench = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] }).scalable({ ...fields, fpd }).on();
      memory.failing = true;
      expect(outcome(bench.ask(0n, false, { pasid: PASID }))).toBe(code(failed));
      expect(bench.record().f).toBe(!fpd);
      if (!fpd) expect(bench.record()).toMatchObject({ fr: failed, pp: 1 });
    }
  });

  it('in a nested translation: the failure in either stage has its own fault.', () => {
    const memory = new HostRam();
    const fields = { pgtt: Pgtt.NESTED, ssade: true };
    const bench = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] }).scalable(fields).on();
    memory.failing = true;
    expect(outcome(bench.ask(0n))).toBe('7Dh');
    const other = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] }).scalable({ pgtt: Pgtt.NESTED }).on();
    expect(outcome(other.ask(0n))).toBe('91h');
  });

  it('in a nested translation: the second stage marks the page dirty only once the first stage has marked its entry.', () => {
    const memory = new HostRam();
    const fields = { pgtt: Pgtt.NESTED, ssade: true };
    const bench = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] }).scalable(fields).on();
    // The guest names another page while the first one is looked up.
    memory.beforeExchange(tableAt(1), () => memory.put(tableAt(1), OTHER | ALL));
    expect(outcome(bench.ask(0n, true))).toBe(OTHER);
    expect([pageFlags(bench, DATA), pageFlags(bench, OTHER)]).toEqual([SS.A, SS.A | SS.D]);
    expect(memory.get(tableAt(1))).toBe(OTHER | ALL | FS.A | FS.D);
    // Nothing is left to set but dirty flags, and that fails: first in the first stage, then in the second.
    bench.entry(1, 1, DATA | ALL).ask(0x1000n);
    memory.failing = true;
    expect(outcome(bench.ask(0x1000n, true))).toBe('91h');
    expect(pageFlags(bench, DATA)).toBe(SS.A);
    bench.entry(1, 1, DATA | ALL | FS.A | FS.D);
    expect(outcome(bench.ask(0x1000n, true))).toBe('7Dh');
    expect(pageFlags(bench, DATA)).toBe(SS.A);
  });

  it('in a nested translation: a page that may be written but not read does not become dirty by a table that lies there.', () => {
    const page = tableAt(4) & ~0xfffn;
    const bench = new ScalableBench()
      .scalable({ pgtt: Pgtt.NESTED, ssade: true })
      .mapPage(page, page | WRITE)
      .on();
    // SFS.6: reading a table needs R and W where dirty flags are kept.
    expect(outcome(bench.ask(0n))).toBe('75h');
    expect(pageFlags(bench, page) & SS.D).toBe(0n);
  });

  it('and takes place once per flag that is missing.', () => {
    const memory = new HostRam();
    const bench = new ScalableBench({ memory, ram: [[0n, 0x20_0000n]] }).scalable().on();
    bench.ask(0n, true);
    expect(memory.exchanges).toBe(4);
    bench.ask(0n, true);
    bench.ask(0x10n);
    expect(memory.exchanges).toBe(4);
    bench.entry(1, 1, DATA | ALL | FS.A).ask(0x1000n, true);
    expect(memory.exchanges).toBe(5);
  });
});
