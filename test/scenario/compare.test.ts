import { describe, expect, it } from 'vitest';
import { isSame, show } from '../../src/scenario/compare.ts';

describe('values in expectations', () => {
  it('are the same when their content is, whether a number is big or not', () => {
    expect(isSame(5, 5n)).toBe(true);
    expect(isSame(0x1_0000_0000n, 2 ** 32)).toBe(true);
    expect(isSame({ ok: true, at: [1, 2n] }, { ok: true, at: [1n, 2] })).toBe(true);
    expect(isSame(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(isSame(Number.NaN, Number.NaN)).toBe(true);
  });

  it('differ when a field, a length or a kind differs', () => {
    expect(isSame(5, 6n)).toBe(false);
    expect(isSame(0.5, 0n)).toBe(false);
    expect(isSame('5', 5)).toBe(false);
    expect(isSame({ ok: true }, { ok: true, more: undefined })).toBe(false);
    expect(isSame({ a: undefined }, { b: undefined })).toBe(false);
    expect(isSame(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false);
    expect(isSame([], {})).toBe(false);
    expect(isSame(null, {})).toBe(false);
  });

  it('are shown as a reader writes them', () => {
    expect(show(0x1000n)).toBe('0x1000');
    expect(show(12)).toBe('12');
    expect(show(-22)).toBe('-22 (EINVAL)');
    expect(show('text')).toBe('"text"');
    expect(show({ ok: false, status: 'UR', at: [1n] })).toBe('{ ok: false, status: "UR", at: [0x1] }');
    expect(show(Uint8Array.of(0xca, 0xfe))).toBe('ca fe');
    expect(show(new Uint8Array(4096))).toBe(`${'00 '.repeat(16)}… (4096 bytes)`);
    expect(show([1, 2, 3, 4, 5])).toBe('[1, 2, 3, 4, … (5 items)]');
    expect(show(undefined)).toBe('undefined');
  });
});
