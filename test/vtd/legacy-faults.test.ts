/** Every fault reason of legacy mode (vtd.md section 4.1), each condition through registers, tables and DMA alone. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  Bench,
  type BenchOptions,
  BOTH,
  CONTEXT,
  code,
  DATA,
  PS,
  READ,
  REG,
  ROOT,
  SID,
  tableAt,
  WRITE,
} from './tables.ts';

/** RAM ends here, so that every address above results in an error. */
const RAM = [[0n, 0x100_0000n]] as const;
const HOLE = 0x4000_0000n;
const FPD = 2n;
const DID = 1n << 8n;

interface Condition {
  readonly fr: number;
  readonly name: string;
  readonly options?: BenchOptions;
  /** Changes the usual tables; `fpd` is 2 when FPD has to be set in the context entry. */
  readonly set: (bench: Bench, fpd: bigint) => void;
  readonly address?: bigint;
  readonly rtaddr?: bigint;
  readonly request?: { readonly pasid?: number; readonly addressType?: 'translated'; readonly length?: number };
  readonly only?: 'read' | 'write';
  readonly unqualified?: true;
  /** What the condition rests on beside its own row. */
  readonly rows?: readonly string[];
}

const context =
  (lo: bigint, hi: bigint) =>
  (bench: Bench, fpd: bigint): void => {
    bench.context(lo | fpd, hi);
  };
const withFpd = context(tableAt(4) | 1n, 2n | DID);
const entry =
  (level: number, value: bigint) =>
  (bench: Bench, fpd: bigint): void => {
    withFpd(bench, fpd);
    bench.entry(level, 0, value);
  };

const CONDITIONS: readonly Condition[] = [
  { fr: 0x01, name: 'LRT.2: the root entry has P=0', set: (b) => b.root(CONTEXT), unqualified: true },
  { fr: 0x02, name: 'LCT.2: the context entry has P=0', set: context(tableAt(4), 2n | DID) },
  { fr: 0x02, name: 'LCT.2: the context entry is all 0 but for FPD', set: context(0n, 0n) },
  { fr: 0x03, name: 'LCT.4.1: AW is 0', set: context(tableAt(4) | 1n, DID) },
  { fr: 0x03, name: 'LCT.4.1: AW is 3 and SAGAW has no 5 levels', set: context(tableAt(4) | 1n, 3n | DID) },
  { fr: 0x03, name: 'LCT.4.1: AW is 7', set: context(tableAt(4) | 1n, 7n | DID) },
  { fr: 0x03, name: 'LCT.4.2: TT is 11', set: context(tableAt(4) | 0xdn, 2n | DID) },
  { fr: 0x03, name: 'LCT.4.2: TT is 01 and DT is 0', options: { dt: false }, set: context(tableAt(4) | 5n, 2n | DID) },
  { fr: 0x03, name: 'LCT.4.2: TT is 10 and PT is 0', options: { pt: false }, set: context(9n, 2n | DID) },
  { fr: 0x03, name: 'LCT.4.3: the top second-stage entry cannot be read', set: context(HOLE | 1n, 2n | DID) },
  { fr: 0x04, name: 'LGN.1.1: the address is 2^48', set: withFpd, address: 1n << 48n },
  {
    fr: 0x04,
    name: 'LGN.1.1: the address is above MGAW',
    options: { mgaw: 40, haw: 40 },
    set: withFpd,
    address: 1n << 40n,
  },
  {
    fr: 0x04,
    name: 'LGN.1.2: the translated address is above HAW',
    set: context(tableAt(4) | 5n, 2n | DID),
    address: 1n << 48n,
    request: { addressType: 'translated' },
  },
  {
    fr: 0x04,
    name: 'LGN.1.3: the pass-through address is above HAW',
    options: { haw: 40 },
    set: context(9n, 2n | DID),
    address: 1n << 40n,
  },
  { fr: 0x05, name: 'LGN.2: R without W', set: entry(1, DATA | READ), only: 'write' },
  { fr: 0x05, name: 'LGN.2: the page is not present', set: entry(1, 0n), only: 'write' },
  { fr: 0x05, name: 'LGN.2: a table is not present', set: entry(3, 0n), only: 'write' },
  { fr: 0x05, name: 'LGN.2: an upper level has no W', set: entry(4, tableAt(3) | READ), only: 'write' },
  { fr: 0x06, name: 'LGN.3: W without R', set: entry(1, DATA | WRITE), only: 'read' },
  { fr: 0x06, name: 'LGN.3: the page is not present', set: entry(1, 0n), only: 'read' },
  { fr: 0x06, name: 'LGN.3: an upper level has no R', set: entry(2, tableAt(1) | WRITE), only: 'read' },
  { fr: 0x07, name: 'LSS.1: the PDPE cannot be read', set: entry(4, HOLE | BOTH) },
  { fr: 0x07, name: 'LSS.1: the PDE cannot be read', set: entry(3, HOLE | BOTH) },
  { fr: 0x07, name: 'LSS.1: the PTE cannot be read', set: entry(2, HOLE | BOTH) },
  { fr: 0x08, name: 'LRT.1: the root entry cannot be read', set: withFpd, rtaddr: HOLE, unqualified: true },
  { fr: 0x09, name: 'LCT.1: the context entry cannot be read', set: (b) => b.root(HOLE | 1n), unqualified: true },
  { fr: 0x0a, name: 'LRT.3: bit 1 of the root entry is set', set: (b) => b.root(CONTEXT | 3n), unqualified: true },
  { fr: 0x0b, name: 'LCT.3: bit 4 of the context entry is set', set: context(tableAt(4) | 0x11n, 2n | DID) },
  { fr: 0x0c, name: 'LSS.2: bit 11 of a PML4E is set', set: entry(4, tableAt(3) | BOTH | 0x800n) },
  { fr: 0x0c, name: 'LSS.2: bit 12 of a 2 MiB page is set', set: entry(2, 0x20_1000n | BOTH | PS) },
  { fr: 0x0c, name: 'LSS.2: bit 62 of a PTE is set', set: entry(1, DATA | BOTH | (1n << 62n)) },
  {
    fr: 0x0d,
    name: 'LCT.5: a translated request meets TT=00',
    set: withFpd,
    request: { addressType: 'translated' },
  },
  {
    fr: 0x0d,
    name: 'LCT.5: a translated request meets TT=10',
    set: context(9n, 2n | DID),
    request: { addressType: 'translated' },
  },
  {
    fr: 0x0e,
    name: 'LGN.4: the output of an untranslated request is in FEEx_xxxxh',
    set: entry(1, 0xfee0_0000n | BOTH),
  },
  {
    fr: 0x0e,
    name: 'LGN.4: the address of a translated request is in FEEx_xxxxh',
    set: context(tableAt(4) | 5n, 2n | DID),
    address: 0xfeed_c000n,
    request: { addressType: 'translated' },
  },
  { fr: 0x29, name: '29h: a read of FEEx_xxxxh', set: withFpd, address: 0xfee0_0000n, only: 'read', unqualified: true },
  {
    fr: 0x29,
    name: '29h: a write of 8 bytes to FEEx_xxxxh',
    set: withFpd,
    address: 0xfeef_fff8n,
    only: 'write',
    request: { length: 8 },
    unqualified: true,
  },
  {
    fr: 0x30,
    name: 'RTA.1.1: TTM is 11 and ADMS is 0',
    set: withFpd,
    rtaddr: ROOT | 0xc00n,
    unqualified: true,
    rows: ['RTADDR_REG.TTM'],
  },
  { fr: 0x30, name: 'RTA.1.2: TTM is 10', set: withFpd, rtaddr: ROOT | 0x800n, unqualified: true },
  { fr: 0x30, name: 'RTA.1.3: TTM is 01 and SMTS is 0', set: withFpd, rtaddr: ROOT | 0x400n, unqualified: true },
  {
    fr: 0x30,
    name: 'RTA.1.4: SSIRWE is 1 and TTM is 00',
    options: { ssirws: true },
    set: withFpd,
    rtaddr: ROOT | 0x80n,
    unqualified: true,
    rows: ['RTADDR_REG.SSIRWE', 'ECAP_REG.SSIRWS'],
  },
  { fr: 0x31, name: 'RTA.2: a request with PASID', set: withFpd, request: { pasid: 5 }, unqualified: true },
  {
    fr: 0x33,
    name: 'RTA.4: TTM is 11 and ADMS is 1',
    options: { adms: true },
    set: withFpd,
    rtaddr: ROOT | 0xc00n,
    unqualified: true,
    rows: ['ECAP_REG.ADMS'],
  },
];

const cases = CONDITIONS.flatMap((one) =>
  (['read', 'write'] as const)
    .filter((kind) => one.only === undefined || one.only === kind)
    .map((kind) => [`${one.name} (${kind})`, { ...one, kind }] as const),
);

function arrange(one: Condition, fpd: bigint): Bench {
  const bench = new Bench({ ...one.options, ram: RAM });
  bench.usual();
  one.set(bench, fpd);
  return bench.enable(one.rtaddr);
}

function attempt(bench: Bench, one: (typeof cases)[number][1]) {
  const { length = 4, ...request } = one.request ?? {};
  const address = one.address ?? 0x123n;
  const write = one.kind === 'write';
  const body = write ? { data: new Uint8Array(length).fill(0xa5) } : { length };
  return bench.rig.dma({ requester: SID, ...request, address, write, ...body });
}

describe('A blocked request in legacy mode', () => {
  it.each(cases)('is answered and recorded: %s.', (_, one) => {
    proves(one.name.slice(0, one.name.indexOf(':')), ...(one.rows ?? []));
    const bench = arrange(one, 0n);
    const address = one.address ?? 0x123n;
    const result = attempt(bench, one);
    expect(result).toMatchObject({ ok: false, status: one.kind === 'write' ? 'dropped' : 'UR' });
    expect(result).toMatchObject({ fault: { code: one.fr, recorded: true, requester: SID } });
    const record = bench.record();
    expect(code(record.fr)).toBe(code(one.fr));
    expect(record).toMatchObject({
      f: true,
      sid: SID,
      t1: one.kind === 'write' ? 0 : 1,
      t2: 0,
      at: one.request?.addressType === 'translated' ? 2 : 0,
      pp: 0,
    });
    // Bits of FI above the largest AGAW read 0 (vtd.md 1.9); 29h leaves FI undefined.
    if (one.fr !== 0x29 && address >> 48n === 0n) expect(record.fi).toBe(address & ~0xfffn);
    expect(record.raw[0] & 0xfffn).toBe(0n);
    expect(bench.get(REG.FSTS)).toBe(2n);
    expect(bench.read64(DATA)).toBe(0n);
    expect(bench.read64(DATA + 0x120n)).toBe(0n);
  });

  it.each(cases)('is recorded under FPD only when the fault is not qualified: %s.', (_, one) => {
    if (one.unqualified !== true) proves('context entry.FPD');
    const bench = arrange(one, FPD);
    const result = attempt(bench, one);
    const recorded = one.unqualified === true;
    expect(result).toMatchObject({ ok: false, fault: { code: one.fr, recorded } });
    expect(bench.record().f).toBe(recorded);
    expect(bench.get(REG.FSTS)).toBe(recorded ? 2n : 0n);
  });
});

describe('Reserved bits', () => {
  it.each([39, 48, 52])('of a root entry are 11:1, 127:64 and those from HAW on, with HAW %i.', (haw) => {
    const bench = new Bench({ haw, mgaw: 57, ram: RAM }).usual().enable();
    for (let n = 1; n < 128; n++) {
      const lo = n < 64 ? 1n << BigInt(n) : 0n;
      const hi = n < 64 ? 0n : 1n << BigInt(n - 64);
      bench.root(CONTEXT | 1n | lo, hi);
      const reserved = n <= 11 || n >= haw;
      const result = bench.probe(0n);
      if (reserved) expect(result, `bit ${n}`).toMatchObject({ ok: false, fault: { code: 0x0a } });
      else if (CONTEXT & lo) expect(result, `bit ${n}`).toMatchObject({ ok: true });
      // The context table is then elsewhere: past RAM, or where nothing is present.
      else expect(result, `bit ${n}`).toMatchObject({ ok: false, fault: { code: lo >= 0x100_0000n ? 0x09 : 0x02 } });
    }
  });

  it.each([39, 48, 52])('of a context entry are 11:4, 71, 127:88 and those from HAW on, with HAW %i.', (haw) => {
    proves('context entry.IGNORED_70_67');
    const bench = new Bench({ haw, mgaw: 57, ram: RAM }).usual().enable();
    for (let n = 4; n < 128; n++) {
      if (n >= 64 && n <= 66) continue;
      const lo = n < 64 ? 1n << BigInt(n) : 0n;
      const hi = n < 64 ? 0n : 1n << BigInt(n - 64);
      bench.context(tableAt(4) | 1n | lo, 2n | hi);
      const reserved = n <= 11 || (n >= haw && n < 64) || n === 71 || n >= 88;
      const result = bench.probe(0n);
      const found = result.ok ? 'ok' : result.fault!.code === 0x0b ? 'reserved' : 'elsewhere';
      const elsewhere = n < 64 && (tableAt(4) & lo) === 0n;
      expect(found, `bit ${n}`).toBe(reserved ? 'reserved' : elsewhere ? 'elsewhere' : 'ok');
    }
  });

  it('of a context entry are not those of SSPTPTR from HAW on with TT=10, because the field is ignored.', () => {
    const bench = new Bench({ haw: 39, mgaw: 48 }).usual().enable();
    bench.context((1n << 63n) | (1n << 40n) | 9n, 2n | DID);
    expect(bench.probe(0x5000n)).toMatchObject({ ok: true, segments: [{ address: 0x5000n }] });
  });

  it.each([0, 1, 2, 3, 4, 5, 6])('of DID are those above 4 + 2 * ND bits, with ND %i.', (nd) => {
    if (nd > 0) proves('CAP_REG.ND');
    const bench = new Bench({ nd }).usual().enable();
    for (let n = 0; n < 16; n++) {
      bench.context(tableAt(4) | 1n, 2n | (1n << BigInt(8 + n)));
      expect(bench.probe(0n).ok, `bit ${n}`).toBe(n < 4 + 2 * nd);
    }
  });

  it('count only in an entry that is present.', () => {
    const bench = new Bench().usual().enable();
    bench.context(~3n & 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn);
    expect(bench.probe(0n)).toMatchObject({ ok: false, fault: { code: 0x02 } });
    bench.root(0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn);
    expect(bench.probe(0n)).toMatchObject({ ok: false, fault: { code: 0x01 } });
  });
});
