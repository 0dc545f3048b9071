/** How translation requests are answered in scalable mode (vtd.md sections 3.5, 3.6 and 4.1). */
import { describe, expect, it } from 'vitest';
import { Access, AddressType, NO_PASID, Status } from '../../hardware/iommu/index.ts';
import { OperationKind } from '../../hardware/memory/index.ts';
import { proves } from '../proves.ts';
import { ALL, FS, PASID, Pgtt } from './scalable.ts';
import { named } from './scalable-blocked.ts';
import { type Condition, TABLE_CONDITIONS } from './scalable-conditions.ts';
import { ALL_CACHES, UnitBench } from './scalable-unit.ts';
import { WALK_CONDITIONS } from './scalable-walk-conditions.ts';
import { DATA, PS, READ, REG, WRITE } from './tables.ts';

/** The columns for translation requests, without and with PASID; `-` where the condition cannot arise. */
const ANSWERS: Readonly<Record<string, string>> = {
  'RTA.1': 'CA CA',
  'RTA.2': '- UR',
  'RTA.4': 'UR UR',
  'RTA.5': '- UR',
  'SRT.1': 'CA CA',
  'SRT.2': 'UR UR',
  'SRT.3': 'CA CA',
  'SCT.1': 'CA CA',
  'SCT.2': 'UR UR',
  'SCT.3': 'CA CA',
  'SCT.4': 'CA CA',
  'SCT.4.3': 'CA -',
  'SCT.5': 'UR UR',
  'SCT.6': '- UR',
  'SCT.7': '- UR',
  'SCT.9': '- UR',
  'SCT.10': '- -',
  'SGN.10': '- UR',
  'SPD.1': 'CA CA',
  'SPD.2': 'S0 S0',
  'SPD.3': 'CA CA',
  'SPT.1': 'CA CA',
  'SPT.2': 'S0 S0',
  'SPT.3': 'CA CA',
  'SPT.4': 'CA CA',
  'SPT.5': '- S0',
  'SPT.6': 'S0 S0',
  SFS: 'S0 S0',
  'SSS.1': 'CA CA',
  'SSS.2': 'S0 S0',
  'SSS.3': 'CA CA',
  'SSS.4': 'CA CA',
  'SSS.5': 'CA CA',
  'SGN.1': 'S0 S0',
  'SGN.2': 'S0 S0',
  'SGN.4.2': 'S0 S0',
  'SGN.5': 'S0 S0',
  'SGN.8.1': 'CA CA',
};

const conditionOf = ({ name }: Condition): string => name.slice(0, name.indexOf(':'));
function answerFor(one: Condition, withPasid: boolean): string {
  const parts = conditionOf(one).split('.');
  for (let n = parts.length; n > 0; n--) {
    const row = ANSWERS[parts.slice(0, n).join('.')];
    if (row !== undefined) return row.split(' ')[withPasid ? 1 : 0]!;
  }
  return '-';
}

function arrange(one: Condition): UnitBench {
  const bench = new UnitBench(one.options ?? {});
  bench.scalable(one.pasid, one.context);
  one.set?.(bench);
  bench.on(one.rtaddr);
  return bench;
}

const STATUS: Readonly<Record<string, number>> = {
  UR: Status.UNSUPPORTED_REQUEST,
  CA: Status.COMPLETER_ABORT,
  S0: Status.SUCCESS,
};

// Conditions of translated requests have no untranslated request, and pass-through requests are answered elsewhere.
const relevant = [...TABLE_CONDITIONS, ...WALK_CONDITIONS].filter(
  (one) => !one.asks.some((ask) => ask.addressType === 'translated' && one.context?.hpte === true),
);

describe('A translation request', () => {
  it.each(named(relevant))('is answered as table 30 says: %s.', (_, one) => {
    for (const ask of one.asks) {
      if (ask.addressType === 'translated' && conditionOf(one) !== 'SCT.5') continue;
      // Pass-through never meets SGN.8.2.
      const passes = one.pasid?.pgtt === Pgtt.PASS && one.fr === 0x87;
      const expected = passes ? '-' : answerFor(one, ask.pasid !== undefined);
      if (expected === '-') continue;
      const bench = arrange(one);
      const access =
        (ask.write === true ? Access.READ | Access.WRITE : Access.READ) |
        (ask.execute === true ? Access.EXECUTE : 0) |
        (ask.privileged === true ? Access.PRIVILEGED : 0);
      const t = bench.answer({
        address: ask.address ?? 0x123n,
        access,
        pasid: ask.pasid ?? NO_PASID,
        requester: ask.requester ?? 0x18,
        addressType: AddressType.TRANSLATION,
      });
      const name = conditionOf(one) === 'SGN.8.1' ? 'SGN.8.2' : conditionOf(one);
      const recorded = expected !== 'S0';
      expect({ name: t.fault?.name, status: t.status, recorded: t.recorded }).toEqual({
        name,
        status: STATUS[expected],
        recorded,
      });
      expect(t.leaf.rights).toBe(0);
      expect(bench.get(REG.FSTS)).toBe(recorded ? 2n : 0n);
      if (recorded) expect(bench.record()).toMatchObject({ f: true, fr: one.fr, at: 1 });
    }
  });

  const ask = (bench: UnitBench, address = 0n, access: number = Access.READ, pasid = NO_PASID) =>
    bench.answer({ address, access, pasid, addressType: AddressType.TRANSLATION });

  it.each([
    { pgtt: Pgtt.FIRST, entry: DATA | 5n, page: 0n, rights: Access.READ },
    { pgtt: Pgtt.SECOND, entry: 0n, page: READ, rights: Access.READ },
    { pgtt: Pgtt.SECOND, entry: 0n, page: WRITE, rights: Access.WRITE },
    { pgtt: Pgtt.NESTED, entry: DATA | 5n, page: 3n, rights: Access.READ },
    { pgtt: Pgtt.NESTED, entry: DATA | ALL, page: READ, rights: Access.READ },
    { pgtt: Pgtt.NESTED, entry: DATA | ALL, page: WRITE, rights: Access.WRITE },
  ])('gets the rights that remain (PGTT $pgtt, $entry, $page).', ({ pgtt, entry, page, rights }) => {
    const bench = new UnitBench().scalable({ pgtt }).entry(1, 0, entry);
    bench.mapPage(pgtt === Pgtt.SECOND ? 0n : DATA, (pgtt === Pgtt.SECOND ? 0n : DATA) | page).on();
    for (const access of [Access.READ, Access.READ | Access.WRITE]) {
      expect(ask(bench, 0n, access)).toMatchObject({ status: Status.SUCCESS, fault: null, leaf: { rights } });
    }
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('whose failed flag update is recoverable is recorded all the same (SFS.10).', () => {
    const bench = new UnitBench().scalable().on();
    const t = bench.prepare({ address: 0n, access: Access.READ, addressType: AddressType.TRANSLATION });
    for (const step of bench.unit.walk(t)) {
      if (step.kind === OperationKind.COMPARE_EXCHANGE) step.ok = false;
      else bench.memory.perform(step);
    }
    bench.unit.report(t);
    expect(t).toMatchObject({ status: Status.SUCCESS, recorded: true, fault: { name: 'SFS.10' }, leaf: { rights: 0 } });
    expect(bench.record()).toMatchObject({ f: true, fr: 0x91, at: 1 });
  });

  it('whose range of output addresses overlaps FEEx_xxxxh is aborted, though its address lies below (SGN.8.2).', () => {
    proves('SGN.8.2');
    const bench = new UnitBench()
      .scalable({ pgtt: Pgtt.SECOND })
      .second(3, 0, 0xc000_0000n | 3n | PS)
      .on();
    expect(ask(bench, 0x1000n)).toMatchObject({ status: Status.COMPLETER_ABORT, fault: { name: 'SGN.8.2' } });
    expect(bench.record()).toMatchObject({ f: true, fr: 0x87, at: 1 });
    const plain = bench.answer({ address: 0x1000n, access: Access.READ });
    expect(plain).toMatchObject({ status: Status.SUCCESS, fault: null });
  });

  it('is refused while DTE is 0 though the IOTLB has the page from an untranslated request (SCT.5).', () => {
    const bench = new UnitBench({}, ALL_CACHES).scalable({}, { dte: false }).on();
    for (let round = 0; round < 2; round++) {
      expect(bench.answer({ address: 0n, access: Access.READ })).toMatchObject({ status: Status.SUCCESS, fault: null });
      expect(ask(bench)).toMatchObject({ status: Status.UNSUPPORTED_REQUEST, fault: { name: 'SCT.5' } });
    }
  });

  it('of a pass-through PASID is no fault for any address up to HAW, and gets all rights.', () => {
    const bench = new UnitBench().scalable({ pgtt: Pgtt.PASS }).on();
    for (const address of [0n, 0xfee0_0000n, 0xffff_ffff_f000n]) {
      expect(ask(bench, address, Access.READ, PASID)).toMatchObject({ status: 0, fault: null, leaf: { rights: 3 } });
    }
  });

  it('sets accessed flags, and the dirty flag as a write does when it asks for both.', () => {
    const bench = new UnitBench().scalable().on();
    ask(bench, 0n);
    expect(bench.read64(0x1_1000n)).toBe(DATA | ALL | FS.A);
    ask(bench, 0n, Access.READ | Access.WRITE);
    expect(bench.read64(0x1_1000n)).toBe(DATA | ALL | FS.A | FS.D);
  });
});
