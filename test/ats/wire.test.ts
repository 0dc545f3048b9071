/**
 * What travels: literal values from the layouts of ATS, in both directions. Size codes follow the rule that the lowest 0 bit
 * from bit 12 on gives the size.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeTranslation,
  encodeTranslation,
  halfAt,
  invalidateCompletion,
  invalidateRequest,
  isStopMarker,
  NO_ACCESS,
  overlap,
  pageGroupResponse,
  pageRequest,
  putHalves,
  readInvalidateCompletion,
  readInvalidateRequest,
  readPageGroupResponse,
  readPageRequest,
  sized,
  sizedShift,
  stopMarker,
  type TranslationEntry,
  translationRequestAddress,
} from '../../hardware/ats/index.ts';
import { highOf, joinHalves, lowOf } from '../../hardware/bits/index.ts';
import { MessageRouting, NO_PASID, Tlp, TlpKind } from '../../hardware/pcie/index.ts';

/** [range of bytes as log2, any address in it, address bits and S that name it] */
// biome-ignore format: one size, one line
const SIZES: readonly (readonly [shift: number, within: bigint, named: bigint])[] = [
  [12, 0x1234_5678_9abc_def0n, 0x1234_5678_9abc_d000n], // 4 KiB
  [13, 0x1234_5678_9abc_def0n, 0x1234_5678_9abc_c800n], // 8 KiB: bit 12 is 0
  [14, 0x1234_5678_9abc_def0n, 0x1234_5678_9abc_d800n], // 16 KiB: 01
  [16, 0x1234_5678_9abc_def0n, 0x1234_5678_9abc_7800n], // 64 KiB: 0111
  [21, 0x1234_5678_9abc_def0n, 0x1234_5678_9aaf_f800n], // 2 MiB: bits 19:12 are 1, bit 20 is 0
  [30, 0x1234_5678_9abc_def0n, 0x1234_5678_9fff_f800n], // 1 GiB: bits 28:12 are 1, bit 29 is 0
  [32, 0x1234_5678_9abc_def0n, 0x1234_5678_7fff_f800n],
  [33, 0x1234_5678_9abc_def0n, 0x1234_5678_ffff_f800n],
  [34, 0x1234_5678_9abc_def0n, 0x1234_5679_ffff_f800n],
  [39, 0x1234_5678_9abc_def0n, 0x1234_563f_ffff_f800n],
  [63, 0x9234_5678_9abc_def0n, 0xbfff_ffff_ffff_f800n],
  [64, 0x9234_5678_9abc_def0n, 0x7fff_ffff_ffff_f800n], // everything: all address bits but bit 63 are 1
];

const R_W: TranslationEntry = { ...NO_ACCESS, read: true, write: true };

describe('The size code', () => {
  it.each(SIZES)('of 2^%i bytes around %x is %x.', (shift, within, named) => {
    const { hi, lo } = sized(highOf(within), lowOf(within), shift);
    expect(joinHalves(hi, lo).toString(16)).toBe(named.toString(16));
    expect(sizedShift(highOf(named), lowOf(named))).toBe(shift);
  });

  it('names a range that holds the address, for every address and every size from 4 KiB to the whole space.', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.integer({ min: 12, max: 64 }), (address, shift) => {
        const { hi, lo } = sized(highOf(address), lowOf(address), shift);
        expect(sizedShift(hi, lo)).toBe(shift);
        const first = (address >> BigInt(shift)) << BigInt(shift);
        expect(overlap(hi, lo, shift, { hi: highOf(first), lo: lowOf(first) }, 12)).toBe(true);
        const entry = decodeTranslation(hi, lo);
        expect(joinHalves(entry.hi, entry.lo)).toBe(first);
      }),
    );
  });

  it('without a 0 bit names the whole space, and says nothing without S.', () => {
    expect(sizedShift(-1, -1)).toBe(64);
    expect(sizedShift(-1, ~0x800)).toBe(12);
  });
});

describe('Two ranges', () => {
  it.each([
    [0x1000n, 12, 0x1000n, 12, true],
    [0x1000n, 12, 0x2000n, 12, false],
    [0x20_0000n, 21, 0x3f_f000n, 12, true],
    [0x20_0000n, 21, 0x40_0000n, 12, false],
    [0x7_0000_0000n, 12, 0n, 36, true],
    [0x1_0000_0000n, 12, 0n, 12, false],
    [0xffff_ffff_ffff_f000n, 12, 0n, 64, true],
  ])('at %x of 2^%i and at %x of 2^%i bytes meet: %s.', (one, shift, other, otherShift, expected) => {
    const halves = { hi: highOf(other), lo: lowOf(other) };
    expect(overlap(highOf(one), lowOf(one), shift, halves, otherShift)).toBe(expected);
  });
});

describe('An entry of a translation completion', () => {
  it.each<[string, Partial<TranslationEntry>, bigint]>([
    ['nothing', {}, 0x0n],
    ['R', { read: true }, 0x1n],
    ['W', { write: true }, 0x2n],
    ['U', { untranslatedOnly: true }, 0x4n],
    ['Exe', { execute: true }, 0x8n],
    ['Priv', { privileged: true }, 0x10n],
    ['Global', { global: true }, 0x20n],
    ['N', { snooped: true }, 0x400n],
    ['2 MiB at 0x12_3460_0000', { ...R_W, hi: 0x12, lo: 0x3460_0000, shift: 21 }, 0x12_346f_f803n],
    ['4 KiB at 0xa_bcde_f000', { ...R_W, hi: 0xa, lo: 0xbcdef000 | 0, shift: 12 }, 0xa_bcde_f003n],
  ])('that says %s has this value.', (_, said, value) => {
    const entry = { ...NO_ACCESS, ...said };
    const { hi, lo } = encodeTranslation(entry);
    expect(joinHalves(hi, lo).toString(16)).toBe(value.toString(16));
    expect(decodeTranslation(highOf(value), lowOf(value))).toEqual(entry);
  });

  it('is read without its reserved bits and attributes.', () => {
    expect(decodeTranslation(0, 0x3c0)).toEqual(NO_ACCESS);
  });

  it('travels with its highest byte first.', () => {
    const bytes = new Uint8Array(9);
    putHalves(bytes, 1, { hi: 0x0102_0304, lo: 0x8506_0708 | 0 });
    expect([...bytes]).toEqual([0, 1, 2, 3, 4, 0x85, 6, 7, 8]);
    expect([halfAt(bytes, 1), halfAt(bytes, 5)]).toEqual([0x0102_0304, 0x8506_0708 | 0]);
  });
});

describe('A translation request', () => {
  it('has the page in its address, and NW in bit 0.', () => {
    expect(translationRequestAddress(0x12, 0x3456_7abc, true)).toEqual({ hi: 0x12, lo: 0x3456_7001 });
    expect(translationRequestAddress(0x12, 0x3456_7abc, false)).toEqual({ hi: 0x12, lo: 0x3456_7000 });
  });
});

describe('An Invalidate Request', () => {
  const said = { requester: 0x0308, pasid: 0x54321, global: true, address: 0x1122_3344_5566_7000n, tag: 0x1f };

  it('is a message by ID to the function, with its ITag as tag, the range as data and the PASID in a prefix.', () => {
    const tlp = invalidateRequest(new Tlp(), 0x00a5, { ...said, isRange: true });
    expect(tlp.kind).toBe(TlpKind.MESSAGE_DATA);
    expect([tlp.messageCode, tlp.routing, tlp.completer]).toEqual([0x01, MessageRouting.ID, 0x0308]);
    expect([tlp.requester, tlp.tag, tlp.pasid]).toEqual([0x00a5, 0x1f, 0x54321]);
    expect(tlp.addressHi >>> 16).toBe(0x0308);
    expect([...tlp.data!.subarray(0, tlp.length)]).toEqual([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x78, 0x01]);
  });

  it('says to the device which range is meant.', () => {
    const tlp = invalidateRequest(new Tlp(), 0x00a5, { ...said, isRange: true });
    const range = { hi: 0x1122_3344, lo: 0x5566_0000, shift: 16 };
    expect(readInvalidateRequest(tlp)).toEqual({ agent: 0x00a5, tag: 0x1f, pasid: 0x54321, global: true, ...range });
    const page = invalidateRequest(new Tlp(), 0, { ...said, pasid: undefined, global: false, isRange: false });
    expect(readInvalidateRequest(page)).toMatchObject({ pasid: NO_PASID, global: false, lo: 0x5566_7000, shift: 12 });
  });

  it('is none with other data than 8 bytes, or an ITag above 31.', () => {
    const tlp = invalidateRequest(new Tlp(), 0, { ...said, isRange: false });
    tlp.tag = 32;
    expect(readInvalidateRequest(tlp)).toBeNull();
    tlp.tag = 31;
    tlp.length = 4;
    expect(readInvalidateRequest(tlp)).toBeNull();
    expect(readInvalidateRequest(new Tlp().messageTo(0, 0, 0x01))).toBeNull();
  });
});

describe('An Invalidate Completion', () => {
  it('has who asked and the count in the third word, and the ITag vector in the fourth.', () => {
    const completion = { requester: 0x0308, tags: 0x8000_0001 | 0, count: 3 };
    const tlp = invalidateCompletion(new Tlp(), 0xbeef, completion);
    expect([tlp.kind, tlp.messageCode, tlp.routing, tlp.requester]).toEqual([TlpKind.MESSAGE, 0x02, 2, 0x0308]);
    expect([tlp.addressHi >>> 0, tlp.addressLo >>> 0]).toEqual([0xbeef_0003, 0x8000_0001]);
    expect(readInvalidateCompletion(tlp)).toEqual(completion);
  });

  it('writes a count of 8 as 0.', () => {
    const tlp = invalidateCompletion(new Tlp(), 0xbeef, { requester: 0, tags: 1, count: 8 });
    expect(tlp.addressHi >>> 0).toBe(0xbeef_0000);
  });
});

describe('A Page Request', () => {
  const request = { requester: 0x0308, pasid: 0x12345, hi: 0x7fff, lo: 0x1234_5000, group: 0x1ff };

  it('has the page, its group index, L, W and R in the last two words, and goes to the root complex.', () => {
    const all = { ...request, read: true, write: true, last: true, execute: true, privileged: true };
    const tlp = pageRequest(new Tlp(), all);
    expect([tlp.kind, tlp.messageCode, tlp.routing]).toEqual([TlpKind.MESSAGE, 0x04, MessageRouting.ROOT_COMPLEX]);
    expect([tlp.addressHi, tlp.addressLo]).toEqual([0x7fff, 0x1234_5fff]);
    expect([tlp.pasid, tlp.privileged, tlp.execute]).toEqual([0x12345, true, true]);
    expect(readPageRequest(tlp)).toEqual(all);
  });

  it('says R, W and L one by one.', () => {
    const none = { ...request, group: 0, read: false, write: false, last: false, execute: false, privileged: false };
    const low = (said: Partial<typeof none>): number => pageRequest(new Tlp(), { ...none, ...said }).addressLo & 0xfff;
    expect([low({ read: true }), low({ write: true }), low({ last: true }), low({ group: 1 })]).toEqual([1, 2, 4, 8]);
  });

  it('that is a stop marker has L alone, under a PASID.', () => {
    const tlp = stopMarker(new Tlp(), 0x0308, 0x77);
    expect([tlp.messageCode, tlp.addressHi, tlp.addressLo, tlp.pasid]).toEqual([0x04, 0, 4, 0x77]);
    expect(isStopMarker(readPageRequest(tlp))).toBe(true);
    expect(isStopMarker({ ...readPageRequest(tlp), pasid: NO_PASID })).toBe(false);
    expect(isStopMarker({ ...readPageRequest(tlp), read: true })).toBe(false);
  });
});

describe('A PRG Response', () => {
  it.each([
    [0b0000, 0x0308_01a5],
    [0b0001, 0x0308_11a5],
    [0b1111, 0x0308_f1a5],
  ])('with code %i has this third word.', (code, word) => {
    const response = { requester: 0x0308, pasid: undefined, group: 0x1a5, code };
    const tlp = pageGroupResponse(new Tlp(), 0x00a5, response);
    expect([tlp.kind, tlp.messageCode, tlp.routing, tlp.requester]).toEqual([TlpKind.MESSAGE, 0x05, 2, 0x00a5]);
    expect([tlp.addressHi, tlp.addressLo]).toEqual([word, 0]);
    expect(readPageGroupResponse(tlp)).toEqual(response);
  });

  it('carries the PASID in a prefix.', () => {
    const response = { requester: 0x0308, pasid: 5, group: 0, code: 0 };
    expect(readPageGroupResponse(pageGroupResponse(new Tlp(), 0, response))).toEqual(response);
  });
});
