/** The performance counters of AMD-Vi, programmed as Linux does it (fact sheet 1.8). */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Counters } from '../../hardware/amdvi/counters.ts';
import { joinWords } from '../../hardware/bits/index.ts';
import { NO_DOMAIN, NO_PASID, NO_REQUESTER } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { Parts } from './parts.ts';

const REPORT = 1n << 63n;
const ON = 1n << 31n;
const MEM_TRANS_TOTAL = 0x05;
const CMD_PROCESSED = 0x11;

let parts: Parts;
let counters: Counters;
let logged: bigint[][];
let changes: number;

const at = (bank: number, counter: number): number => 0x4_0000 + bank * 0x1000 + counter * 0x100;
const count = (bank = 0, counter = 0): bigint => parts.get(at(bank, counter));

function source(event: number, bank = 0, counter = 0): void {
  parts.set(at(bank, counter) + 0x08, BigInt(event));
}

beforeEach(() => {
  parts = new Parts();
  logged = [];
  changes = 0;
  const log = (entry: Uint32Array): void => {
    logged.push([joinWords(entry, 0, 2), joinWords(entry, 2, 2)]);
  };
  counters = new Counters(parts.page.file, log, () => {
    changes++;
  });
});

describe('A counter', () => {
  it('counts its source and nothing else.', () => {
    proves('Counter Source.CSource', 'Extended Feature.PCSup');
    source(MEM_TRANS_TOTAL);
    source(CMD_PROCESSED, 1, 3);
    counters.count(MEM_TRANS_TOTAL, 0x0108, 5, NO_PASID, 0);
    counters.count(MEM_TRANS_TOTAL, 0x0200, 6, 7, 0);
    counters.count(CMD_PROCESSED, NO_REQUESTER, NO_DOMAIN, NO_PASID, 0);
    counters.count(0x06, 0x0108, 5, NO_PASID, 0);
    expect([count(), count(1, 3), count(0, 1)]).toEqual([2n, 1n, 0n]);
  });

  it('goes on from what software wrote, beyond 32 bits.', () => {
    parts.set(at(0, 2), 0xffff_ffffn);
    source(MEM_TRANS_TOTAL, 0, 2);
    counters.count(MEM_TRANS_TOTAL, 0x0108, 5, NO_PASID, 0);
    expect(count(0, 2)).toBe(0x1_0000_0000n);
  });

  it('makes the unit tell of events only while a source is set.', () => {
    expect(counters.active).toBeNull();
    source(CMD_PROCESSED);
    expect([counters.active, changes]).toEqual([counters, 1]);
    source(0);
    expect([counters.active, changes]).toEqual([null, 2]);
    source(CMD_PROCESSED);
    parts.page.file.reset();
    counters.reset();
    expect([counters.active, changes]).toEqual([null, 4]);
  });

  it('with a source of the implementation’s own counts nothing.', () => {
    proves('Counter Source.CAC');
    parts.set(at(0, 0) + 0x08, BigInt(MEM_TRANS_TOTAL) | ON);
    expect(counters.active).toBeNull();
    counters.count(MEM_TRANS_TOTAL, 0x0108, 5, NO_PASID, 0);
    expect(count()).toBe(0n);
  });
});

describe('A match', () => {
  // Offset of the register, what it is compared with, and the request that has it.
  const MATCHES = [
    ['PASID', 0x10, 20, (value: number) => [0x0108, 5, value], ['PasidMatch', 'PasMEn', 'PasidMask']],
    ['Domain', 0x18, 16, (value: number) => [0x0108, value, NO_PASID], ['DomainMatch', 'DomMEn', 'DomainMask']],
    ['DeviceID', 0x20, 16, (value: number) => [value, 5, NO_PASID], ['DeviceIDMatch', 'DIDMEn', 'DeviceIDMask']],
  ] as const;

  it.each(MATCHES)(
    'of the %s lets pass what is equal in the bits of its mask.',
    (register, offset, bits, request, fields) => {
      proves(...fields.map((field) => `Counter ${register} Match.${field}`));
      const value = fc.nat(2 ** bits - 1);
      source(MEM_TRANS_TOTAL);
      fc.assert(
        fc.property(value, value, value, fc.boolean(), (wanted, mask, actual, on) => {
          parts.set(at(0, 0), 0n);
          parts.set(at(0, 0) + offset, (on ? ON : 0n) | BigInt(wanted) | (BigInt(mask) << 32n));
          const [requester, domain, pasid] = request(actual);
          counters.count(MEM_TRANS_TOTAL, requester!, domain!, pasid!, 0);
          const passes = !on || (BigInt(actual) & BigInt(mask)) === (BigInt(wanted) & BigInt(mask));
          expect(count()).toBe(passes ? 1n : 0n);
        }),
      );
    },
  );

  it.each(MATCHES)('of the %s keeps out what has none, even where the mask is 0.', (_, offset, __, request) => {
    source(MEM_TRANS_TOTAL);
    parts.set(at(0, 0) + offset, ON);
    const [requester, domain, pasid] = request(-1);
    counters.count(MEM_TRANS_TOTAL, requester!, domain!, pasid!, 0);
    expect(count()).toBe(0n);
  });

  it('has to hold together with the others.', () => {
    source(MEM_TRANS_TOTAL);
    parts.set(at(0, 0) + 0x18, ON | (0xffffn << 32n) | 5n);
    parts.set(at(0, 0) + 0x20, ON | (0xff00n << 32n) | 0x0100n);
    for (const [requester, domain] of [
      [0x0108, 5],
      [0x01ff, 5],
      [0x0200, 5],
      [0x0108, 6],
    ] as const) {
      counters.count(MEM_TRANS_TOTAL, requester, domain, NO_PASID, 0);
    }
    expect(count()).toBe(2n);
  });

  it.each([
    ['PASID', 0x4008, 0x10],
    ['Domain', 0x4010, 0x18],
    ['DeviceID', 0x4018, 0x20],
  ])('of the %s cannot be changed while its bank is locked.', (register, lock, offset) => {
    proves(`Counter ${register} Bank Lock.Lock`);
    const write = (bank: number, value: bigint): bigint => {
      parts.set(at(bank, 3) + offset, value);
      return parts.get(at(bank, 3) + offset);
    };
    parts.set(lock, 0b10n);
    expect([write(0, 0x12n), write(1, 0x12n)]).toEqual([0x12n, 0n]);
    parts.set(lock, 0b01n);
    expect([write(0, 0x34n), write(1, 0x34n)]).toEqual([0x12n, 0x34n]);
  });

  it('of another kind is not locked with it.', () => {
    parts.set(0x4008, 0b1n);
    parts.set(at(0, 0) + 0x18, 7n);
    parts.set(at(0, 0) + 0x08, 5n);
    expect([parts.get(at(0, 0) + 0x18), parts.get(at(0, 0) + 0x08)]).toEqual([7n, 5n]);
  });
});

describe('A counter that comes round to 0', () => {
  beforeEach(() => {
    parts.set(at(0, 1), 0xffff_ffff_fffen);
    source(CMD_PROCESSED, 0, 1);
  });

  const event = (): void => counters.count(CMD_PROCESSED, NO_REQUESTER, NO_DOMAIN, NO_PASID, 0);

  it('logs EVENT_COUNTER_ZERO with its note.', () => {
    proves(
      'Counter Report.CERE',
      'Counter Report.EventNote',
      'EVENT_COUNTER_ZERO.EventCode',
      'EVENT_COUNTER_ZERO.CounterNote_51_32',
      'EVENT_COUNTER_ZERO.CounterNote_31_0',
    );
    parts.set(at(0, 1) + 0x28, REPORT | 0x000a_bcde_1234_5678n);
    event();
    expect(logged).toEqual([]);
    event();
    expect(logged).toEqual([[0xa000_0000_0000_0000n, 0x1234_5678_000a_bcden]]);
    expect(count(0, 1)).toBe(0n);
    event();
    expect(logged).toHaveLength(1);
  });

  it('logs nothing unless CERE is 1.', () => {
    parts.set(at(0, 1) + 0x28, 0x000a_bcde_1234_5678n);
    event();
    event();
    expect([count(0, 1), logged]).toEqual([0n, []]);
  });
});

describe('The reserved register', () => {
  it('counts reads and writes of any of its bytes as event 14h.', () => {
    parts.page.counters = counters;
    source(0x14);
    parts.set(0x1ff8, 1n);
    parts.get(0x1ff8);
    parts.page.read(0x1fff, 1);
    expect(count()).toBe(3n);
    parts.page.read(0x1ff4, 4);
    parts.page.read(0x2000, 4);
    parts.page.read(0x1ff9, 4);
    expect(count()).toBe(3n);
  });
});
