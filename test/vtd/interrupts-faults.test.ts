/** Every fault reason of interrupts (vtd.md section 4.2), through tables and messages, read back from the records. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  CONTROL,
  FPD,
  FROM_DEVICE,
  flush,
  ON,
  PID,
  POSTED,
  POSTED_HIGH,
  pir,
  posting,
  request,
  send,
  TO_23,
  vector,
} from './posting.ts';
import { Bench, type BenchOptions, CFI, IRT, REG, SID } from './tables.ts';

/** A requester that is not the usual one, so that the record's SID is telling. */
const SENDER = 0x1a2b;
/** RAM for the tables and for the descriptor, and a hole between them. */
const RAM: BenchOptions['ram'] = [
  [0n, 0x100_0000n],
  [0x1_0000_0000n, 0x100_0000n],
];

interface Condition {
  readonly fault: string;
  readonly what: string;
  /** Before or instead of the usual state: remapping on, entry 3 posts, entry 4 remaps. */
  readonly make?: (fpd: bigint) => Bench;
  readonly set?: (bench: Bench, fpd: bigint) => unknown;
  readonly address?: bigint;
  readonly data?: number;
  /** Index in the record; where the specification leaves it undefined, nothing is expected. */
  readonly index?: number;
  readonly qualified?: true;
}

const posted = (lo = 0n, hi = 0n) => ({
  set: (bench: Bench, fpd: bigint) => bench.irte(3, POSTED | vector(0x41) | fpd | lo, POSTED_HIGH | hi),
  index: 3,
});
const remapped = (lo: bigint, hi = 0n) => ({
  set: (bench: Bench, fpd: bigint) => bench.irte(4, lo | fpd, hi),
  address: request(4),
  index: 4,
});

const CONDITIONS: readonly Condition[] = [
  { fault: '20h', what: 'SHV and data bit 16', address: request(3) | 8n, data: 0x1_0000 },
  { fault: '20h', what: 'SHV and data bit 31', address: request(3) | 8n, data: 0x8000_0000 },
  { fault: '21h', what: 'the first index beyond the table', address: request(0x100), index: 0x100 },
  { fault: '21h', what: 'handle plus subhandle beyond the table', address: request(0xff) | 8n, data: 2, index: 0x101 },
  {
    fault: '21h',
    what: 'an entry above HAW',
    make: () => new Bench({ pi: true, haw: 39, ram: RAM }).enableInterrupts({ table: 0x80_0000_0000n }),
    index: 3,
  },
  { fault: '22h', what: 'P=0 in an entry that would post', ...posted(0n), ...absent(3), qualified: true },
  { fault: '22h', what: 'P=0 in an entry that would remap', ...absent(4), qualified: true },
  {
    fault: '23h',
    what: 'a table where nothing is',
    make: () => new Bench({ pi: true, ram: RAM }).enableInterrupts({ table: 0x8000_0000n }),
    index: 3,
  },
  { fault: '24h', what: 'bit 2 of a posted entry', ...posted(4n), qualified: true },
  { fault: '24h', what: 'bit 24 of a posted entry', ...posted(1n << 24n), qualified: true },
  { fault: '24h', what: 'bit 84 of a posted entry', ...posted(0n, 1n << 20n), qualified: true },
  { fault: '24h', what: 'a descriptor above HAW', ...posted(0n, 1n << 48n), qualified: true },
  { fault: '24h', what: 'bit 14 of a remapped entry', ...remapped(0x4001n), qualified: true },
  { fault: '24h', what: 'SVT 11', ...remapped(0x0041_0001n, 0xc_0000n), qualified: true },
  { fault: '25h', what: 'compatibility format', address: 0xfee0_1000n },
  { fault: '26h', what: 'a posted entry for another', ...posted(0n, FROM_DEVICE), qualified: true },
  { fault: '26h', what: 'a remapped entry for another', ...remapped(0x0041_0001n, FROM_DEVICE), qualified: true },
  {
    fault: '27h',
    what: 'a descriptor where nothing is',
    set: (bench, fpd) => bench.irte(3, POSTED | vector(0x41) | fpd, 0x0000_0002_0000_0000n),
    index: 3,
    qualified: true,
  },
  { fault: '28h', what: 'bit 258 of the descriptor', ...descriptor(32n, 4n), qualified: true },
  { fault: '28h', what: 'bit 319, in xAPIC mode', ...descriptor(32n, 1n << 63n), qualified: true },
  { fault: '28h', what: 'bit 511 of the descriptor', ...descriptor(56n, 1n << 63n), qualified: true },
  {
    fault: '2Ah',
    what: 'xAPIC mode where x2APIC mode is required',
    make: () => new Bench({ pi: true, eimer: true }).enableInterrupts(),
  },
  { fault: '2Bh', what: 'remapping off where it is required', make: () => new Bench({ pi: true, irreq: true }) },
];

function absent(index: number) {
  return { set: (bench: Bench, fpd: bigint) => bench.irte(index, fpd | 0x8000n), address: request(index), index };
}

function descriptor(at: bigint, bits: bigint) {
  return {
    set: (bench: Bench, fpd: bigint) =>
      posted()
        .set(bench, fpd)
        .write64(PID + at, bits | (at === 32n ? TO_23 : 0n)),
    index: 3,
  };
}

function arrange({ make, set }: Condition, fpd: bigint): Bench {
  const bench = make?.(fpd) ?? posting({ ram: RAM });
  set?.(bench, fpd);
  return bench;
}

describe('A blocked interrupt', () => {
  it.each(CONDITIONS)('is recorded with its sender and index: $fault, $what', (one) => {
    proves(one.fault);
    const bench = arrange(one, 0n);
    expect(send(bench, one.address, one.data, SENDER)).toBe(one.fault);
    const record = bench.record();
    expect(record).toMatchObject({ f: true, fr: Number.parseInt(one.fault, 16), sid: SENDER, t1: 0, at: 0, pp: 0 });
    if (one.index !== undefined) expect(record.fi).toBe(BigInt(one.index) << 48n);
    expect(bench.get(REG.FSTS)).toBe(2n);
    expect(pir(bench)).toEqual([0n, 0n, 0n, 0n]);
    expect(bench.read64(CONTROL) & ON).toBe(0n);
  });

  it.each(CONDITIONS)('under FPD is recorded only when the fault is not qualified: $fault, $what', (one) => {
    if (one.qualified === true && one.what.includes('posted')) proves('IRTE (posted).FPD');
    const bench = arrange(one, FPD);
    if (one.set === undefined) bench.irte(3, POSTED | FPD, POSTED_HIGH);
    expect(send(bench, one.address, one.data, SENDER)).toBe(one.fault);
    expect(bench.record().f).toBe(one.qualified !== true);
  });

  it.each([4, 8])('is a DWORD and a write: others to FEEx_xxxxh are 29h, with their sender (%i bytes).', (length) => {
    proves('29h');
    const bench = posting().enable();
    const result =
      length === 4 ? bench.read(request(3), 4, SENDER) : bench.write(request(3), SENDER, new Uint8Array(8));
    expect(result).toMatchObject({ ok: false, fault: { code: 0x29, recorded: true } });
    expect(bench.record()).toMatchObject({ f: true, fr: 0x29, sid: SENDER });
    expect(bench.messages).toEqual([]);
  });
});

describe('Of two faults of an interrupt', () => {
  it('an absent entry counts before its sender and its reserved bits.', () => {
    expect(send(posting().irte(3, ~1n & (2n ** 64n - 1n), 2n ** 64n - 1n))).toBe('22h');
  });

  it('the sender counts before reserved bits, and SVT 11 before the sender.', () => {
    const wrong = FROM_DEVICE ^ 0x8n;
    const bench = posting().irte(3, POSTED | 0x4n, POSTED_HIGH | wrong);
    expect(send(bench)).toBe('26h');
    expect(send(bench.irte(3, 0x7001n, wrong))).toBe('26h');
    expect(send(bench.irte(3, 0x7001n, wrong | 0x8_0000n))).toBe('24h');
  });

  it('the index counts before the table, and reserved bits of the request before the index.', () => {
    const bench = new Bench({ pi: true, ram: RAM }).enableInterrupts({ table: 0x8000_0000n, size: 0n });
    expect(send(bench, request(2))).toBe('21h');
    expect(send(bench, request(2) | 8n, 0x1_0000)).toBe('20h');
    expect(send(bench, request(1))).toBe('23h');
  });
});

describe('Reserved bits', () => {
  it.each([false, true])('of a posted entry are 7:2, 13:12, 37:24, 95:84 and those above HAW, with EIME %s.', (x2) => {
    const bench = posting({ extended: x2, haw: 40 });
    for (let bit = 1; bit < 128; bit++) {
      const one = 1n << BigInt(bit % 64);
      bench.irte(3, POSTED ^ (bit < 64 && bit !== 15 ? one : 0n), POSTED_HIGH ^ (bit < 64 ? 0n : one));
      flush(bench);
      const reserved =
        (bit >= 2 && bit <= 7) ||
        (bit >= 12 && bit <= 13) ||
        (bit >= 24 && bit <= 37) ||
        (bit >= 84 && bit <= 95) ||
        bit >= 104;
      const found = send(bench);
      if (bit === 82) expect(found, 'SVT 01 and SID 0').toBe('26h');
      else if (reserved) expect(found, `bit ${bit}`).toBe('24h');
      else expect(found, `bit ${bit}`).toBeTypeOf('object');
    }
  });

  it.each([false, true])('of a descriptor are those that no field has, with EIME %s; nothing changes then.', (x2) => {
    const bench = posting({ extended: x2 });
    for (let bit = 0; bit < 512; bit++) {
      const at = PID + BigInt(bit >>> 6) * 8n;
      const one = 1n << BigInt(bit % 64);
      bench.write64(at, one);
      const destination = x2 ? bit >= 288 && bit <= 319 : bit >= 296 && bit <= 303;
      const declared = bit <= 257 || (bit >= 272 && bit <= 279) || destination;
      const found = send(bench);
      if (declared) {
        expect(found, `bit ${bit}`).toBeTypeOf('object');
      } else {
        expect(found, `bit ${bit}`).toBe('28h');
        expect(bench.read64(at)).toBe(one);
        expect(pir(bench)).toEqual([0n, 0n, 0n, 0n]);
      }
      bench.write64(at, 0n).write64(PID, 0n, 0n, 0n, 0n, 0n);
    }
  });

  it('of an entry include IM and, with it, what a posted entry holds when PI is 0.', () => {
    const bench = posting({ pi: false });
    expect(send(bench)).toBe('24h');
    expect(send(bench.irte(3, 0x0041_8001n))).toBe('24h');
    expect(send(bench.irte(3, 0x0041_0001n))).toEqual([{ address: 0xfee0_0000n, data: 0x4041 }]);
  });
});

describe('A message in compatibility format', () => {
  it('passes with CFIS, whatever the table holds, and posts nothing.', () => {
    const bench = posting().command(CFI);
    expect(send(bench, 0xfee1_2000n, 0x31, SID)).toEqual([{ address: 0xfee1_2000n, data: 0x31 }]);
    expect(pir(bench)).toEqual([0n, 0n, 0n, 0n]);
  });
});

describe('Delivery modes', () => {
  it.each([
    { dlm: 0, level: 0xc041 },
    { dlm: 1, level: 0xc141 },
    { dlm: 2, level: 0x4241 },
    { dlm: 4, level: 0x4441 },
    { dlm: 5, level: 0x4541 },
    { dlm: 7, level: 0x4741 },
  ])('with TM 1 are level-triggered only if they may be: DLM $dlm', ({ dlm, level }) => {
    const bench = posting().irte(4, 0x0000_0100_0041_0011n | (BigInt(dlm) << 5n));
    expect(send(bench, request(4))).toEqual([{ address: 0xfee0_1000n, data: level }]);
    bench.write64(IRT + 64n, 0x0000_0100_0041_0001n | (BigInt(dlm) << 5n));
    flush(bench);
    expect(send(bench, request(4))).toEqual([{ address: 0xfee0_1000n, data: level & ~0x8000 }]);
  });
});
