/** The worked encodings of the fact sheet, as they are written and read by a unit. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import worked from '../vectors/amdvi/worked.json' with { type: 'json' };
import { ALL_CACHES, Bench, DATA, DEVICE_TABLE, guestAt, hostAt, level, outcome, type Pair, PR, RW } from './bench.ts';

const RAM = 0x2_0000_0000n;
const pair = (words: readonly string[]): Pair => [BigInt(words[0]!), BigInt(words[1]!)];
const command = (name: keyof typeof worked.commands): Pair => pair(worked.commands[name]);

describe('An invalidation', () => {
  /** Pages of 4 KiB from 0 to 4 MiB, and those of them that are still cached. */
  function left(domain: number, invalidation: Pair): readonly bigint[] {
    const bench = new Bench({ caches: { ...ALL_CACHES, iotlb: { sets: 64, ways: 8 } } }).identity({ domain }).enable();
    const pages = [0x0n, 0x3n, 0x4n, 0x5n, 0x7n, 0x8n, 0x1ffn, 0x200n, 0x2ffn, 0x3ffn, 0x400n];
    bench.host(2, 1, hostAt(9) | RW | level(1)).host(2, 2, hostAt(9) | RW | level(1));
    for (let n = 0; n < 512; n++) bench.host(9, n, DATA | RW);
    for (const page of pages) bench.ask(page << 12n);
    bench.submit(invalidation).tableReads();
    return pages.filter((page) => {
      bench.ask(page << 12n, { probe: true });
      return bench.tableReads() === 0;
    });
  }

  it('of everything in domain 1234h.', () => {
    proves('INVALIDATE_IOMMU_PAGES.DomainID');
    expect(left(0x1234, command('domain 1234h, everything, PDE'))).toEqual([]);
    expect(left(0x234, command('domain 1234h, everything, PDE'))).toHaveLength(11);
  });

  it('of 2 MiB, 8 KiB and 16 KiB in domain 5.', () => {
    proves('INVALIDATE_IOMMU_PAGES.Address', 'INVALIDATE_IOMMU_PAGES.S');
    const large = [0x0n, 0x3n, 0x4n, 0x5n, 0x7n, 0x8n, 0x1ffn, 0x400n];
    expect(left(5, command('domain 5, 2 MiB at 200000h'))).toEqual(large);
    const rest = [0x8n, 0x1ffn, 0x200n, 0x2ffn, 0x3ffn, 0x400n];
    expect(left(5, command('domain 5, 8 KiB at 4000h'))).toEqual([0x0n, 0x3n, 0x7n, ...rest]);
    expect(left(5, command('domain 5, 16 KiB at 4000h'))).toEqual([0x0n, 0x3n, ...rest]);
  });

  it('of a device-TLB reaches the device with its PASID.', () => {
    proves(
      'INVALIDATE_IOTLB_PAGES.PASID_15_8',
      'INVALIDATE_IOTLB_PAGES.PASID_7_0',
      'INVALIDATE_IOTLB_PAGES.PASID_19_16',
    );
    proves('INVALIDATE_IOTLB_PAGES.DeviceID', 'INVALIDATE_IOTLB_PAGES.GN', 'INVALIDATE_IOTLB_PAGES.Address');
    proves('INVALIDATE_IOTLB_PAGES.S');
    const bench = new Bench().usual({ deviceTlb: true }).enable();
    bench.submit(command('device-TLB of 0108h, PASID 12345h, page 7000h'));
    expect(bench.sent).toMatchObject([
      { kind: 'invalidate', requester: 0x0108, pasid: 0x1_2345, address: 0x7000n, isRange: false },
    ]);
    // Everything that the device has without PASID, as Linux asks for it.
    bench.submit([0x4000_0108_2000_0108n, 0x7fff_ffff_ffff_f001n]);
    expect(bench.sent[1]).toMatchObject({ pasid: undefined, address: 0x7fff_ffff_ffff_f000n, isRange: true });
  });
});

describe('A command', () => {
  it('stores above 4 GiB.', () => {
    proves('COMPLETION_WAIT.StoreAddress', 'COMPLETION_WAIT.StoreData', 'COMPLETION_WAIT.S');
    const bench = new Bench({ ram: RAM }).enable();
    bench.submit(command('store 7 at 1_0000_2008h'));
    expect([bench.read64(0x1_0000_2000n), bench.read64(0x1_0000_2008n)]).toEqual([0n, 7n]);
  });

  it('answers a page request.', () => {
    proves('COMPLETE_PPR_REQUEST.DeviceID', 'COMPLETE_PPR_REQUEST.PASID', 'COMPLETE_PPR_REQUEST.GN');
    proves('COMPLETE_PPR_REQUEST.PRGIndex', 'COMPLETE_PPR_REQUEST.ResponseCode');
    const bench = new Bench().enable();
    bench.submit(
      command('answer 0200h, PASID 21h, group 5, success'),
      command('answer 0200h, PASID 21h, group 5, invalid'),
    );
    const answer = { kind: 'page group response', requester: 0x0200, pasid: 0x21, group: 5 };
    expect(bench.sent).toEqual([
      { ...answer, code: 0 },
      { ...answer, code: 1 },
    ]);
  });
});

describe('A table entry', () => {
  it('of a page of 64 KiB stands in sixteen places.', () => {
    proves('host PTE.NextLevel', 'host PTE.PageAddress');
    const bench = new Bench().usual({ deviceTlb: true }).enable();
    for (let n = 0; n < 16; n++) bench.host(1, n, BigInt(worked.pageOf64KiB));
    expect(outcome(bench.ask(0xfedcn, { write: true }))).toBe(0x10_fedcn);
    const { completion } = bench.rig.translationRequest({ requester: 0x0108, address: 0x3000n }) as never;
    expect(completion).toMatchObject({ address: 0n, translated: 0x10_0000n, size: 0x1_0000n, nonSnoopedIgnored: true });
  });

  it('leads to a table of level 2, from a device table entry of Mode 4 with its top at 9000h.', () => {
    proves('DTE.Mode', 'DTE.HostPTRoot', 'DTE.V', 'DTE.TV', 'DTE.IR', 'DTE.IW');
    const bench = new Bench().enable();
    bench.write64(DEVICE_TABLE + 0x0108n * 32n, BigInt(worked.deviceEntryOfMode4), 5n, 0n, 0n);
    bench.write64(0x9000n, BigInt(worked.tableOfLevel2)).write64(0x5000n, 0x60_0000n | RW);
    for (const write of [false, true]) expect(outcome(bench.ask(0x1f_ffffn, { write }))).toBe(0x7f_ffffn);
  });

  it('holds the root of a GCR3 table in three pieces.', () => {
    proves('DTE.GCR3_14_12', 'DTE.GCR3_30_15', 'DTE.GCR3_51_31');
    const [q0, q1] = pair(worked.gcr3Root.words);
    const bench = new Bench({ ram: RAM }).guests().enable();
    // V, TV, GV, IR and IW.
    bench.write64(DEVICE_TABLE + 0x0108n * 32n, q0 | 0x6080_0000_0000_0003n, q1, 0n, 0n);
    bench.write64(BigInt(worked.gcr3Root.address) + 0x21n * 8n, guestAt(4) | 1n);
    expect(outcome(bench.ask(0n, { pasid: 0x21 }))).toBe(DATA);
  });
});

describe('An event', () => {
  it(`tells of the ${worked.event.what}.`, () => {
    proves('DTE.DomainID');
    const bench = new Bench().usual({ domain: 9 }).device({ mode: 4, domain: 9 }, 0x0300);
    bench
      .host(2, 5, hostAt(8) | RW | level(1))
      .host(8, 0xbc, DATA | PR | (1n << 61n))
      .enable();
    expect(outcome(bench.write(0xab_c000n, { requester: 0x0300 }))).toBe('IO_PAGE_FAULT.DENIED');
    expect(bench.events()).toEqual([pair(worked.event.words)]);
  });
});
