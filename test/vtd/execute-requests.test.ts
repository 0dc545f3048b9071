/**
 * Execute requests of revisions up to 4.0, where ECAP.ERS says that there are any (vtd.md sections 2.5, 3.1, 3.2, 4.1): who
 * may fetch instructions from a page. Bit numbers and fault reasons are literal.
 */
import { describe, expect, it } from 'vitest';
import { Access, AddressType } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import {
  ALL,
  extraOf,
  FS,
  PASID,
  type PasidFields,
  Pgtt,
  ScalableBench,
  secondAt,
  type WideDescriptor,
} from './scalable.ts';
import { ALL_CACHES, NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { BOTH, DATA, outcome, REG, SID, tableAt } from './tables.ts';

/** Bits of a PASID-table entry. */
const SSEE = 5;
const ERE = 129;
const NXE = 133;
const SMEP = 134;
const XD = 1n << 63n;
const X = 4n;
const ERS = { ers: true } as const;
const FETCH = Access.READ | Access.EXECUTE;
/** p_iotlb_inv_dsc, PASID-selective, domain 7. */
const FORGET: WideDescriptor = [0x6n | (0b10n << 4n) | (7n << 16n) | (BigInt(PASID) << 32n), 0n];

const fetching = { pasid: PASID, execute: true } as const;
const fields = (bits: readonly number[], more: PasidFields = {}): PasidFields => ({ ...more, bits: [ERE, ...bits] });

/** A second stage whose entries, from the top down to the page at 0, all have X. */
function executable(bench: ScalableBench, page = 0n): void {
  for (let level = 4; level > 1; level--) bench.second(level, 0, secondAt(level - 1) | BOTH | X);
  bench.mapPage(page, page | BOTH | X);
}

/** What the record of a blocked fetch says. */
function expectRecord(bench: ScalableBench, reason: number, privileged = false): void {
  const record = bench.record();
  expect(record).toMatchObject({ f: true, fr: reason, sid: SID, t1: 1, t2: 0, at: 0, fi: 0n });
  expect(extraOf(record.raw)).toEqual({ fi: 0n, pv: PASID, pp: 1, exe: 1, priv: privileged ? 1 : 0 });
  expect(bench.get(REG.FSTS)).toBe(2n);
  bench.acknowledge();
}

describe('An instruction fetch', () => {
  it('is let through by ERE, and blocked without it (5Ch), in every major version.', () => {
    proves('ECAP_REG.ERS', 'PASID-table entry.ERE', 'SPT.5', 'FRCD_REG.EXE');
    for (const major of [5, 7, 8, 9]) {
      const bench = new ScalableBench({ ...ERS, major }).scalable({ bits: [ERE] }).on();
      expect(outcome(bench.ask(0n, false, fetching))).toBe(DATA);
      const closed = new ScalableBench({ ...ERS, major }).scalable().on();
      expect(outcome(closed.ask(0n, false, fetching))).toBe('5Ch');
      expectRecord(closed, 0x5c);
      expect(outcome(closed.ask(0n, false, { pasid: PASID }))).toBe(DATA);
    }
  });

  it('has no field of its own while ERS is 0: ERE and SSEE are reserved, NXE, SMEP and XD ignored.', () => {
    proves('PASID-table entry.ERE', 'PASID-table entry.SSEE', 'ECAP_REG.ERS');
    for (const bit of [SSEE, ERE]) {
      const options = { pgtt: Pgtt.SECOND, bits: [bit] };
      expect(outcome(new ScalableBench().scalable(options).on().ask(0n)), `bit ${bit}`).toBe('5Ah');
      expect(outcome(new ScalableBench(ERS).scalable(options).on().ask(0n)), `bit ${bit}`).toBe(0n);
    }
    const bench = new ScalableBench()
      .scalable({ bits: [NXE, SMEP] })
      .entry(1, 0, DATA | ALL | XD)
      .on();
    expect(outcome(bench.ask(0n))).toBe(DATA);
  });

  it.each([1, 2, 3, 4])('meets XD at level %i: blocked with 82h while NXE is 1; other accesses pass.', (level) => {
    proves('SGN.3', 'FS-PTE.XD', 'PASID-table entry.NXE');
    const entry = (level === 1 ? DATA : tableAt(level - 1)) | ALL;
    for (const cached of [false, true]) {
      const bench = new UnitBench(ERS, cached ? ALL_CACHES : NO_CACHES).scalable(fields([NXE]));
      bench.entry(level, 0, entry | XD).on();
      for (let round = 0; round < 2; round++) {
        for (const access of [Access.READ, Access.WRITE, Access.WRITE | Access.EXECUTE]) {
          expect(resultOf(bench.answer({ address: 0n, access, pasid: PASID })), `access ${access}`).toBe(DATA);
        }
        expect(resultOf(bench.answer({ address: 0n, access: FETCH, pasid: PASID })), `round ${round}`).toBe('SGN.3');
        expectRecord(bench, 0x82);
      }
      bench.entry(level, 0, entry).flush(FORGET);
      expect(resultOf(bench.answer({ address: 0n, access: FETCH, pasid: PASID }))).toBe(DATA);
    }
  });

  it('finds XD reserved while NXE is 0, and so does every other access (72h).', () => {
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = new UnitBench(ERS, caches)
        .scalable(fields([]))
        .entry(1, 0, DATA | ALL | XD)
        .on();
      for (const access of [Access.READ, Access.WRITE, FETCH]) {
        expect(resultOf(bench.answer({ address: 0n, access, pasid: PASID }))).toBe('SFS.3');
        expect(bench.record().fr).toBe(0x72);
        bench.acknowledge();
      }
      expect(resultOf(bench.answer({ address: 0n, access: Access.READ }))).toBe('SFS.3');
    }
  });

  // U/S of the level above and of the page; who may execute with SMEP 0 and 1.
  const users = [
    { above: FS.US, page: FS.US, user: DATA, supervisor: DATA, smep: '82h' },
    { above: 0n, page: FS.US, user: '81h', supervisor: DATA, smep: DATA },
    { above: FS.US, page: 0n, user: '81h', supervisor: DATA, smep: DATA },
  ];
  it.each(users)(
    'keeps to U/S and SMEP (U/S $above above, $page below).',
    ({ above, page, user, supervisor, smep }) => {
      if (above === page) proves('PASID-table entry.SMEP', 'SGN.3');
      for (const prevents of [false, true]) {
        const bench = new ScalableBench(ERS).scalable(fields(prevents ? [SMEP] : [], { sre: true }));
        bench.entry(2, 0, tableAt(1) | FS.P | FS.RW | above).entry(1, 0, DATA | FS.P | FS.RW | page);
        bench.on();
        for (let round = 0; round < 2; round++) {
          expect(outcome(bench.ask(0n, false, { ...fetching, privileged: true }))).toBe(prevents ? smep : supervisor);
          if (prevents && smep === '82h') expectRecord(bench, 0x82, true);
          expect(outcome(bench.ask(0n, false, { pasid: PASID, privileged: true }))).toBe(DATA);
          expect(outcome(bench.ask(0n, false, fetching))).toBe(user);
          bench.acknowledge();
        }
      }
    },
  );

  it.each([1, 2, 3, 4])('needs X at level %i of the second stage while SSEE is 1 (82h).', (level) => {
    proves('SS-PTE.X', 'PASID-table entry.SSEE', 'SGN.3');
    for (const pgtt of [Pgtt.SECOND, Pgtt.NESTED]) {
      const page = pgtt === Pgtt.NESTED ? DATA : 0n;
      const entry = (level === 1 ? page : secondAt(level - 1)) | BOTH;
      for (const caches of [NO_CACHES, ALL_CACHES]) {
        const bench = new UnitBench(ERS, caches).scalable(fields([SSEE], { pgtt }));
        executable(bench, page);
        bench.on();
        const ask = (access: number) => resultOf(bench.answer({ address: 0n, access, pasid: PASID }));
        expect(ask(FETCH)).toBe(page);
        // Domain 7, global: the whole second stage is read anew.
        bench.second(level, level === 1 ? Number(page >> 12n) : 0, entry).flush([0x2n | (0b01n << 4n), 0n]);
        for (let round = 0; round < 2; round++) {
          expect(ask(FETCH), `round ${round}`).toBe('SGN.3');
          expectRecord(bench, 0x82);
          expect(ask(Access.READ)).toBe(page);
        }
      }
      const ignoring = new ScalableBench(ERS).scalable(fields([], { pgtt })).on();
      expect(outcome(ignoring.ask(0n, false, fetching)), 'SSEE 0').toBe(page);
    }
  });

  it('needs R as well as X: what can only be executed is not there (79h), what can only be written is not read (86h).', () => {
    const bench = new ScalableBench(ERS).scalable(fields([SSEE], { pgtt: Pgtt.SECOND }));
    executable(bench);
    bench.mapPage(0n, X).on();
    expect(outcome(bench.ask(0n, false, fetching))).toBe('79h');
    bench.acknowledge();
    bench.mapPage(0n, X | 2n);
    expect(outcome(bench.ask(0n, false, fetching))).toBe('86h');
  });

  it('does not need X for the tables of a nested first stage, and no rights but ERE where all passes through.', () => {
    const nested = new ScalableBench(ERS).scalable(fields([SSEE], { pgtt: Pgtt.NESTED }));
    executable(nested, DATA);
    // The first stage's tables lie in pages without X.
    for (let level = 1; level < 5; level++) nested.mapPage(tableAt(level), tableAt(level) | BOTH);
    expect(outcome(nested.on().ask(0n, false, fetching))).toBe(DATA);
    const pass = new ScalableBench(ERS).scalable(fields([], { pgtt: Pgtt.PASS })).on();
    expect(outcome(pass.ask(DATA, false, fetching))).toBe(DATA);
    const closed = new ScalableBench(ERS).scalable({ pgtt: Pgtt.PASS }).on();
    expect(outcome(closed.ask(DATA, false, fetching))).toBe('5Ch');
  });
});

describe('The IOTLB', () => {
  it('remembers that a page may be executed until it is invalidated, and that a read has not asked.', () => {
    proves('FS-PTE.XD');
    const bench = new UnitBench(ERS, { ...NO_CACHES, iotlb: { sets: 16, ways: 4 } }).scalable(fields([NXE])).on();
    const fetch = { address: 0n, access: FETCH, pasid: PASID };
    const read = { address: 0n, access: Access.READ, pasid: PASID };
    expect(resultOf(bench.answer(fetch))).toBe(DATA);
    bench.entry(1, 0, DATA | ALL | XD);
    expect(bench.count(fetch), 'a stale hit').toEqual([]);
    expect(resultOf(bench.answer(fetch))).toBe(DATA);
    bench.flush(FORGET);
    expect(resultOf(bench.answer(fetch))).toBe('SGN.3');
    expect(resultOf(bench.answer(read))).toBe(DATA);
    expect(bench.count(read)).toEqual([]);
    expect(resultOf(bench.answer(fetch)), 'after a read has filled the entry').toBe('SGN.3');
  });

  it('shows it, and an explanation names the condition and the fields.', () => {
    const bench = new ScalableBench(ERS).scalable(fields([NXE])).on();
    bench.ask(0n, false, fetching);
    bench.ask(0x2000n);
    const access = () =>
      bench.rig
        .inspect()
        .caches()[0]!
        .entries.map((entry) => entry['access']);
    expect(access()).toEqual(['RWX']);
    bench.entry(1, 0, DATA | ALL | XD).flush(FORGET);
    const told = bench.rig
      .inspect()
      .explain({ requester: SID, pasid: PASID, address: 0n, write: false, also: ['execute'] });
    expect(told.result).toMatchObject({ ok: false, fault: { code: 0x82, name: 'SGN.3' } });
    const names = JSON.stringify(told.steps, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
    expect(names).toContain('"name":"XD"');
  });
});

describe('A translation request with ER', () => {
  const request = { requester: SID, pasid: PASID, address: 0n, noWrite: true } as const;

  it.each([
    { name: 'XD', xd: XD, execute: false },
    { name: 'no XD', xd: 0n, execute: true },
  ])('gets Exe as the effective permission, which is no fault ($name).', ({ xd, execute }) => {
    proves('FS-PTE.XD', 'PASID-table entry.NXE');
    const bench = new ScalableBench(ERS)
      .scalable(fields([NXE]))
      .entry(1, 0, DATA | ALL | xd)
      .on();
    for (let round = 0; round < 2; round++) {
      const asked = bench.rig.translationRequest({ ...request, execute: true });
      expect(asked).toMatchObject({ ok: true, completion: { read: true, execute } });
      const silent = bench.rig.translationRequest(request);
      expect(silent, 'ER is 0').toMatchObject({ ok: true, completion: { read: true, execute: false } });
    }
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('gets no Exe without R, nor without PASID, and no rights without ERE.', () => {
    const bench = new ScalableBench(ERS).scalable(fields([SSEE], { pgtt: Pgtt.SECOND }));
    executable(bench);
    bench.mapPage(0n, 6n).on();
    const both = { ...request, noWrite: false, execute: true };
    const completion = { read: false, write: true, execute: false };
    expect(bench.rig.translationRequest(both)).toMatchObject({ ok: true, completion });
    const { pasid: _, ...alone } = both;
    const open = new ScalableBench(ERS).scalable(fields([])).on();
    expect(open.rig.translationRequest(alone)).toMatchObject({ ok: true, completion: { read: true, execute: false } });
    const closed = new ScalableBench(ERS).scalable().on();
    expect(closed.rig.translationRequest(both)).toMatchObject({
      ok: true,
      completion: { read: false, execute: false },
    });
    expect(closed.get(REG.FSTS)).toBe(0n);
  });

  it('is not answered for execution from what an untranslated fetch has left in the IOTLB while DTE is 0 (SCT.5).', () => {
    const bench = new UnitBench(ERS, ALL_CACHES).scalable(fields([]), { dte: false }).on();
    expect(resultOf(bench.answer({ address: 0n, access: FETCH, pasid: PASID }))).toBe(DATA);
    const asked = { address: 0n, access: FETCH, pasid: PASID, addressType: AddressType.TRANSLATION };
    expect(resultOf(bench.answer(asked))).toBe('SCT.5');
  });
});
