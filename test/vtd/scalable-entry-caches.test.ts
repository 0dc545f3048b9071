/** The context cache and the PASID cache of scalable mode, caching mode, and the keys of all caches (vtd.md sections 5.3, 7.1, 7.2). */
import { describe, expect, it } from 'vitest';
import { Access } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { ALL, FS, PASID, type WideDescriptor } from './scalable.ts';
import {
  contextDevice,
  contextDomain,
  contextGlobal,
  iotlbGlobal,
  pasidCacheDomain,
  pasidCacheGlobal,
  pasidCachePasid,
  pasidIotlb,
  pasidOf,
  prime,
  read,
  SPACES,
  spaces,
} from './scalable-spaces.ts';
import { ALL_CACHES, type Caches, resultOf, UnitBench } from './scalable-unit.ts';
import { CONTEXT, CONTEXT_BUS_1, DATA, REG, ROOT, SID, tableAt } from './tables.ts';

const ENTRIES = { sets: 16, ways: 4 };
const from = (bench: UnitBench, requester: number, pasid = PASID) =>
  resultOf(bench.answer({ address: 0n, access: Access.READ, requester, pasid, effects: false }));

describe('The context cache in scalable mode', () => {
  const requesters = [0x18, 0x19, 0x1c, 0x1f, 0x20, 0x118];
  const rows: readonly (readonly [string, WideDescriptor, readonly number[]])[] = [
    ['global', contextGlobal(), []],
    ['domain, which acts as global whatever the DID', contextDomain(0x1234), []],
    ['device, whatever the DID', contextDevice(0x1234, 0x18), [0x19, 0x1c, 0x1f, 0x20, 0x118]],
    ['device, FM 1', contextDevice(0, 0x18, 1), [0x19, 0x1f, 0x20, 0x118]],
    ['device, FM 2', contextDevice(0, 0x18, 2), [0x19, 0x1f, 0x20, 0x118]],
    ['device, FM 3', contextDevice(0, 0x18, 3), [0x20, 0x118]],
    ['nothing: type 2', iotlbGlobal(), requesters],
    ['nothing: type 6', pasidIotlb(7, PASID), requesters],
    ['nothing: type 7', pasidCacheGlobal(), requesters],
  ];

  it.each(rows)('loses what the descriptor names and nothing else: %s.', (_, descriptor, stay) => {
    if (stay.length < requesters.length) proves('cc_inv_dsc');
    const bench = new UnitBench({}, { iotlb: null, contextCache: ENTRIES }).scalable();
    bench.root(CONTEXT | 1n, CONTEXT_BUS_1 | 1n, 1);
    for (const requester of requesters) bench.smContext({}, requester);
    bench.on();
    for (const requester of requesters) bench.answer({ address: 0n, access: Access.READ, requester });
    bench.write64(CONTEXT, ...Array.from({ length: 512 }, () => 0n));
    expect(requesters.filter((r) => from(bench, r) === DATA)).toEqual(requesters);
    bench.flush(descriptor);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(requesters.filter((r) => from(bench, r) === DATA)).toEqual(stay);
  });
});

describe('The PASID cache', () => {
  const names = (test: (space: (typeof SPACES)[number]) => boolean) => SPACES.filter(test).map(({ name }) => name);
  const rows: readonly (readonly [string, WideDescriptor, (space: (typeof SPACES)[number]) => boolean])[] = [
    ['global', pasidCacheGlobal(), () => true],
    ...[7, 9, 12].map(
      (did) => [`domain ${did}`, pasidCacheDomain(did), (s: { did: number }) => s.did === did] as const,
    ),
    ...SPACES.map(
      (one) =>
        [
          `PASID of ${one.name}`,
          pasidCachePasid(one.did, pasidOf(one)),
          (s: { name: string }) => s.name === one.name,
        ] as const,
    ),
    ['PASID with another DID', pasidCachePasid(8, 5), () => false],
    ['nothing: type 1 of a device', contextDevice(7, SID), () => false],
    ['nothing: type 2', iotlbGlobal(), () => false],
    ['nothing: type 6', pasidIotlb(7, 5), () => false],
  ];

  it.each(rows)('loses what the descriptor names and nothing else: %s.', (_, descriptor, gone) => {
    if (SPACES.some(gone)) proves('pc_inv_dsc.G', 'pc_inv_dsc.DID', 'pc_inv_dsc.PASID');
    const bench = prime(spaces({ pasidCache: ENTRIES }));
    bench.directory(0n);
    const cached = () => names((s) => typeof read(bench, s, 0n, false) === 'bigint');
    expect(cached()).toEqual(names(() => true));
    bench.flush(descriptor);
    expect(cached()).toEqual(names((s) => !gone(s)));
  });

  it('forgets nothing that FPD in the directory entry said.', () => {
    const bench = new UnitBench({}, { iotlb: null, contextCache: null, pasidCache: ENTRIES }).scalable();
    bench.directory(0x6003n).on();
    bench.answer({ address: 0n, access: Access.READ });
    bench.directory(0n).entry(1, 0, 0n);
    expect(bench.answer({ address: 0n, access: Access.READ })).toMatchObject({
      recorded: false,
      fault: { name: 'SFS.2' },
    });
  });
});

describe('A faulting entry', () => {
  const caches = { iotlb: null, contextCache: ENTRIES, pasidCache: ENTRIES };
  it.each([false, true])('is cached only while CM is 1 (CM %s).', (cm) => {
    if (cm) proves('CAP_REG.CM');
    const bench = new UnitBench({ cm }, caches).scalable({}, { p: false }).on();
    expect(from(bench, SID)).toBe('SCT.2');
    bench.answer({ address: 0n, access: Access.READ, pasid: PASID });
    bench.smContext({}).pasid(PASID, { p: false });
    expect(from(bench, SID)).toBe(cm ? 'SCT.2' : 'SPT.2');
    bench.flush(contextDevice(0, SID));
    expect(from(bench, SID)).toBe('SPT.2');
    bench.answer({ address: 0n, access: Access.READ, pasid: PASID });
    bench.pasid(PASID, {});
    expect(from(bench, SID)).toBe(cm ? 'SPT.2' : DATA);
    bench.flush(pasidCacheDomain(12));
    expect(from(bench, SID)).toBe(cm ? 'SPT.2' : DATA);
  });

  it.each([
    ['DID 0', pasidCacheDomain(0)],
    ['its PASID and new DID', pasidCachePasid(7, PASID)],
    ['its PASID and DID 0', pasidCachePasid(0, PASID)],
  ])('of a PASID table goes with %s.', (_, descriptor) => {
    const bench = new UnitBench({ cm: true }, caches).scalable({ p: false }).on();
    bench.answer({ address: 0n, access: Access.READ, pasid: PASID });
    bench.pasid(PASID, {}).flush(descriptor);
    expect(from(bench, SID)).toBe(DATA);
  });
});

describe('No cache mixes up', () => {
  /** Directories of every requester and PASID; each PASID has a page of its own. */
  const pasids = [PASID, PASID + 0x40, PASID + 0x1_0000, PASID + 0x8_0000, PASID + 0xf_0000];
  const requesters = [0x0018, 0x1018, 0x8018, 0xf018];

  function arrange(caches: Caches): UnitBench {
    const bench = new UnitBench({}, caches).scalable();
    const [contexts, directory] = [0x50_0000n, 0x40_0000n];
    requesters.forEach((sid, r) => {
      bench.write64(ROOT + BigInt(sid >> 8) * 16n, (contexts + BigInt(r) * 0x1000n) | 1n, 0n);
      const table = directory + BigInt(r) * 0x2_0000n;
      bench.write64(contexts + BigInt(r) * 0x1000n + 0x18n * 32n, table | (7n << 9n) | 0xdn, 2n, 0n, 0n);
      pasids.forEach((pasid, p) => {
        const n = BigInt(r * 8 + p);
        const page = 0x60_0000n + n * 0x2000n;
        bench.write64(table + BigInt(pasid >> 6) * 8n, page | 1n);
        // PGTT 001, DID, PWSNP, SRE; a table of four levels that all are this page, whose first entry names itself.
        bench.write64(page + BigInt(pasid & 63) * 64n, 0x41n, (n + 16n) | (1n << 23n), 1n | (page + 0x1000n));
        bench.write64(page + 0x1000n, (page + 0x1000n) | ALL | FS.A | FS.D);
      });
    });
    return bench.on();
  }

  // The IOTLB would keep questions from the caches behind it.
  it.each([
    ['all caches', ALL_CACHES],
    ['all but the IOTLB', { ...ALL_CACHES, iotlb: null, pasidCache: { sets: 16, ways: 8 } }],
  ])('requesters or PASIDs that differ in high bits only: %s.', (_, caches) => {
    const bench = arrange(caches);
    for (let round = 0; round < 3; round++) {
      requesters.forEach((requester, r) => {
        pasids.forEach((pasid, p) => {
          const t = bench.answer({ address: 0x123n, access: Access.READ, requester, pasid });
          const expected = 0x60_1123n + BigInt(r * 8 + p) * 0x2000n;
          expect(resultOf(t), `requester ${requester.toString(16)}, PASID ${pasid.toString(16)}`).toBe(expected);
        });
      });
    }
  });

  it('paging structures of PASIDs of one domain that differ in high bits only.', () => {
    const bench = new UnitBench({}, { ...ALL_CACHES, iotlb: null }).scalable();
    const [directory, other] = [0x40_0000n, 0x48_0000n];
    bench.write64(0x2000n + BigInt(SID) * 32n, directory | (7n << 9n) | 0xdn, 2n);
    bench.write64(directory, 0x6001n).write64(directory + BigInt((PASID + 0x1_0000) >> 6) * 8n, other | 1n);
    bench.write64(other + 320n, 0x41n, 7n | (1n << 23n), 0x49_0000n | 1n);
    for (const [at, to] of [
      [0n, 0x49_1000n],
      [0x1000n, 0x49_2000n],
      [0x2000n, 0x49_3000n],
      [0x3000n, DATA + 0x7000n],
    ] as const) {
      bench.write64(0x49_0000n + at, to | ALL);
    }
    bench.on();
    for (let round = 0; round < 2; round++) {
      expect(resultOf(bench.answer({ address: 0n, access: Access.READ, pasid: PASID }))).toBe(DATA);
      expect(resultOf(bench.answer({ address: 0n, access: Access.READ, pasid: PASID + 0x1_0000 }))).toBe(
        DATA + 0x7000n,
      );
    }
  });

  it('user and supervisor requests, nor requests with and without PASID.', () => {
    const bench = new UnitBench({}, ALL_CACHES)
      .scalable({ sre: true })
      .entry(1, 0, DATA | FS.P | FS.RW)
      .on();
    for (let round = 0; round < 2; round++) {
      const ask = (access: number) => resultOf(bench.answer({ address: 0n, access, pasid: PASID }));
      expect(ask(Access.READ | Access.PRIVILEGED)).toBe(DATA);
      expect(ask(Access.READ)).toBe('SGN.2');
    }
    // The way to a page that is missing, which a supervisor has walked before.
    const above = new UnitBench({}, ALL_CACHES)
      .scalable({ sre: true })
      .entry(3, 0, tableAt(2) | FS.P | FS.RW)
      .on();
    const missing = (access: number) => resultOf(above.answer({ address: 0x10_0000n, access, pasid: PASID }));
    expect(missing(Access.READ)).toBe('SGN.2');
    expect(missing(Access.READ | Access.PRIVILEGED)).toBe('SFS.2');
    expect(missing(Access.READ)).toBe('SGN.2');
    const own = new UnitBench({}, ALL_CACHES).scalable().pasid(2, { fsptptr: 0x6_0000n }).on();
    expect(resultOf(own.answer({ address: 0n, access: Access.READ, pasid: PASID }))).toBe(DATA);
    expect(resultOf(own.answer({ address: 0n, access: Access.READ }))).toBe('SFS.2');
  });

  it('a request for execution with a read that it could follow (SPT.5).', () => {
    const bench = new UnitBench({}, ALL_CACHES).scalable().on();
    for (let round = 0; round < 2; round++) {
      expect(resultOf(bench.answer({ address: 0n, access: Access.READ, pasid: PASID }))).toBe(DATA);
      expect(resultOf(bench.answer({ address: 0n, access: Access.READ | Access.EXECUTE, pasid: PASID }))).toBe('SPT.5');
    }
  });
});

describe('A probe', () => {
  it('leaves every cache, every table and every register of scalable mode as they are.', () => {
    const bench = new UnitBench({ cm: true }, ALL_CACHES).scalable({ pgtt: 3, ssade: true }).on();
    const { translator } = bench.unit;
    const state = () =>
      JSON.stringify([
        translator.iotlb?.entries(),
        translator.scalable.contexts?.entries(),
        translator.scalable.pasids?.entries(),
        translator.firstStage.structures?.entries(),
        translator.secondStage.structures?.entries(),
        Array.from({ length: 512 }, (_, i) => String(bench.get(i * 8, 8))),
        Array.from({ length: 0x8000 }, (_, i) => String(bench.read64(BigInt(i) * 8n))),
      ]);
    const before = state();
    const questions = (effects: boolean): void => {
      for (const address of [0n, 0x1000n, 1n << 60n]) {
        for (const access of [Access.READ, Access.WRITE]) bench.answer({ address, access, pasid: PASID, effects });
      }
    };
    questions(false);
    expect(state()).toBe(before);
    questions(true);
    const after = state();
    expect(after).not.toBe(before);
    questions(false);
    expect(state()).toBe(after);
    expect(bench.read64(tableAt(4)) & FS.A).toBe(FS.A);
  });
});
