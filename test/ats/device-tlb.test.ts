import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEVICE_TLB,
  DeviceTlb,
  type DeviceTlbSpec,
  type Invalidation,
  NO_ACCESS,
  Permission,
  type Place,
  type TranslationEntry,
} from '../../hardware/ats/index.ts';
import { highOf, joinHalves, lowOf } from '../../hardware/bits/index.ts';
import { NO_PASID } from '../../hardware/pcie/index.ts';

const { READ, WRITE, EXECUTE } = Permission;
const WHOLE = 1n << 64n;

function tlb(spec: Partial<DeviceTlbSpec> = {}): DeviceTlb {
  return new DeviceTlb({ ...DEVICE_TLB, ...spec });
}

function at(address: bigint, pasid = NO_PASID, privileged = false): Place {
  return { hi: highOf(address), lo: lowOf(address), pasid, privileged };
}

function to(address: bigint, said: Partial<TranslationEntry> = {}): TranslationEntry {
  return { ...NO_ACCESS, read: true, write: true, hi: highOf(address), lo: lowOf(address), ...said };
}

function range(address: bigint, said: Partial<Invalidation> = {}): Invalidation {
  const { hi, lo } = at(address);
  return { agent: 0, tag: 0, pasid: NO_PASID, global: false, hi, lo, shift: 12, ...said };
}

/** Where the byte is found, or null. */
function found(cache: DeviceTlb, place: Place, needed: number = READ): bigint | null {
  return cache.find(place, needed) ? joinHalves(cache.hi, cache.lo) : null;
}

describe('A device-TLB', () => {
  it('finds every byte of a range at its offset, and none beside it.', () => {
    const cache = tlb();
    cache.insert(at(0x40_3000n), to(0x12_3440_0000n, { shift: 21 }));
    expect(found(cache, at(0x40_0000n))).toBe(0x12_3440_0000n);
    expect(found(cache, at(0x5f_ffffn))).toBe(0x12_345f_ffffn);
    expect(found(cache, at(0x3f_ffffn))).toBeNull();
    expect(found(cache, at(0x60_0000n))).toBeNull();
    expect(found(cache, at(0x1_0040_0000n))).toBeNull();
  });

  it('never holds an entry by which nothing is allowed.', () => {
    const cache = tlb();
    expect(cache.insert(at(0x1000n), to(0x5000n, { read: false, write: false, execute: true }))).toBe(false);
    expect(cache.entries()).toEqual([]);
  });

  it('keeps PASIDs apart, and requests without a PASID from PASID 0.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n), to(0x10_0000n));
    cache.insert(at(0x1000n, 0), to(0x20_0000n));
    cache.insert(at(0x1000n, 0xf_ffff), to(0x30_0000n));
    expect(found(cache, at(0x1234n))).toBe(0x10_0234n);
    expect(found(cache, at(0x1234n, 0))).toBe(0x20_0234n);
    expect(found(cache, at(0x1234n, 0xf_ffff))).toBe(0x30_0234n);
    expect(found(cache, at(0x1234n, 1))).toBeNull();
  });

  it('keeps privileged mode apart: its permissions say nothing about the other.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n, 5, true), to(0x10_0000n, { privileged: true }));
    expect(found(cache, at(0x1000n, 5))).toBeNull();
    expect(found(cache, at(0x1000n, 5, true))).toBe(0x10_0000n);
  });

  it.each([
    ['read', { read: true, write: false }, READ],
    ['written', { read: false, write: true }, WRITE],
    ['read and executed', { read: true, write: false, execute: true }, READ | EXECUTE],
    ['read, as execution without R means nothing', { read: true, write: false, execute: false }, READ],
  ])('is hit where a page may be %s by accesses that need no more.', (_, said, allowed) => {
    const cache = tlb();
    cache.insert(at(0x1000n), to(0x10_0000n, said));
    for (let needed = 0; needed < 8; needed++) {
      expect(found(cache, at(0x1000n), needed) !== null, `${needed}`).toBe((needed & ~allowed) === 0);
    }
  });

  it('says where only untranslated requests may go, and where No Snoop may not be said.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n), to(0n, { untranslatedOnly: true }));
    cache.insert(at(0x2000n), to(0n, { snooped: true }));
    cache.find(at(0x1000n), READ);
    expect([cache.untranslatedOnly, cache.snooped]).toEqual([true, false]);
    cache.find(at(0x2000n), READ);
    expect([cache.untranslatedOnly, cache.snooped]).toEqual([false, true]);
  });

  it('gives a Global entry to every PASID, but not to requests without one.', () => {
    const cache = tlb({ global: true });
    cache.insert(at(0x1000n, 5), to(0x10_0000n, { global: true }));
    expect(found(cache, at(0x1000n, 6))).toBe(0x10_0000n);
    expect(found(cache, at(0x1000n))).toBeNull();
    expect(found(cache, at(0x1000n, 6, true))).toBeNull();
  });

  it('that does not know Global entries keeps them under their PASID.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n, 5), to(0x10_0000n, { global: true }));
    expect(found(cache, at(0x1000n, 6))).toBeNull();
    cache.invalidate(range(0x1000n, { pasid: 5 }));
    expect(found(cache, at(0x1000n, 5))).toBeNull();
  });

  it('holds the newer of two entries of one page, whatever their sizes.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n), to(0x10_0000n, { write: false }));
    cache.insert(at(0x1000n), to(0x20_0000n, { shift: 21 }));
    expect(found(cache, at(0x1000n), READ | WRITE)).toBe(0x20_1000n);
    expect(cache.entries()).toHaveLength(1);
  });

  it('holds a translation of the whole space as the half in which the address lies.', () => {
    const cache = tlb();
    cache.insert(at(WHOLE - 1n), to(0n, { shift: 64 }));
    expect(found(cache, at(WHOLE - 0x1000n))).toBe(WHOLE - 0x1000n);
    expect(found(cache, at(0n))).toBeNull();
    cache.insert(at(0n), to(0n, { shift: 64 }));
    expect(found(cache, at(0x1234_5678_9abcn))).toBe(0x1234_5678_9abcn);
  });

  it('lets the least recently used entry of a set go.', () => {
    const cache = tlb({ sets: 1, ways: 2 });
    cache.insert(at(0x1000n), to(0x10_0000n));
    cache.insert(at(0x2000n), to(0x20_0000n));
    cache.find(at(0x1000n), READ);
    cache.insert(at(0x3000n), to(0x30_0000n));
    expect(cache.entries().map(({ page }) => page)).toEqual([1, 3]);
  });
});

describe('An invalidation of a device-TLB', () => {
  const full = (): DeviceTlb => {
    const cache = tlb({ global: true });
    cache.insert(at(0x1000n), to(0x10_0000n));
    cache.insert(at(0x9000n), to(0x10_0000n));
    cache.insert(at(0x1000n, 5), to(0x20_0000n));
    cache.insert(at(0x9000n, 5), to(0x20_0000n));
    cache.insert(at(0x1000n, 6), to(0x30_0000n));
    cache.insert(at(0x1000n, 7, true), to(0x40_0000n, { privileged: true, global: true }));
    return cache;
  };
  const left = (cache: DeviceTlb): string[] =>
    cache.entries().map(({ pasid, page, global }) => `${global ? 'global' : pasid}:${page}`);

  it.each<[string, Partial<Invalidation>, string[]]>([
    ['under a PASID drops its range of that PASID alone', { pasid: 5 }, ['-1:1', '-1:9', '5:9', '6:1', 'global:1']],
    ['with Global Invalidate drops its range of every PASID', { pasid: 9, global: true }, ['-1:1', '-1:9', '5:9']],
    ['without a PASID drops its range of what has none, and all that has one', {}, ['-1:9']],
    ['of nothing that is held drops nothing', { pasid: 8 }, ['-1:1', '-1:9', '5:1', '5:9', '6:1', 'global:1']],
  ])('%s.', (_, said, expected) => {
    const cache = full();
    cache.invalidate(range(0x1000n, said));
    expect(left(cache)).toEqual(expected);
  });

  it('ignores Global Invalidate where that is not supported.', () => {
    const cache = tlb();
    cache.insert(at(0x1000n, 5), to(0n));
    cache.insert(at(0x1000n, 6), to(0n));
    expect(cache.invalidate(range(0x1000n, { pasid: 6, global: true }))).toBe(1);
    expect(left(cache)).toEqual(['5:1']);
  });

  it('drops an entry whole of which it names a part.', () => {
    const cache = tlb();
    cache.insert(at(0x20_0000n), to(0n, { shift: 21 }));
    expect(cache.invalidate(range(0x3f_f000n))).toBe(1);
    expect(found(cache, at(0x20_0000n))).toBeNull();
  });

  it('of everything leaves nothing.', () => {
    const cache = full();
    expect(cache.invalidate(range(0n, { shift: 64 }))).toBe(6);
    expect(cache.entries()).toEqual([]);
  });

  it('by the end of a PASID drops what was asked for under it and is not Global.', () => {
    const cache = full();
    cache.removePasid(5);
    cache.removePasid(7);
    expect(left(cache)).toEqual(['-1:1', '-1:9', '6:1', 'global:1']);
  });
});

describe('Any history of a device-TLB', () => {
  const pasid = fc.constantFrom(NO_PASID, 0, 1, 0xf_ffff);
  const address = fc.nat(63).map((page) => BigInt(page) << 12n);
  const shift = fc.constantFrom(12, 13, 14, 16, 18);
  const insert = fc.record({
    kind: fc.constant('insert' as const),
    pasid,
    address,
    shift,
    allowed: fc.nat(3),
    global: fc.boolean(),
  });
  const drop = fc.record({ kind: fc.constant('drop' as const), pasid, address, shift, global: fc.boolean() });

  /** Pages by PASID, without sizes and sets. */
  const key = (who: number, page: number): string => `${who}:${page}`;

  it('gives only what was inserted last and not invalidated since.', () => {
    const history = fc.array(fc.oneof(insert, drop), { maxLength: 40 });
    const geometry = fc.constantFrom({ sets: 1, ways: 2 }, { sets: 2, ways: 2 }, { sets: 16, ways: 4 });
    fc.assert(
      fc.property(history, geometry, fc.boolean(), (events, size, global) => {
        const cache = tlb({ ...size, global });
        // Under NO_PASID - 1 stands what is Global.
        const GLOBAL = -2;
        const twin = new Map<string, { frame: number; allowed: number }>();
        events.forEach((event, n) => {
          const first = Number(event.address >> BigInt(event.shift)) * 2 ** (event.shift - 12);
          const pages = Array.from({ length: 2 ** (event.shift - 12) }, (_, i) => first + i);
          if (event.kind === 'insert') {
            const isGlobal = event.global && global && event.pasid !== NO_PASID;
            const frame = (n + 1) * 64;
            const said = { shift: event.shift, read: (event.allowed & 1) !== 0, write: (event.allowed & 2) !== 0 };
            cache.insert(at(event.address, event.pasid), to(BigInt(frame) << 12n, { ...said, global: event.global }));
            if (event.allowed === 0) return;
            pages.forEach((page, i) => {
              twin.set(key(isGlobal ? GLOBAL : event.pasid, page), { frame: frame + i, allowed: event.allowed });
            });
            return;
          }
          cache.invalidate(
            range(BigInt(first) << 12n, { pasid: event.pasid, global: event.global, shift: event.shift }),
          );
          for (const each of [...twin.keys()]) {
            const [who, page] = each.split(':').map(Number) as [number, number];
            const inRange = pages.includes(page);
            const meant =
              event.pasid === NO_PASID
                ? who !== NO_PASID || inRange
                : inRange && (event.global && global ? who !== NO_PASID : who === event.pasid);
            if (meant) twin.delete(each);
          }
        });
        for (const who of [NO_PASID, 0, 1, 0xf_ffff]) {
          for (let page = 0; page < 64; page++) {
            for (const needed of [READ, WRITE]) {
              const got = found(cache, at(BigInt(page) << 12n, who), needed);
              if (got === null) continue;
              const mine = [twin.get(key(who, page)), who === NO_PASID ? undefined : twin.get(key(GLOBAL, page))];
              const right = mine.some(
                (one) => one !== undefined && (one.allowed & needed) !== 0 && one.frame === Number(got >> 12n),
              );
              expect(right, `PASID ${who}, page ${page}`).toBe(true);
            }
          }
        }
      }),
    );
  });
});
